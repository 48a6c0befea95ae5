//! Reads ahead on another thread: the decompressor works while its output is parsed.
//!
//! The first block is read on the calling thread, so that a small file, or one of which only the
//! header is read, needs no thread.

use std::io::{self, BufRead, ErrorKind, Read};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

const BLOCK_BYTES: usize = 256 * 1024;
/// Most blocks that wait to be read.
const BLOCKS_AHEAD: usize = 4;

/// A reader whose blocks are read by another thread.
pub(crate) struct ReadAhead<R> {
    blocks: Blocks<R>,
    block: Vec<u8>,
    /// How many bytes of `block` were consumed.
    consumed: usize,
}

/// The source of the next block.
enum Blocks<R> {
    /// The calling thread reads it; it has read this many bytes.
    Inline(R, usize),
    /// A thread, which also takes used blocks back. An empty block is the end.
    Thread(Receiver<io::Result<Vec<u8>>>, Sender<Vec<u8>>),
    /// Nowhere: the end was read.
    Ended,
}

impl<R: Read + Send + 'static> ReadAhead<R> {
    pub(crate) fn new(reader: R) -> ReadAhead<R> {
        ReadAhead { blocks: Blocks::Inline(reader, 0), block: Vec::new(), consumed: 0 }
    }

    fn next_block(&mut self) -> io::Result<()> {
        self.consumed = 0;
        let mut block = std::mem::take(&mut self.block);
        if let Blocks::Inline(reader, bytes) = &mut self.blocks
            && *bytes < BLOCK_BYTES
        {
            fill(reader, &mut block)?;
            *bytes += block.len();
            if block.is_empty() {
                self.blocks = Blocks::Ended;
            }
            self.block = block;
            return Ok(());
        }
        self.blocks = match std::mem::replace(&mut self.blocks, Blocks::Ended) {
            Blocks::Inline(reader, _) => start(reader)?,
            other => other,
        };
        let Blocks::Thread(blocks, used) = &self.blocks else { return Ok(()) };
        // The thread may have ended: it has read everything.
        let _ = used.send(block);
        let next = blocks.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that unpacks it has panicked")));
        if next.as_ref().map_or(true, Vec::is_empty) {
            self.blocks = Blocks::Ended;
        }
        self.block = next?;
        Ok(())
    }
}

/// Starts the thread that reads the rest of `reader`.
fn start<R: Read + Send + 'static>(mut reader: R) -> io::Result<Blocks<R>> {
    let (full, blocks) = sync_channel(BLOCKS_AHEAD);
    let (used, empty) = channel();
    let read = move || {
        loop {
            let mut block = empty.try_recv().unwrap_or_default();
            let filled = fill(&mut reader, &mut block).map(|()| block);
            let last = filled.as_ref().map_or(true, Vec::is_empty);
            // Sending fails when the receiver was dropped.
            if full.send(filled).is_err() || last {
                return;
            }
        }
    };
    std::thread::Builder::new().name("barbus-unpack".into()).spawn(read)?;
    Ok(Blocks::Thread(blocks, used))
}

/// Fills `block` with the bytes of one read; no bytes are the end.
fn fill(reader: &mut impl Read, block: &mut Vec<u8>) -> io::Result<()> {
    block.resize(BLOCK_BYTES, 0);
    loop {
        match reader.read(block) {
            Ok(bytes) => {
                block.truncate(bytes);
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl<R: Read + Send + 'static> BufRead for ReadAhead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.consumed == self.block.len() {
            self.next_block()?;
        }
        Ok(&self.block[self.consumed..])
    }

    fn consume(&mut self, bytes: usize) {
        self.consumed += bytes;
    }
}

impl<R: Read + Send + 'static> Read for ReadAhead<R> {
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

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn all_bytes_arrive_in_order() {
        for count in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 20 * BLOCK_BYTES + 7] {
            let (head, rest) = (bytes(count.min(16)), bytes(count).split_off(count.min(16)));
            let mut ahead = ReadAhead::new(Cursor::new(head).chain(Cursor::new(rest)));
            let mut read = Vec::new();
            ahead.read_to_end(&mut read).unwrap();
            assert!(read == bytes(count), "{count} bytes");
            assert!(ahead.fill_buf().unwrap().is_empty(), "the end is reported again");
        }
    }

    struct Failing(bool);

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            assert!(!self.0, "a bug of the reader");
            Err(ErrorKind::UnexpectedEof.into())
        }
    }

    #[test]
    fn a_failure_is_returned_once_after_the_bytes_before_it() {
        for count in [100, 3 * BLOCK_BYTES] {
            let mut ahead = ReadAhead::new(Cursor::new(bytes(count)).chain(Failing(false)));
            let mut read = Vec::new();
            let error = ahead.read_to_end(&mut read).unwrap_err();
            assert_eq!((error.kind(), read.len()), (ErrorKind::UnexpectedEof, count));
        }
    }

    #[test]
    fn a_thread_that_panics_is_an_error() {
        let mut ahead = ReadAhead::new(Cursor::new(bytes(3 * BLOCK_BYTES)).chain(Failing(true)));
        let error = ahead.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
    }

    #[test]
    fn dropping_the_reader_ends_its_thread() {
        struct Endless {
            _alive: Sender<()>,
        }
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                Ok(buffer.len())
            }
        }
        let (alive, ended) = channel();
        let mut ahead = ReadAhead::new(Endless { _alive: alive });
        for _ in 0..3 {
            let bytes = ahead.fill_buf().unwrap().len();
            ahead.consume(bytes);
        }
        drop(ahead);
        // The thread owns the sender.
        ended.recv().unwrap_err();
    }
}
