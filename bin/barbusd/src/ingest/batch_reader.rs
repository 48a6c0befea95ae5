//! A stream of Arrow IPC as the daemon reads it, for whoever has one that is not a socket.

use std::io::{BufReader, Read};

use arrow::array::RecordBatch;

use crate::ingest::connection::End;
use crate::ingest::decoder::Decoder;
use crate::ingest::framing::Messages;

/// Record batches off a stream of Arrow IPC, taken apart and bounded as those of a producer are.
///
/// ```
/// let mut batches = barbusd::Batches::new(&b"GET / HTTP/1.1\r\n"[..], 1 << 20);
/// assert!(batches.next().unwrap_err().starts_with("not an Arrow IPC stream"));
/// ```
#[derive(Debug)]
pub struct Batches<R: Read> {
    reader: BufReader<R>,
    decoder: Decoder,
    messages: Messages,
}

impl<R: Read> Batches<R> {
    /// Reads `reader`, message by message, each of at most `max_message_bytes`, as it comes and decompressed.
    pub fn new(reader: R, max_message_bytes: u64) -> Self {
        Self { reader: BufReader::new(reader), decoder: Decoder::new(), messages: Messages::new(max_message_bytes) }
    }

    /// The next batch; `None` at the stream's end.
    ///
    /// # Errors
    /// What a producer would be told before its connection is given up; after it there is nothing more to be had.
    #[allow(clippy::should_implement_trait)] // After an error there is no next one.
    pub fn next(&mut self) -> Result<Option<RecordBatch>, String> {
        loop {
            let message = match self.messages.read(&mut self.reader) {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(None),
                Err(End::Refused(why)) => return Err(why),
                Err(End::Gone) => return Err("the stream broke off".to_owned()),
            };
            if let Some(batch) = self.decoder.decode(message)? {
                return Ok(Some(batch));
            }
        }
    }
}
