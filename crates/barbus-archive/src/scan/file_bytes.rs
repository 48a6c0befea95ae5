//! The bytes of an open file, read at offsets.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// A file that several threads may read: no read moves a position that others use.
#[derive(Debug, Clone)]
pub(super) struct FileBytes {
    file: Arc<File>,
    len: u64,
    /// How many bytes were read of all files.
    counter: Arc<AtomicU64>,
}

impl FileBytes {
    pub(super) fn new(file: Arc<File>, len: u64, counter: Arc<AtomicU64>) -> Self {
        Self { file, len, counter }
    }

    /// The whole file.
    pub(super) fn read_all(&self) -> io::Result<Bytes> {
        self.read(0, self.len as usize)
    }

    fn read(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        self.counter.fetch_add(length as u64, Ordering::Relaxed);
        Ok(bytes.into())
    }
}

impl Length for FileBytes {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for FileBytes {
    type T = BufReader<FilePart>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(FilePart { file: Arc::clone(&self.file), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.read(start, length).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// Reads a file from an offset on.
#[derive(Debug)]
pub(super) struct FilePart {
    file: Arc<File>,
    at: u64,
}

impl Read for FilePart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
