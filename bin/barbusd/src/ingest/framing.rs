//! Messages of an Arrow IPC stream, each whole and within bounds, before anything is decoded.
//!
//! Only the encapsulation since Arrow 0.15 is taken: the continuation marker, the length of the metadata, the metadata (a flatbuffer, which is
//! verified), the body. A length is looked at before memory is allocated for it.

use std::io::{ErrorKind, Read};

use arrow::buffer::{Buffer, MutableBuffer};
use arrow::ipc::{MessageHeader, RecordBatch, root_as_message};

use crate::ingest::connection::End;

/// What every message begins with.
pub(crate) const MARKER: [u8; 4] = [0xff; 4];
/// Longest metadata of a message, bytes.
const MAX_METADATA: i32 = 16 * 1024 * 1024;
/// A compressed buffer begins with its length before compression; this one says that it is not compressed.
const NOT_COMPRESSED: i64 = -1;

/// A message as it came.
#[derive(Debug)]
pub(crate) struct Message {
    /// The length of the metadata, and the metadata.
    pub(crate) metadata: Buffer,
    pub(crate) body: Buffer,
}

/// The messages of one stream.
#[derive(Debug)]
pub(crate) struct Messages {
    /// Bounds a body, as it comes and decompressed.
    max_bytes: u64,
}

impl Messages {
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self { max_bytes }
    }

    /// Reads the next message; `None` at the stream's end, by its marker or because the peer sends nothing more.
    pub(crate) fn read(&self, reader: &mut impl Read) -> Result<Option<Message>, End> {
        let mut marker = [0; 4];
        match read_all(reader, &mut marker)? {
            0 => return Ok(None),
            4 => {}
            _ => return Err(cut()),
        }
        if marker != MARKER {
            return Err(End::Refused(not_a_message(marker)));
        }
        let mut length = [0; 4];
        fill(reader, &mut length)?;
        let metadata_length = match i32::from_le_bytes(length) {
            0 => return Ok(None),
            length @ 1..=MAX_METADATA => length as usize,
            other => {
                return refused(format!("a message with {other} bytes of metadata: at most {MAX_METADATA} are taken"));
            }
        };
        // The length once more, and the flatbuffer.
        let mut metadata = MutableBuffer::from_len_zeroed(4 + metadata_length);
        metadata[..4].copy_from_slice(&length);
        fill(reader, &mut metadata[4..])?;
        let message = match root_as_message(&metadata[4..]) {
            Ok(message) => message,
            Err(error) => return refused(format!("not an Arrow IPC message: {}", error.to_string().trim_end())),
        };
        let body_length = match u64::try_from(message.bodyLength()) {
            Ok(length) if length <= self.max_bytes => length as usize,
            Ok(length) => return refused(format!("a message of {length} bytes: max_message is {}", self.max_bytes)),
            Err(_) => return refused(format!("a message of {} bytes", message.bodyLength())),
        };
        let body = read_body(reader, body_length)?;
        let batch = match message.header_type() {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|batch| batch.data()),
            _ => None,
        };
        if let Some(batch) = batch {
            check_decompressed(&batch, &body, self.max_bytes).map_err(End::Refused)?;
        }
        Ok(Some(Message { metadata: metadata.into(), body }))
    }
}

/// A body of so many bytes. Zeroed pages are the system's until bytes come: a length alone costs no memory.
fn read_body(reader: &mut impl Read, length: usize) -> Result<Buffer, End> {
    let mut body = vec![0; length];
    fill(reader, &mut body)?;
    Ok(body.into())
}

/// Refuses a batch whose compressed buffers claim to become more than `max_bytes` together.
fn check_decompressed(batch: &RecordBatch<'_>, body: &[u8], max_bytes: u64) -> Result<(), String> {
    let (Some(_), Some(buffers)) = (batch.compression(), batch.buffers()) else { return Ok(()) };
    let mut sum = 0_u64;
    for buffer in buffers {
        let begin = usize::try_from(buffer.offset()).ok().and_then(|offset| body.get(offset..)?.first_chunk());
        // What lies outside of the body the decoder refuses.
        let Some(length) = begin.map(|bytes| i64::from_le_bytes(*bytes)) else { continue };
        if buffer.length() > 0 && length != NOT_COMPRESSED {
            sum = sum.saturating_add(u64::try_from(length).map_err(|_| format!("a buffer of {length} bytes"))?);
        }
    }
    if sum > max_bytes {
        return Err(format!("a message of {sum} bytes when decompressed: max_message is {max_bytes}"));
    }
    Ok(())
}

fn refused<T>(why: String) -> Result<T, End> {
    Err(End::Refused(why))
}

fn cut() -> End {
    End::Refused("half a message: the producer hung up in the middle of it".to_owned())
}

/// What the first bytes look like instead.
fn not_a_message(bytes: [u8; 4]) -> String {
    match &bytes {
        b"ARRO" => "an Arrow IPC file: send the stream format".to_owned(),
        _ => format!(
            "not an Arrow IPC stream: a message begins with the bytes ff ff ff ff, not {:02x} {:02x} {:02x} {:02x}",
            bytes[0], bytes[1], bytes[2], bytes[3]
        ),
    }
}

/// Reads until `bytes` is full or the peer sends nothing more: how many there are.
fn read_all(reader: &mut impl Read, bytes: &mut [u8]) -> Result<usize, End> {
    let mut filled = 0;
    while filled < bytes.len() {
        match reader.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}

fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> Result<(), End> {
    match read_all(reader, bytes)? == bytes.len() {
        true => Ok(()),
        false => Err(cut()),
    }
}
