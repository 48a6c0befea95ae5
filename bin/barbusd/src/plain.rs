//! Record batches of numbers, times and strings, taken off a message's body without the general decoder.
//!
//! A feed sends bars one by one: what the general decoder does for every column, whatever it is, takes longer then than all that follows.
//! Whatever is out of the ordinary is left to it, also to say what is wrong.

use std::sync::Arc;

use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{ArrayRef, PrimitiveArray, RecordBatch, StringArray, downcast_primitive};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_ipc::{MessageHeader, MetadataVersion};
use arrow_schema::{DataType, SchemaRef};

/// What a verified message says of the record batch in its body, as far as it is not compressed.
#[derive(Debug)]
pub(crate) struct Layout {
    rows: usize,
    /// For each column: rows, nulls.
    nodes: Vec<(usize, usize)>,
    /// Begin and length.
    buffers: Vec<(usize, usize)>,
}

impl Layout {
    /// `None` where the message is no record batch, or one for the general decoder.
    pub(crate) fn of(message: &arrow_ipc::Message<'_>) -> Option<Self> {
        if message.version() != MetadataVersion::V5 || message.header_type() != MessageHeader::RecordBatch {
            return None;
        }
        let batch = message.header_as_record_batch().filter(|batch| batch.compression().is_none())?;
        let count = |number: i64| usize::try_from(number).ok();
        let (nodes, buffers) = (batch.nodes()?, batch.buffers()?);
        let rows = count(batch.length())?;
        let mut layout =
            Self { rows, nodes: Vec::with_capacity(nodes.len()), buffers: Vec::with_capacity(buffers.len()) };
        for node in nodes {
            layout.nodes.push((count(node.length())?, count(node.null_count())?));
        }
        for buffer in buffers {
            layout.buffers.push((count(buffer.offset())?, count(buffer.length())?));
        }
        Some(layout)
    }

    /// The batch of `schema` that `body` has; `None` where the general decoder must look.
    pub(crate) fn batch(&self, schema: &SchemaRef, body: &Buffer) -> Option<RecordBatch> {
        if self.rows == 0 || self.nodes.len() != schema.fields().len() {
            return None;
        }
        let mut buffers = self.buffers.iter().map(|&(begin, length)| {
            let inside = begin.checked_add(length)? <= body.len();
            inside.then(|| body.slice_with_length(begin, length))
        });
        let mut columns = Vec::with_capacity(self.nodes.len());
        for (field, &(rows, nulls)) in schema.fields().iter().zip(&self.nodes) {
            let validity = buffers.next()??;
            if rows != self.rows || (nulls > 0 && validity.len() < rows.div_ceil(8)) {
                return None;
            }
            let bits = (nulls > 0).then(|| NullBuffer::new(BooleanBuffer::new(validity, 0, rows)));
            if bits.as_ref().is_some_and(|bits| bits.null_count() != nulls) {
                return None;
            }
            columns.push(column(field.data_type(), rows, bits, &mut buffers)?);
        }
        if buffers.next().is_some() {
            return None;
        }
        RecordBatch::try_new(Arc::clone(schema), columns).ok()
    }
}

fn column(
    data_type: &DataType,
    rows: usize,
    nulls: Option<NullBuffer>,
    buffers: &mut impl Iterator<Item = Option<Buffer>>,
) -> Option<ArrayRef> {
    macro_rules! numbers {
        ($t:ty) => {{
            let values = scalars::<<$t as ArrowPrimitiveType>::Native>(buffers.next()??, rows)?;
            Some(Arc::new(PrimitiveArray::<$t>::new(values, nulls).with_data_type(data_type.clone())))
        }};
    }
    downcast_primitive! {
        data_type => (numbers),
        DataType::Utf8 => {
            let offsets = scalars::<i32>(buffers.next()??, rows + 1)?;
            let text = buffers.next()??;
            if offsets[0] < 0 || !offsets.is_sorted() {
                return None;
            }
            Some(Arc::new(StringArray::try_new(OffsetBuffer::new(offsets), text, nulls).ok()?))
        },
        _ => None,
    }
}

/// The first `count` values of a buffer that is long enough, and aligned for them.
fn scalars<T: ArrowNativeType>(buffer: Buffer, count: usize) -> Option<ScalarBuffer<T>> {
    let fits = count.checked_mul(size_of::<T>())? <= buffer.len() && buffer.as_ptr().align_offset(align_of::<T>()) == 0;
    fits.then(|| ScalarBuffer::new(buffer, 0, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use arrow_array::{
        BooleanArray, Date64Array, DictionaryArray, Float64Array, Int64Array, TimestampMillisecondArray,
        types::Int32Type,
    };
    use arrow_buffer::MutableBuffer;
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};

    fn batch() -> RecordBatch {
        let columns: [(&str, ArrayRef); 6] = [
            ("symbol", Arc::new(StringArray::from(vec!["A", "BC", "", "600000.XSHG"]))),
            ("name", Arc::new(StringArray::from(vec![Some("x"), None, Some("yz"), None]))),
            ("frame", Arc::new(TimestampMillisecondArray::from(vec![1, 2, 3, 4]).with_timezone("UTC"))),
            ("money", Arc::new(Float64Array::from(vec![Some(1.5), None, Some(-0.0), Some(f64::NAN)]))),
            ("count", Arc::new(Int64Array::from(vec![i64::MIN, 0, 1, i64::MAX]))),
            ("day", Arc::new(Date64Array::from(vec![None, Some(86_400_000), None, None]))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    /// The layout and the body of the batch in a stream of one.
    fn sent(batch: &RecordBatch, options: IpcWriteOptions) -> (Option<Layout>, Buffer) {
        let mut stream = Vec::new();
        let mut writer = StreamWriter::try_new_with_options(&mut stream, &batch.schema(), options).unwrap();
        writer.write(batch).unwrap();
        drop(writer);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut last = None;
        let mut rest = &stream[..];
        while let Some(message) = runtime.block_on(messages::read(&mut rest, 1 << 20)).ok().flatten() {
            last = Some((message.layout, message.body));
        }
        last.expect("a batch was sent")
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        let whole = batch();
        for batch in [whole.clone(), whole.slice(1, 3), whole.slice(3, 1)] {
            let (layout, body) = sent(&batch, IpcWriteOptions::default());
            let read = layout.unwrap().batch(&batch.schema(), &body).unwrap();
            // NaN is not equal to itself; as text it is.
            assert_eq!(format!("{read:?}"), format!("{batch:?}"));
        }
    }

    #[test]
    fn what_is_out_of_the_ordinary_is_left_to_the_general_decoder() {
        let symbols: DictionaryArray<Int32Type> = ["A", "B"].into_iter().collect();
        let columns: [ArrayRef; 2] = [Arc::new(symbols), Arc::new(BooleanArray::from(vec![true, false]))];
        for column in columns {
            let batch = RecordBatch::try_from_iter([("column", column)]).unwrap();
            let (layout, body) = sent(&batch, IpcWriteOptions::default());
            assert!(layout.unwrap().batch(&batch.schema(), &body).is_none());
        }
        let lz4 = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME)).unwrap();
        assert!(sent(&batch(), lz4).0.is_none());
    }

    #[test]
    fn a_layout_that_contradicts_its_body_is_not_believed() {
        let batch = batch();
        let refused = |change: fn(&mut Layout, &mut Vec<u8>)| {
            let (layout, body) = sent(&batch, IpcWriteOptions::default());
            let (mut layout, mut bytes) = (layout.unwrap(), body.to_vec());
            change(&mut layout, &mut bytes);
            let mut body = MutableBuffer::from_len_zeroed(bytes.len());
            body.copy_from_slice(&bytes);
            layout.batch(&batch.schema(), &body.into()).is_none()
        };
        assert!(!refused(|_, _| {}));
        assert!(refused(|layout, _| layout.rows = 5));
        assert!(refused(|layout, _| layout.rows = 0));
        assert!(refused(|layout, _| layout.nodes[0].0 = usize::MAX));
        assert!(refused(|layout, _| layout.nodes[1].1 = 1));
        assert!(refused(|layout, _| layout.nodes.truncate(1)));
        assert!(refused(|layout, _| layout.buffers.truncate(2)));
        assert!(refused(|layout, _| layout.buffers.push((0, 8))));
        assert!(refused(|layout, bytes| layout.buffers[1].0 = bytes.len()));
        assert!(refused(|layout, _| layout.buffers[1].0 = usize::MAX));
        // The offsets of the symbols.
        assert!(refused(|layout, _| layout.buffers[1].0 += 1));
        assert!(refused(|layout, bytes| bytes[layout.buffers[1].0 + 4] = 200));
        assert!(refused(|layout, bytes| bytes[layout.buffers[1].0 + 3] = 0xff));
        assert!(refused(|layout, bytes| bytes[layout.buffers[2].0] = 0xff), "not UTF-8");
    }
}
