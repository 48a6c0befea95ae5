//! Bytes that another thread has ready: a decompressor works on while what it gave before is read.
//!
//! The first of them are read where they are asked for. Whoever looks at a header alone, or at a small file, needs no thread.

use std::io::{self, BufRead, ErrorKind, Read};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

const BLOCK_BYTES: usize = 256 * 1024;
/// Blocks that wait to be read at most.
const BLOCKS_AHEAD: usize = 4;

/// A reader of which a thread is ahead.
pub(super) struct Ahead<R> {
    source: Source<R>,
    block: Vec<u8>,
    /// What of the block has been read.
    at: usize,
}

enum Source<R> {
    /// Nobody is ahead yet; so many bytes were read.
    Here(R, usize),
    /// A thread fills blocks, also those that come back; an empty one is the end.
    There(Receiver<io::Result<Vec<u8>>>, Sender<Vec<u8>>),
    Over,
}

impl<R: Read + Send + 'static> Ahead<R> {
    pub(super) fn new(reader: R) -> Ahead<R> {
        Ahead { source: Source::Here(reader, 0), block: Vec::new(), at: 0 }
    }

    fn next_block(&mut self) -> io::Result<()> {
        self.at = 0;
        let mut block = std::mem::take(&mut self.block);
        if let Source::Here(reader, bytes) = &mut self.source
            && *bytes < BLOCK_BYTES
        {
            fill(reader, &mut block)?;
            *bytes += block.len();
            if block.is_empty() {
                self.source = Source::Over;
            }
            self.block = block;
            return Ok(());
        }
        self.source = match std::mem::replace(&mut self.source, Source::Over) {
            Source::Here(reader, _) => start(reader)?,
            other => other,
        };
        let Source::There(blocks, used) = &self.source else { return Ok(()) };
        // It may have come to its end already.
        let _ = used.send(block);
        let next = blocks.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that unpacks it has ended")));
        if next.as_ref().map_or(true, Vec::is_empty) {
            self.source = Source::Over;
        }
        self.block = next?;
        Ok(())
    }
}

/// Has a thread read on.
fn start<R: Read + Send + 'static>(mut reader: R) -> io::Result<Source<R>> {
    let (full, blocks) = sync_channel(BLOCKS_AHEAD);
    let (used, empty) = channel();
    let read = move || {
        loop {
            let mut block = empty.try_recv().unwrap_or_default();
            let filled = fill(&mut reader, &mut block).map(|()| block);
            let last = filled.as_ref().map_or(true, Vec::is_empty);
            // Nobody may want it any more.
            if full.send(filled).is_err() || last {
                return;
            }
        }
    };
    std::thread::Builder::new().name("barbus-unpack".into()).spawn(read)?;
    Ok(Source::There(blocks, used))
}

/// Reads as much as `reader` gives at once; nothing is its end.
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

impl<R: Read + Send + 'static> BufRead for Ahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.block.len() {
            self.next_block()?;
        }
        Ok(&self.block[self.at..])
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

impl<R: Read + Send + 'static> Read for Ahead<R> {
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
    fn all_bytes_come_in_order() {
        for count in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 20 * BLOCK_BYTES + 7] {
            let (head, rest) = (bytes(count.min(16)), bytes(count).split_off(count.min(16)));
            let mut ahead = Ahead::new(Cursor::new(head).chain(Cursor::new(rest)));
            let mut read = Vec::new();
            ahead.read_to_end(&mut read).unwrap();
            assert!(read == bytes(count), "{count} bytes");
            assert!(ahead.fill_buf().unwrap().is_empty(), "the end stays the end");
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
    fn a_failure_comes_behind_what_was_read_and_once() {
        for count in [100, 3 * BLOCK_BYTES] {
            let mut ahead = Ahead::new(Cursor::new(bytes(count)).chain(Failing(false)));
            let mut read = Vec::new();
            let error = ahead.read_to_end(&mut read).unwrap_err();
            assert_eq!((error.kind(), read.len()), (ErrorKind::UnexpectedEof, count));
        }
    }

    #[test]
    fn a_thread_that_panics_is_no_end() {
        let mut ahead = Ahead::new(Cursor::new(bytes(3 * BLOCK_BYTES)).chain(Failing(true)));
        let error = ahead.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
    }

    #[test]
    fn a_reader_that_is_given_up_lets_its_thread_end() {
        struct Endless {
            _alive: Sender<()>,
        }
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                Ok(buffer.len())
            }
        }
        let (alive, ended) = channel();
        let mut ahead = Ahead::new(Endless { _alive: alive });
        for _ in 0..3 {
            let bytes = ahead.fill_buf().unwrap().len();
            ahead.consume(bytes);
        }
        drop(ahead);
        // The thread has the sender.
        ended.recv().unwrap_err();
    }
}
