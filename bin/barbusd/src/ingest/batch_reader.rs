//! Reads the record batches of an Arrow IPC stream, with the limits that hold for a producer.

use std::io::Read;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use barbus::protocol::DONE;

use crate::ingest::decoder::Decoder;
use crate::ingest::framing::{LastMetadata, Message, read_message};
use crate::ingest::message_memory::MessageMemory;
use crate::ingest::spare_bodies::SPARE_BODIES;
use crate::peer::End;

/// Reads the record batches of an Arrow IPC stream, with the limits that hold for a producer.
///
/// It reads a few bytes at a time: give it a buffered reader.
///
/// ```
/// let mut batches = barbusd::BatchReader::new(&b"GET / HTTP/1.1\r\n"[..], 1 << 20);
/// assert!(batches.next_batch().unwrap_err().starts_with("not an Arrow IPC stream"));
/// ```
#[derive(Debug)]
pub struct BatchReader<R: Read> {
    reader: R,
    last_metadata: LastMetadata,
    decoder: Decoder,
    max_message_bytes: u64,
    memory: MessageMemory,
    /// The body of the last message that had a batch.
    body: Option<Buffer>,
}

impl<R: Read> BatchReader<R> {
    /// Reads from `reader`. No message may be longer than `max_message_bytes`, decompressed or not.
    pub fn new(reader: R, max_message_bytes: u64) -> Self {
        Self::within(reader, max_message_bytes, MessageMemory::default())
    }

    /// As [`BatchReader::new`], with a budget of memory.
    pub(crate) fn within(reader: R, max_message_bytes: u64, memory: MessageMemory) -> Self {
        let (last_metadata, decoder) = (LastMetadata::default(), Decoder::default());
        Self { reader, last_metadata, decoder, max_message_bytes, memory, body: None }
    }

    /// The reader of the bytes.
    pub(crate) fn reader(&mut self) -> &mut R {
        &mut self.reader
    }

    /// Reads the next batch; `None` at the end of the stream.
    ///
    /// # Errors
    /// The answer that a producer gets before the daemon closes its connection.
    /// After an error the reader is of no further use.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>, String> {
        let read = self.read_batch().map_err(|end| match end {
            End::Rejected(why) => why,
            End::Disconnected => "the stream ended with an I/O error".to_owned(),
        });
        Ok(read?.map(|received| received.batch))
    }

    /// Keeps the memory of the last batch for other messages. The caller has dropped the batch.
    pub(crate) fn release_body(&mut self) {
        if let Some(body) = self.body.take() {
            SPARE_BODIES.give_back(body);
        }
    }

    /// As [`BatchReader::next_batch`], and distinguishes a rejected stream from a lost connection.
    pub(crate) fn read_batch(&mut self) -> Result<Option<ReceivedBatch>, End> {
        // The caller has processed the batch before.
        self.memory.set_message(0).map_err(End::Rejected)?;
        let Self { reader, last_metadata, decoder, max_message_bytes, memory, body } = self;
        while let Some(message) = read_message(reader, last_metadata, *max_message_bytes, memory)? {
            if let Some(batch) = decoder.decode(&message, memory).map_err(End::Rejected)? {
                let done_ms = done_ms(&message).map_err(End::Rejected)?;
                *body = Some(message.body);
                return Ok(Some(ReceivedBatch { batch, done_ms }));
            }
        }
        Ok(None)
    }
}

/// A batch, and what its message states.
#[derive(Debug)]
pub(crate) struct ReceivedBatch {
    pub(crate) batch: RecordBatch,
    /// The end of the minute of which no more bars follow, milliseconds UTC.
    pub(crate) done_ms: Option<i64>,
}

/// The value of [`DONE`] in the metadata of a message.
fn done_ms(message: &Message) -> Result<Option<i64>, String> {
    let message = message.metadata.as_ref();
    let mut entries = message.custom_metadata().into_iter().flatten();
    let Some(done) = entries.find(|entry| entry.key() == Some(DONE)) else { return Ok(None) };
    let text = done.value().unwrap_or_default();
    match text.parse() {
        Ok(frame_ms) => Ok(Some(frame_ms)),
        Err(_) => Err(format!("message metadata {DONE} {text:?}: give the end of a minute in milliseconds UTC")),
    }
}
