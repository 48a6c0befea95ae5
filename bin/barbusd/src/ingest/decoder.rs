//! Decodes messages into record batches with arrow's decoder.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::MessageHeader;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{read_dictionary, read_record_batch};

use crate::ingest::framing::Message;
use crate::ingest::message_memory::MessageMemory;

thread_local! {
    static IS_DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread decodes a message: a panic then is the message's fault, and is reported to
/// its producer as an error.
pub(crate) fn is_decoding() -> bool {
    IS_DECODING.get()
}

/// The decoder of one stream. After an error, drop it.
///
/// arrow's `StreamDecoder` takes bytes, and would verify the metadata of every message again.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    schema: Option<SchemaRef>,
    dictionaries: HashMap<i64, ArrayRef>,
}

impl Decoder {
    /// Decodes a message. Only a message with a record batch gives a batch.
    ///
    /// Metadata that contradicts its body makes arrow's functions panic in some cases.
    /// That is an error here like any other.
    pub(crate) fn decode(
        &mut self,
        message: &Message,
        memory: &mut MessageMemory,
    ) -> Result<Option<RecordBatch>, String> {
        let is_dictionary = message.metadata.as_ref().header_type() == MessageHeader::DictionaryBatch;
        if is_dictionary {
            self.reserve_delta(message, memory)?;
        }
        IS_DECODING.set(true);
        let decoded = catch_unwind(AssertUnwindSafe(|| self.decode_by_type(message)));
        IS_DECODING.set(false);
        match decoded {
            Ok(Ok(batch)) => {
                if is_dictionary {
                    memory.set_dictionaries(self.dictionary_bytes())?;
                }
                Ok(batch)
            }
            Ok(Err(error)) => Err(explain(&error)),
            Err(_) => Err("an Arrow IPC message that contradicts itself".to_owned()),
        }
    }

    /// Reserves memory for a dictionary that grows: arrow copies the old values to the new ones.
    fn reserve_delta(&self, message: &Message, memory: &mut MessageMemory) -> Result<(), String> {
        let metadata = message.metadata.as_ref();
        let old = metadata.header_as_dictionary_batch().filter(|batch| batch.isDelta());
        let old = old.and_then(|batch| self.dictionaries.get(&batch.id()));
        match old {
            Some(old) => memory.add_to_message(old.get_array_memory_size() as u64),
            None => Ok(()),
        }
    }

    fn dictionary_bytes(&self) -> u64 {
        self.dictionaries.values().map(|values| values.get_array_memory_size() as u64).sum()
    }

    fn decode_by_type(&mut self, message: &Message) -> Result<Option<RecordBatch>, ArrowError> {
        let error = |why: &str| ArrowError::IpcError(why.to_owned());
        let metadata = message.metadata.as_ref();
        let schema = self.schema.as_ref().ok_or_else(|| error("no schema before the first batch"));
        match metadata.header_type() {
            MessageHeader::Schema if self.schema.is_some() => return Err(error("a second schema")),
            MessageHeader::Schema => {
                let schema = metadata.header_as_schema().ok_or_else(|| error("a schema without content"))?;
                self.schema = Some(Arc::new(fb_to_schema(schema)));
            }
            MessageHeader::RecordBatch => {
                let batch = metadata.header_as_record_batch().ok_or_else(|| error("a batch without content"))?;
                let (schema, version) = (Arc::clone(schema?), metadata.version());
                return read_record_batch(&message.body, batch, schema, &self.dictionaries, None, &version).map(Some);
            }
            MessageHeader::DictionaryBatch => {
                let batch = metadata.header_as_dictionary_batch();
                let batch = batch.ok_or_else(|| error("a dictionary without content"))?;
                read_dictionary(&message.body, batch, schema?, &mut self.dictionaries, &metadata.version())?;
            }
            MessageHeader::NONE => {}
            other => return Err(error(&format!("a message of type {other:?}"))),
        }
        Ok(None)
    }
}

/// Turns an error of arrow's decoder into an answer to the producer.
fn explain(error: &ArrowError) -> String {
    const NOT_NULLABLE: &str = "' is declared as non-nullable but contains null values";
    let text = error.to_string();
    let column = text.split_once("Column '").and_then(|(_, rest)| rest.split_once(NOT_NULLABLE));
    match column {
        Some((column, _)) => format!(
            "column {column:?} has nulls, but the stream's schema declares it non-nullable: declare it nullable; \
             barbus then quarantines the rows that lack a required value and takes the others"
        ),
        None => format!("not an Arrow IPC stream of bars: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date64Array, DictionaryArray, Float64Array, Int64Array, StringArray,
        TimestampMillisecondArray, types::Int32Type,
    };
    use arrow::ipc::CompressionType;
    use arrow::ipc::convert::MessageBuffer;
    use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};

    use super::*;
    use crate::ingest::framing::{LastMetadata, read_message};

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

    fn stream(batches: &[RecordBatch], options: IpcWriteOptions) -> Vec<u8> {
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.into_inner().unwrap()
    }

    fn messages(stream: &[u8]) -> Vec<Message> {
        let (mut rest, mut last) = (stream, LastMetadata::default());
        let memory = &mut MessageMemory::default();
        std::iter::from_fn(|| read_message(&mut rest, &mut last, 1 << 20, memory).unwrap()).collect()
    }

    fn decoded(messages: Vec<Message>) -> Result<Vec<RecordBatch>, String> {
        let mut decoder = Decoder::default();
        let memory = &mut MessageMemory::default();
        messages.iter().filter_map(|message| decoder.decode(message, memory).transpose()).collect()
    }

    #[test]
    fn decoded_batches_are_the_batches_sent() {
        let whole = batch();
        let symbols: DictionaryArray<Int32Type> = ["A", "B"].into_iter().collect();
        let columns: [ArrayRef; 2] = [Arc::new(symbols), Arc::new(BooleanArray::from(vec![true, false]))];
        let streams = [
            vec![whole.clone(), whole.slice(1, 3), whole.slice(3, 1), whole.slice(2, 1), whole.slice(0, 0), whole],
            vec![RecordBatch::try_from_iter([("symbol", Arc::clone(&columns[0]))]).unwrap()],
            vec![RecordBatch::try_from_iter([("flag", Arc::clone(&columns[1]))]).unwrap()],
        ];
        for batches in streams {
            for compression in [None, Some(CompressionType::LZ4_FRAME)] {
                let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
                let found = decoded(messages(&stream(&batches, options))).unwrap();
                // NaN is not equal to itself; its text is.
                assert_eq!(format!("{found:?}"), format!("{batches:?}"));
            }
        }
    }

    #[test]
    fn messages_with_equal_metadata_keep_their_own_bodies() {
        let batch = |symbol: &str, price: f64| {
            let symbol: ArrayRef = Arc::new(StringArray::from(vec![symbol]));
            let price: ArrayRef = Arc::new(Float64Array::from(vec![price]));
            RecordBatch::try_from_iter([("symbol", symbol), ("open", price)]).unwrap()
        };
        let batches = [("A", 1.0), ("B", 2.0), ("BC", 3.0), ("C", 4.0), ("D", 5.0)].map(|(s, p)| batch(s, p));
        assert_eq!(decoded(messages(&stream(&batches, IpcWriteOptions::default()))).unwrap(), batches);
    }

    /// A body offset and a length, or a row count and a null count, as they lie in the metadata.
    type Pair = [i64; 2];

    fn bytes_of(pair: Pair) -> Vec<u8> {
        pair.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// Replaces the first occurrence of a pair in the metadata.
    fn patch(metadata: &mut [u8], from: Pair, to: Pair) {
        let at = metadata.windows(16).position(|bytes| bytes == bytes_of(from)).expect("the metadata has the pair");
        metadata[at..at + 16].copy_from_slice(&bytes_of(to));
    }

    #[test]
    fn metadata_that_contradicts_its_body_is_an_error() {
        let stream = stream(&[batch()], IpcWriteOptions::default());
        let (mut rest, mut last) = (&stream[..], LastMetadata::default());
        let memory = &mut MessageMemory::default();
        let schema = read_message(&mut rest, &mut last, 1 << 20, memory).unwrap().unwrap();
        let message = read_message(&mut &*rest, &mut last, 1 << 20, memory).unwrap().unwrap();
        let buffers: Vec<Pair> = {
            let message = message.metadata.as_ref();
            let buffers = message.header_as_record_batch().unwrap().buffers().unwrap();
            buffers.iter().map(|buffer| [buffer.offset(), buffer.length()]).collect()
        };
        let metadata_length = u32::from_le_bytes(*rest[4..].first_chunk().unwrap()) as usize;
        let refused = |change: &dyn Fn(&mut Vec<u8>, &mut Vec<u8>)| {
            let (mut metadata, mut body) = (rest[8..8 + metadata_length].to_vec(), message.body.to_vec());
            change(&mut metadata, &mut body);
            let metadata = MessageBuffer::try_new(metadata.into()).unwrap();
            let (mut decoder, memory) = (Decoder::default(), &mut MessageMemory::default());
            assert!(decoder.decode(&schema, memory).unwrap().is_none());
            decoder.decode(&Message { metadata, body: body.into() }, memory).is_err()
        };
        assert!(!refused(&|_, _| {}));
        // The first node is that of the symbols, the second one has nulls.
        assert!(refused(&|metadata, _| patch(metadata, [4, 0], [5, 0])));
        assert!(refused(&|metadata, _| patch(metadata, [4, 0], [0, 0])));
        assert!(refused(&|metadata, _| patch(metadata, [4, 0], [i64::MAX, 0])));
        assert!(refused(&|metadata, _| patch(metadata, [4, 0], [-1, 0])));
        assert!(refused(&|metadata, _| patch(metadata, [4, 2], [4, 1])));
        // The second buffer has the offsets of the symbols, the third one their text.
        let [offsets, text] = [buffers[1], buffers[2]];
        assert!(refused(&|metadata, body| patch(metadata, offsets, [body.len() as i64, offsets[1]])));
        assert!(refused(&|metadata, _| patch(metadata, offsets, [i64::MAX, 1])));
        assert!(refused(&|metadata, _| patch(metadata, offsets, [-8, offsets[1]])));
        assert!(refused(&|metadata, _| patch(metadata, offsets, [offsets[0], 4])));
        assert!(refused(&|_, body| body[offsets[0] as usize + 4] = 200));
        assert!(refused(&|_, body| body[offsets[0] as usize + 3] = 0xff));
        assert!(refused(&|_, body| body[text[0] as usize] = 0xff), "not UTF-8");
    }
}
