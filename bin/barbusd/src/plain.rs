//! Record batches of numbers, times and strings, taken off a message's body without the general decoder.
//!
//! A feed sends bars one by one: what the general decoder does for every column, whatever it is, takes longer then than all that follows.
//! Whatever is out of the ordinary is left to it, also to say what is wrong.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, PrimitiveArray, RecordBatch, StringArray, downcast_primitive};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::ArrowNativeType;
use arrow::datatypes::ArrowPrimitiveType;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use arrow::ipc::{MessageHeader, MetadataVersion};
use barbus::Canonical;

/// Columns that a bar must have: symbol, frame, open, high, low, close, volume.
const FIXED_COLUMNS: usize = 7;

/// What a verified message says of the record batch in its body, as far as it is not compressed.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    rows: usize,
    /// For each column: rows, nulls.
    nodes: Vec<(usize, usize)>,
    /// Begin and length.
    buffers: Vec<(usize, usize)>,
}

impl Layout {
    /// `None` where the message is no record batch, or one for the general decoder.
    pub(crate) fn of(message: &arrow::ipc::Message<'_>) -> Option<Self> {
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
            if rows != self.rows {
                return None;
            }
            let bits = validity_of(validity, rows, nulls)?;
            columns.push(column(field.data_type(), rows, bits, &mut buffers)?);
        }
        if buffers.next().is_some() {
            return None;
        }
        RecordBatch::try_new(Arc::clone(schema), columns).ok()
    }
}

impl Layout {
    /// The columns of bars in `body`, which are at `places` among those of `schema`, where they are canonical. What is taken here
    /// [`Layout::batch`] takes as well.
    pub(crate) fn canonical(&self, schema: &SchemaRef, body: &Buffer, places: &[Option<usize>]) -> Option<Canonical> {
        let rows = self.rows;
        if !(1..=Canonical::MOST_ROWS).contains(&rows) || self.nodes.len() != schema.fields().len() {
            return None;
        }
        if !self.buffers.iter().all(|&(begin, length)| begin.checked_add(length).is_some_and(|end| end <= body.len())) {
            return None;
        }
        let buffer = |i: usize| {
            let &(begin, length) = self.buffers.get(i)?;
            Some(body.slice_with_length(begin, length))
        };
        let (mut symbols, mut frames_ms, mut numbers) = (None, None, [const { None }; 5]);
        let mut optional = vec![None; places.len().checked_sub(FIXED_COLUMNS)?];
        let mut next = 0;
        for (i, (field, &(length, nulls))) in schema.fields().iter().zip(&self.nodes).enumerate() {
            let place = places.iter().position(|place| *place == Some(i))?;
            if length != rows || (nulls > 0 && (place < FIXED_COLUMNS || !field.is_nullable())) {
                return None;
            }
            match (place, field.data_type()) {
                (0, DataType::Utf8) => {
                    symbols = Some(text(buffer(next + 1)?, buffer(next + 2)?, rows, None)?);
                    next += 1;
                }
                (1, DataType::Timestamp(TimeUnit::Millisecond, Some(_))) => {
                    frames_ms = Some(scalars(buffer(next + 1)?, rows)?);
                }
                (2..FIXED_COLUMNS, DataType::Float64) => {
                    numbers[place - 2] = Some(scalars(buffer(next + 1)?, rows)?);
                }
                (FIXED_COLUMNS.., DataType::Float64) => {
                    let nulls = validity_of(buffer(next)?, rows, nulls)?;
                    optional[place - FIXED_COLUMNS] = Some(Float64Array::new(scalars(buffer(next + 1)?, rows)?, nulls));
                }
                _ => return None,
            }
            next += 2;
        }
        let [Some(open), Some(high), Some(low), Some(close), Some(volume)] = numbers else { return None };
        let numbers = [open, high, low, close, volume];
        (next == self.buffers.len()).then_some(Canonical {
            symbols: symbols?,
            frames_ms: frames_ms?,
            numbers,
            optional,
        })
    }
}

/// The bitmap of `rows` values of which so many are null; `None` where it says otherwise.
fn validity_of(buffer: Buffer, rows: usize, nulls: usize) -> Option<Option<NullBuffer>> {
    if nulls == 0 {
        return Some(None);
    }
    let enough = buffer.len() >= rows.div_ceil(8);
    let bits = enough.then(|| NullBuffer::new(BooleanBuffer::new(buffer, 0, rows)))?;
    (bits.null_count() == nulls).then_some(Some(bits))
}

fn text(offsets: Buffer, text: Buffer, rows: usize, nulls: Option<NullBuffer>) -> Option<StringArray> {
    let offsets = scalars::<i32>(offsets, rows + 1)?;
    if offsets[0] < 0 || !offsets.is_sorted() {
        return None;
    }
    StringArray::try_new(OffsetBuffer::new(offsets), text, nulls).ok()
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
            let offsets = buffers.next()??;
            Some(Arc::new(text(offsets, buffers.next()??, rows, nulls)?))
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
    use crate::messages::Messages;
    use arrow::array::{
        BooleanArray, Date64Array, DictionaryArray, Float64Array, Int64Array, TimestampMillisecondArray,
        types::Int32Type,
    };
    use arrow::buffer::MutableBuffer;
    use arrow::ipc::CompressionType;
    use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};

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
        let mut last = None;
        let mut rest = &stream[..];
        let mut messages = Messages::new(1 << 20);
        while let Some(message) = messages.read(&mut rest).ok().flatten() {
            last = Some((message.layout.map(|layout| Layout::clone(&layout)), message.body));
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

    fn bars() -> RecordBatch {
        let number = |values: [f64; 3]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
        let columns: [(&str, ArrayRef); 8] = [
            ("close", number([1.0, 2.0, 3.0])),
            ("symbol", Arc::new(StringArray::from(vec!["A", "BC", "600000.XSHG"]))),
            ("frame", Arc::new(TimestampMillisecondArray::from(vec![60_000; 3]).with_timezone("UTC"))),
            ("open", number([0.5, 1.5, 2.5])),
            ("high", number([4.0, 5.0, 6.0])),
            ("low", number([0.1, 0.2, 0.3])),
            ("volume", number([7.0, 8.0, 9.0])),
            ("money", Arc::new(Float64Array::from(vec![Some(1.5), None, Some(2.5)]))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    /// Where the columns of a bus with money and factor are among those of [`bars`].
    const PLACES: [Option<usize>; 9] = [Some(1), Some(2), Some(3), Some(4), Some(5), Some(0), Some(6), Some(7), None];

    #[test]
    fn canonical_columns_are_those_of_the_batch() {
        let whole = bars();
        for batch in [whole.clone(), whole.slice(1, 1), whole.slice(2, 1)] {
            let (layout, body) = sent(&batch, IpcWriteOptions::default());
            let found = layout.unwrap().canonical(&batch.schema(), &body, &PLACES).unwrap();
            let number = |i: usize| -> ArrayRef { Arc::new(Float64Array::new(found.numbers[i].clone(), None)) };
            let symbols: ArrayRef = Arc::new(found.symbols.clone());
            let frames = TimestampMillisecondArray::new(found.frames_ms.clone(), None).with_timezone("UTC");
            let money: ArrayRef = Arc::new(found.optional[0].clone().unwrap());
            let columns = [number(3), symbols, Arc::new(frames), number(0), number(1), number(2), number(4), money];
            assert_eq!(batch.columns(), columns);
            assert!(found.optional[1].is_none());
        }
    }

    #[test]
    fn columns_that_are_not_canonical_are_left_to_a_cast() {
        let taken = |batch: &RecordBatch, places: &[Option<usize>]| {
            let (layout, body) = sent(batch, IpcWriteOptions::default());
            layout.unwrap().canonical(&batch.schema(), &body, places).is_some()
        };
        let with = |i: usize, column: ArrayRef| {
            let mut columns = bars().columns().to_vec();
            columns[i] = column;
            let names = ["close", "symbol", "frame", "open", "high", "low", "volume", "money"];
            RecordBatch::try_from_iter_with_nullable(names.into_iter().zip(columns).map(|(n, c)| (n, c, true))).unwrap()
        };
        assert!(taken(&bars(), &PLACES));
        assert!(!taken(&with(0, Arc::new(Float64Array::from(vec![Some(1.0), None, None]))), &PLACES), "a null");
        assert!(!taken(&with(0, Arc::new(Int64Array::from(vec![1, 2, 3]))), &PLACES), "another type");
        assert!(!taken(&with(1, Arc::new(StringArray::from(vec![Some("A"), None, Some("B")]))), &PLACES), "a null");
        assert!(!taken(&with(2, Arc::new(TimestampMillisecondArray::from(vec![1; 3]))), &PLACES), "no zone");
        // A column that the bus does not have, or one that the stream lacks.
        let mut places = PLACES;
        places[7] = None;
        assert!(!taken(&bars(), &places));
        let rows = Canonical::MOST_ROWS + 1;
        let number = || -> ArrayRef { Arc::new(Float64Array::from(vec![1.0; rows])) };
        let symbols: ArrayRef = Arc::new(StringArray::from(vec!["A"; rows]));
        let frames: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![60_000; rows]).with_timezone("UTC"));
        let mut columns = vec![number(), symbols, frames];
        columns.resize_with(8, number);
        assert!(!taken(&RecordBatch::try_new(bars().schema(), columns).unwrap(), &PLACES), "many rows");
    }

    #[test]
    fn a_layout_that_contradicts_its_body_is_not_believed() {
        let whole = bars();
        let refused = |change: fn(&mut Layout, &mut Vec<u8>)| {
            let (layout, body) = sent(&whole, IpcWriteOptions::default());
            let (mut layout, mut bytes) = (layout.unwrap(), body.to_vec());
            change(&mut layout, &mut bytes);
            let body: Buffer = bytes.into();
            let canonical = layout.canonical(&whole.schema(), &body, &PLACES).is_none();
            assert!(
                canonical || layout.batch(&whole.schema(), &body).is_some(),
                "whoever takes the columns takes the batch"
            );
            canonical
        };
        assert!(!refused(|_, _| {}));
        assert!(refused(|layout, _| layout.rows = 5));
        assert!(refused(|layout, _| layout.rows = 0));
        assert!(refused(|layout, _| layout.nodes[0].0 = usize::MAX));
        assert!(refused(|layout, _| layout.nodes[7].1 = 2));
        assert!(refused(|layout, _| layout.nodes.truncate(1)));
        assert!(refused(|layout, _| layout.buffers.truncate(2)));
        assert!(refused(|layout, _| layout.buffers.push((0, 8))));
        assert!(refused(|layout, bytes| layout.buffers[1].0 = bytes.len()));
        assert!(refused(|layout, _| layout.buffers[0] = (usize::MAX, 1)));
        assert!(refused(|layout, _| layout.buffers[3].0 += 1));
        assert!(refused(|layout, bytes| bytes[layout.buffers[3].0 + 4] = 200));
        assert!(refused(|layout, bytes| bytes[layout.buffers[4].0] = 0xff), "not UTF-8");

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
