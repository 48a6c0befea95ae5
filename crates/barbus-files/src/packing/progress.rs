//! Counts the bytes read from the inputs, so that another thread can show the progress.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes read so far and bytes to read. Clones share the counters.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    read: AtomicU64,
    size: AtomicU64,
    inputs_without_size: AtomicU64,
}

impl Progress {
    /// Bytes read from all inputs, before decompression.
    pub fn read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// Bytes of all inputs; `None` when one of them is standard input or a pipe.
    pub fn size(&self) -> Option<u64> {
        let all_have_sizes = self.0.inputs_without_size.load(Ordering::Relaxed) == 0;
        all_have_sizes.then(|| self.0.size.load(Ordering::Relaxed))
    }

    /// Adds an input of `size` bytes, or one whose size is unknown.
    pub fn expect(&self, size: Option<u64>) {
        match size {
            Some(size) => self.0.size.fetch_add(size, Ordering::Relaxed),
            None => self.0.inputs_without_size.fetch_add(1, Ordering::Relaxed),
        };
    }

    /// Counts `bytes` as read.
    pub fn add(&self, bytes: u64) {
        self.0.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A reader that counts the bytes it reads from `reader`.
    pub(crate) fn count<R>(&self, reader: R) -> CountedReader<R> {
        CountedReader { reader, progress: self.clone() }
    }
}

/// The size of the regular file at `path`; `None` for `-`, a pipe or a missing file.
pub fn file_size(path: &str) -> Option<u64> {
    let metadata = std::fs::metadata(path).ok()?;
    (path != "-" && metadata.is_file()).then_some(metadata.len())
}

/// Made by [`Progress::count`].
pub(crate) struct CountedReader<R> {
    reader: R,
    progress: Progress,
}

impl<R: Read> Read for CountedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.reader.read(buffer)?;
        self.progress.add(bytes as u64);
        Ok(bytes)
    }
}

impl<R: Seek> Seek for CountedReader<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.reader.seek(position)
    }
}
