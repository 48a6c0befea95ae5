//! The message by which a producer states that a minute is complete: a batch without rows, whose
//! message has metadata.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::{DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteOptions, write_message};
use arrow::ipc::{KeyValueBuilder, MessageBuilder, MessageHeader, RecordBatchBuilder, root_as_message};
use flatbuffers::FlatBufferBuilder;

use crate::protocol::DONE;

/// The message, encoded, for a stream of `schema` that has sent its dictionaries.
pub(crate) fn done_message(schema: &SchemaRef, frame_ms: i64) -> Result<Vec<u8>, ArrowError> {
    let options = IpcWriteOptions::default();
    let empty = RecordBatch::new_empty(schema.clone());
    let mut dictionaries = DictionaryTracker::new(false);
    let encoder = IpcDataGenerator::default();
    // This numbers the dictionaries.
    encoder.schema_to_bytes_with_dictionary_tracker(schema, &mut dictionaries, &options);
    let (_, batch) = encoder.encode(&empty, &mut dictionaries, &options, &mut Default::default())?;
    let ipc_message = with_metadata(&batch.ipc_message, frame_ms)?;
    let mut bytes = Vec::new();
    write_message(&mut bytes, EncodedData { ipc_message, arrow_data: batch.arrow_data }, &options)?;
    Ok(bytes)
}

/// The message of a batch with one entry of metadata: the library's encoder writes none.
fn with_metadata(message: &[u8], frame_ms: i64) -> Result<Vec<u8>, ArrowError> {
    let invalid = |why: String| ArrowError::IpcError(why);
    let message = root_as_message(message).map_err(|error| invalid(error.to_string()))?;
    let batch = message.header_as_record_batch().ok_or_else(|| invalid("not a batch".into()))?;
    let mut builder = FlatBufferBuilder::new();
    let nodes = batch.nodes().map(|nodes| nodes.iter().copied().collect::<Vec<_>>()).unwrap_or_default();
    let buffers = batch.buffers().map(|buffers| buffers.iter().copied().collect::<Vec<_>>()).unwrap_or_default();
    let (nodes, buffers) = (builder.create_vector(&nodes), builder.create_vector(&buffers));
    let mut header = RecordBatchBuilder::new(&mut builder);
    header.add_length(batch.length());
    header.add_nodes(nodes);
    header.add_buffers(buffers);
    let header = header.finish().as_union_value();
    let (key, value) = (builder.create_string(DONE), builder.create_string(&frame_ms.to_string()));
    let mut entry = KeyValueBuilder::new(&mut builder);
    entry.add_key(key);
    entry.add_value(value);
    let entry = entry.finish();
    let metadata = builder.create_vector(&[entry]);
    let mut with_metadata = MessageBuilder::new(&mut builder);
    with_metadata.add_version(message.version());
    with_metadata.add_header_type(MessageHeader::RecordBatch);
    with_metadata.add_header(header);
    with_metadata.add_bodyLength(message.bodyLength());
    with_metadata.add_custom_metadata(metadata);
    let with_metadata = with_metadata.finish();
    builder.finish(with_metadata, None);
    Ok(builder.finished_data().to_vec())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use arrow::ipc::reader::StreamReader;
    use arrow::ipc::writer::StreamWriter;
    use barbus_bars::BarSchema;

    use super::*;

    /// Another reader of the stream finds a batch without rows.
    #[test]
    fn the_message_is_a_batch_with_metadata() {
        let schema = BarSchema::in_zone("UTC").unwrap().wire_schema();
        let message = done_message(&schema, 1_720_056_660_000).unwrap();
        let parsed = root_as_message(&message[8..]).unwrap();
        let entries: Vec<_> = parsed.custom_metadata().unwrap().iter().map(|one| (one.key(), one.value())).collect();
        assert_eq!(entries, [(Some(DONE), Some("1720056660000"))]);
        let mut stream = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        stream.write(&RecordBatch::new_empty(schema.clone())).unwrap();
        stream.get_mut().extend_from_slice(&message);
        let bytes = stream.into_inner().unwrap();
        let batches: Vec<_> = StreamReader::try_new(Cursor::new(bytes), None).unwrap().map(Result::unwrap).collect();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [0, 0]);
    }
}
