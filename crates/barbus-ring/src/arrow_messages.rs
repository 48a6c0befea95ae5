//! The Arrow messages of a ring: encoded once, with the offsets of their lengths, which are
//! patched.
//!
//! They are encoded at full capacity and patched down. Flatbuffers omits fields that hold their
//! default: a message of 0 rows would have no length to patch.

use arrow::datatypes::Schema;
use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_ipc::writer::DictionaryTracker;
use arrow_ipc::{
    Block, Buffer, DictionaryBatchBuilder, FieldNode, FooterBuilder, MessageBuilder, MessageHeader, MetadataVersion,
    RecordBatchBuilder, root_as_message,
};
use flatbuffers::{FlatBufferBuilder, UnionWIPOffset, WIPOffset};

use crate::Geometry;
use crate::layout::{BLOCK_HEADER, MESSAGE_PREFIX, PAGE, SLOT_BODY};

/// Id of the one dictionary, as the schema encoder gives it to the first dictionary field.
const DICTIONARY_ID: i64 = 0;

/// An encoded message: prefix and flatbuffer, and where its lengths lie from the message's start.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    /// Offset of `RecordBatch.length`.
    pub(crate) length: usize,
    /// Offset of each `FieldNode` (`length`, then `null_count` 8 bytes later), in column order.
    pub(crate) nodes: Vec<usize>,
}

/// The Schema message's flatbuffer, padded to a multiple of 8 bytes.
pub(crate) fn schema_flatbuffer(schema: &Schema) -> Vec<u8> {
    let mut fbb = FlatBufferBuilder::new();
    let mut tracker = DictionaryTracker::new(true);
    let header = IpcSchemaEncoder::new()
        .with_dictionary_tracker(&mut tracker)
        .schema_to_fb_offset(&mut fbb, schema)
        .as_union_value();
    finish_message(fbb, MessageHeader::Schema, header, 0)
}

/// The DictionaryBatch message at full capacity.
pub(crate) fn dictionary_message(geometry: &Geometry) -> Message {
    let mut fbb = FlatBufferBuilder::new();
    let symbols = i64::from(geometry.symbols);
    let body = geometry.slots_offset - geometry.dictionary_offsets;
    let nodes = fbb.create_vector(&[FieldNode::new(symbols, 0)]);
    let text = geometry.dictionary_text - geometry.dictionary_offsets;
    let buffers = fbb.create_vector(&[
        Buffer::new(0, 0),
        Buffer::new(0, 4 * (symbols + 1)),
        Buffer::new(text as i64, i64::from(geometry.symbol_bytes)),
    ]);
    let mut batch = RecordBatchBuilder::new(&mut fbb);
    batch.add_length(symbols);
    batch.add_nodes(nodes);
    batch.add_buffers(buffers);
    let batch = batch.finish();
    let mut dictionary = DictionaryBatchBuilder::new(&mut fbb);
    dictionary.add_id(DICTIONARY_ID);
    dictionary.add_data(batch);
    let header = dictionary.finish().as_union_value();
    let flatbuffer = finish_message(fbb, MessageHeader::DictionaryBatch, header, body as i64);
    message(&flatbuffer, PAGE)
}

/// A slot's RecordBatch message at full capacity.
pub(crate) fn slot_message(geometry: &Geometry) -> Message {
    let mut fbb = FlatBufferBuilder::new();
    let rows = i64::from(geometry.rows_per_block);
    let nodes: Vec<_> = geometry.columns.iter().map(|_| FieldNode::new(rows, 0)).collect();
    let mut buffers = Vec::new();
    for column in &geometry.columns {
        buffers.push(match column.validity {
            0 => Buffer::new(0, 0),
            validity => Buffer::new((validity - SLOT_BODY) as i64, rows / 8),
        });
        buffers.push(Buffer::new((column.values - SLOT_BODY) as i64, rows * column.width as i64));
    }
    let nodes = fbb.create_vector(&nodes);
    let buffers = fbb.create_vector(&buffers);
    let mut batch = RecordBatchBuilder::new(&mut fbb);
    batch.add_length(rows);
    batch.add_nodes(nodes);
    batch.add_buffers(buffers);
    let header = batch.finish().as_union_value();
    let body = geometry.slot_bytes - SLOT_BODY;
    let flatbuffer = finish_message(fbb, MessageHeader::RecordBatch, header, body as i64);
    let message = message(&flatbuffer, PAGE);
    assert!(message.bytes.len() <= BLOCK_HEADER, "the slot's metadata leaves room for the block header");
    message
}

/// The footer's flatbuffer: the schema again, and the offsets of the dictionary and of every slot.
pub(crate) fn footer_flatbuffer(schema: &Schema, geometry: &Geometry) -> Vec<u8> {
    let mut fbb = FlatBufferBuilder::new();
    let mut tracker = DictionaryTracker::new(true);
    let schema = IpcSchemaEncoder::new().with_dictionary_tracker(&mut tracker).schema_to_fb_offset(&mut fbb, schema);
    let dictionary_body = (geometry.slots_offset - geometry.dictionary_offsets) as i64;
    let dictionaries = fbb.create_vector(&[Block::new(geometry.dictionary as i64, PAGE as i32, dictionary_body)]);
    let slot_body = (geometry.slot_bytes - SLOT_BODY) as i64;
    let slots: Vec<_> = (0..geometry.slots as usize)
        .map(|slot| Block::new(geometry.slot(slot) as i64, SLOT_BODY as i32, slot_body))
        .collect();
    let slots = fbb.create_vector(&slots);
    let mut footer = FooterBuilder::new(&mut fbb);
    footer.add_version(MetadataVersion::V5);
    footer.add_schema(schema);
    footer.add_dictionaries(dictionaries);
    footer.add_recordBatches(slots);
    let footer = footer.finish();
    fbb.finish(footer, None);
    fbb.finished_data().to_vec()
}

/// Finishes a message with this header and pads its flatbuffer to a multiple of 8 bytes.
fn finish_message(
    mut fbb: FlatBufferBuilder<'_>,
    kind: MessageHeader,
    header: WIPOffset<UnionWIPOffset>,
    body: i64,
) -> Vec<u8> {
    let mut message = MessageBuilder::new(&mut fbb);
    message.add_version(MetadataVersion::V5);
    message.add_header_type(kind);
    message.add_header(header);
    message.add_bodyLength(body);
    let message = message.finish();
    fbb.finish(message, None);
    let mut bytes = fbb.finished_data().to_vec();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// The prefix of a message that takes `padded` bytes: prefix, flatbuffer and padding.
pub(crate) fn prefix(padded: usize) -> [u8; MESSAGE_PREFIX] {
    let mut prefix = [0xff; MESSAGE_PREFIX];
    prefix[4..].copy_from_slice(&((padded - MESSAGE_PREFIX) as u32).to_le_bytes());
    prefix
}

/// Prepends the prefix and finds the lengths in the flatbuffer.
fn message(flatbuffer: &[u8], padded: usize) -> Message {
    let parsed = root_as_message(flatbuffer).expect("the message was just encoded");
    let batch = parsed
        .header_as_record_batch()
        .or_else(|| parsed.header_as_dictionary_batch().and_then(|d| d.data()))
        .expect("the message holds a record batch");
    // A table's vtable holds the offsets of its fields; a vector's bytes are a slice of the
    // flatbuffer.
    let field = batch._tab.vtable().get(arrow_ipc::RecordBatch::VT_LENGTH) as usize;
    let length = batch._tab.loc() + field;
    let nodes = batch.nodes().expect("the batch has nodes");
    let first = nodes.bytes().as_ptr() as usize - flatbuffer.as_ptr() as usize;
    let mut bytes = prefix(padded).to_vec();
    bytes.extend_from_slice(flatbuffer);
    Message {
        bytes,
        length: MESSAGE_PREFIX + length,
        nodes: (0..nodes.len()).map(|i| MESSAGE_PREFIX + first + 16 * i).collect(),
    }
}
