//! Splits an Arrow IPC stream into messages, and checks the size of each before it is decoded.
//!
//! It takes the encapsulation of Arrow 0.15 and later only: the continuation marker, the length of
//! the metadata, the metadata (a flatbuffer, which it verifies), the body.
//! It trusts no length: memory is allocated as the bytes arrive, and within the budget of all
//! producers.

use std::io::{ErrorKind, Read};

use arrow::buffer::Buffer;
use arrow::ipc::convert::MessageBuffer;
use arrow::ipc::{MessageHeader, RecordBatch, root_as_message};

use crate::ingest::message_memory::MessageMemory;
use crate::ingest::spare_bodies::SPARE_BODIES;
use crate::peer::End;

/// The first bytes of every message.
const MARKER: [u8; 4] = [0xff; 4];
/// Longest metadata of a message, bytes.
const MAX_METADATA_BYTES: i32 = 16 * 1024 * 1024;
/// Bytes of a body that are allocated before any of them arrives.
const FIRST_BYTES: usize = 1024 * 1024;
/// The length of a buffer before compression is its first word; this value means "not compressed".
const NOT_COMPRESSED: i64 = -1;

/// An encoded message.
#[derive(Debug)]
pub(crate) struct Message {
    /// The flatbuffer, which is verified.
    pub(crate) metadata: MessageBuffer,
    pub(crate) body: Buffer,
}

/// The metadata of the last message of a stream, verified.
///
/// Batches of one size mostly have equal metadata. A comparison takes less time than to verify it.
#[derive(Debug, Default)]
pub(crate) struct LastMetadata(Option<(Buffer, MessageBuffer)>);

impl LastMetadata {
    /// Verifies metadata, unless it equals the last one.
    fn verify(&mut self, metadata: Vec<u8>) -> Result<MessageBuffer, End> {
        if let Some((bytes, verified)) = &self.0
            && **bytes == *metadata
        {
            return Ok(verified.clone());
        }
        let bytes = Buffer::from(metadata);
        let verified = verify(&bytes)?;
        self.0 = Some((bytes, verified.clone()));
        Ok(verified)
    }
}

/// Reads the next message; `None` at the end of the stream. `last` belongs to the stream.
///
/// The stream ends with its end marker, or where the peer closes its side between two messages.
/// `max_bytes` limits the body, both as it arrives and decompressed.
pub(crate) fn read_message(
    reader: &mut impl Read,
    last: &mut LastMetadata,
    max_bytes: u64,
    memory: &mut MessageMemory,
) -> Result<Option<Message>, End> {
    let mut marker = [0; 4];
    match read_up_to(reader, &mut marker)? {
        0 => return Ok(None),
        4 => {}
        _ => return Err(truncated()),
    }
    if marker != MARKER {
        return Err(End::Rejected(not_a_message(marker)));
    }
    let mut length = [0; 4];
    fill(reader, &mut length)?;
    let metadata_length = match i32::from_le_bytes(length) {
        0 => return Ok(None),
        length @ 1..=MAX_METADATA_BYTES => length as usize,
        other => {
            return rejected(format!("a message with {other} bytes of metadata: the limit is {MAX_METADATA_BYTES}"));
        }
    };
    let metadata = read_bytes(reader, metadata_length, |bytes| vec![0; bytes], |bytes| memory.set_message(bytes))?;
    let metadata = last.verify(metadata)?;
    let message = metadata.as_ref();
    let body_length = match u64::try_from(message.bodyLength()) {
        Ok(length) if length <= max_bytes => length as usize,
        Ok(length) => return rejected(format!("a message of {length} bytes: max_message is {max_bytes}")),
        Err(_) => return rejected(format!("a message of {} bytes", message.bodyLength())),
    };
    // A dictionary stays until the end of the stream.
    let is_kept = message.header_type() != MessageHeader::RecordBatch;
    let allocate = |bytes| if is_kept { vec![0; bytes] } else { SPARE_BODIES.take(bytes) };
    let reserve = |bytes| memory.set_message(metadata_length as u64 + bytes);
    let body = read_bytes(reader, body_length, allocate, reserve)?;
    let batch = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|batch| batch.data()),
        _ => None,
    };
    if let Some(batch) = batch {
        let decompressed = decompressed_bytes(&batch, &body, max_bytes).map_err(End::Rejected)?;
        let bytes = body_length as u64 + decompressed;
        memory.set_message(metadata_length as u64 + bytes).map_err(End::Rejected)?;
        // A row has at least one byte: a short message could claim any number of rows otherwise.
        let rows = batch.length();
        if u64::try_from(rows).is_err() || rows as u64 > bytes {
            return rejected(format!("a batch that claims {rows} rows in {bytes} bytes"));
        }
    }
    Ok(Some(Message { metadata, body: body.into() }))
}

/// The bytes that the compressed buffers of a batch claim together; more than `max_bytes` are an
/// error.
fn decompressed_bytes(batch: &RecordBatch<'_>, body: &[u8], max_bytes: u64) -> Result<u64, String> {
    let (Some(_), Some(buffers)) = (batch.compression(), batch.buffers()) else { return Ok(0) };
    let mut sum = 0_u64;
    for buffer in buffers {
        let first_word = usize::try_from(buffer.offset()).ok().and_then(|offset| body.get(offset..)?.first_chunk());
        // The decoder rejects a buffer outside of the body.
        let Some(length) = first_word.map(|bytes| i64::from_le_bytes(*bytes)) else { continue };
        if buffer.length() > 0 && length != NOT_COMPRESSED {
            sum = sum.saturating_add(u64::try_from(length).map_err(|_| format!("a buffer of {length} bytes"))?);
        }
    }
    if sum > max_bytes {
        return Err(format!("a message of {sum} bytes when decompressed: max_message is {max_bytes}"));
    }
    Ok(sum)
}

fn rejected<T>(why: String) -> Result<T, End> {
    Err(End::Rejected(why))
}

fn truncated() -> End {
    End::Rejected("half a message: the producer closed the connection in the middle of it".to_owned())
}

/// Verifies metadata, which is a flatbuffer.
fn verify(metadata: &Buffer) -> Result<MessageBuffer, End> {
    MessageBuffer::try_new(metadata.clone()).map_err(|error| {
        // The flatbuffer's own error is a sentence; arrow's shows the debug form of it.
        let why = root_as_message(metadata).err().map_or_else(|| error.to_string(), |why| why.to_string());
        End::Rejected(format!("not an Arrow IPC message: {}", why.trim_end()))
    })
}

/// Describes first bytes that do not begin a message.
fn not_a_message(bytes: [u8; 4]) -> String {
    match &bytes {
        b"ARRO" => "an Arrow IPC file: send the stream format".to_owned(),
        _ => format!(
            "not an Arrow IPC stream: a message begins with the bytes ff ff ff ff, not {:02x} {:02x} {:02x} {:02x}",
            bytes[0], bytes[1], bytes[2], bytes[3]
        ),
    }
}

/// Reads `length` bytes. `allocate` gives the memory for the first of them. It grows with the bytes
/// that have arrived, and `reserve` is called before that.
fn read_bytes(
    reader: &mut impl Read,
    length: usize,
    allocate: impl FnOnce(usize) -> Vec<u8>,
    mut reserve: impl FnMut(u64) -> Result<(), String>,
) -> Result<Vec<u8>, End> {
    let first = length.min(FIRST_BYTES);
    reserve(first as u64).map_err(End::Rejected)?;
    let mut bytes = allocate(first);
    fill(reader, &mut bytes)?;
    while bytes.len() < length {
        let filled = bytes.len();
        let next = filled.saturating_mul(2).min(length);
        reserve(next as u64).map_err(End::Rejected)?;
        bytes.reserve_exact(next - filled);
        bytes.resize(next, 0);
        fill(reader, &mut bytes[filled..])?;
    }
    Ok(bytes)
}

/// Reads until `bytes` is full or the stream ends, and returns the number of bytes read.
fn read_up_to(reader: &mut impl Read, bytes: &mut [u8]) -> Result<usize, End> {
    let mut filled = 0;
    while filled < bytes.len() {
        match reader.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}

fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> Result<(), End> {
    match read_up_to(reader, bytes)? == bytes.len() {
        true => Ok(()),
        false => Err(truncated()),
    }
}
