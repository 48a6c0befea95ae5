//! An input that is still written: another thread reads it, so that waiting bytes can be counted.

use std::io::{self, BufRead, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

const BLOCK_BYTES: usize = 64 * 1024;
/// Most blocks that wait to be read.
const BLOCKS_AHEAD: usize = 16;

/// The bytes of an input that were read and are not used yet.
pub(crate) type Waiting = Arc<AtomicU64>;

/// A reader whose bytes are read by another thread.
pub(crate) struct LiveReader {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    used: usize,
    waiting: Waiting,
}

impl LiveReader {
    /// Reads `reader` on another thread, which counts what is `waiting`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start(mut reader: impl Read + Send + 'static, waiting: &Waiting) -> io::Result<LiveReader> {
        let (full, blocks) = sync_channel(BLOCKS_AHEAD);
        let counter = waiting.clone();
        let read = move || {
            loop {
                let mut block = vec![0; BLOCK_BYTES];
                let filled = match reader.read(&mut block) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                    Ok(bytes) => {
                        block.truncate(bytes);
                        counter.fetch_add(bytes as u64, Ordering::Release);
                        Ok(block)
                    }
                };
                let last = filled.as_ref().map_or(true, Vec::is_empty);
                // Sending fails when the receiver was dropped.
                if full.send(filled).is_err() || last {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("barbus-live".into()).spawn(read)?;
        Ok(LiveReader { blocks, block: Vec::new(), used: 0, waiting: waiting.clone() })
    }
}

impl BufRead for LiveReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.block.len() {
            // The thread ends behind the last block.
            self.block = self.blocks.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            self.used = 0;
        }
        Ok(&self.block[self.used..])
    }

    fn consume(&mut self, bytes: usize) {
        self.used += bytes;
        self.waiting.fetch_sub(bytes as u64, Ordering::AcqRel);
    }
}

impl Read for LiveReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(buffer)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn all_bytes_arrive_and_none_waits_at_the_end() {
        let waiting = Waiting::default();
        let bytes: Vec<u8> = (0..5 * BLOCK_BYTES + 7).map(|i| (i % 251) as u8).collect();
        let mut reader = LiveReader::start(Cursor::new(bytes.clone()), &waiting).unwrap();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
        assert_eq!(waiting.load(Ordering::Acquire), 0);
        assert!(reader.fill_buf().unwrap().is_empty(), "the end is reported again");
    }
}
