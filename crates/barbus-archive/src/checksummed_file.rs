//! A new file that is written as it is encoded, and gets its file checksum at the end.

use std::io::{self, Write};

use crate::file_checksum::{FILE_CHECKSUM_OFFSET, covered, field};
use crate::files::NewFile;

/// Bytes gathered before they go to the file, so that an encoder's short writes cost no call each.
const BUFFER_BYTES: usize = 1 << 18;

/// A new file, the checksum of what it has so far, and the bytes on their way to it.
pub(crate) struct ChecksummedFile<'a> {
    file: &'a dyn NewFile,
    crc: u32,
    written: u64,
    buffer: Vec<u8>,
}

impl<'a> ChecksummedFile<'a> {
    /// Writes to `file`, which is empty.
    pub(crate) fn new(file: &'a dyn NewFile) -> Self {
        Self { file, crc: 0, written: 0, buffer: Vec::new() }
    }

    /// Writes the rest and the file checksum; returns the length of the file.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.write_buffer()?;
        self.file.write_at(FILE_CHECKSUM_OFFSET as u64, &field(self.crc))?;
        Ok(self.written)
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        for part in covered(self.written, &self.buffer) {
            self.crc = crc32c::crc32c_append(self.crc, part);
        }
        self.file.write(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl Write for ChecksummedFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.write_buffer()?;
        }
        Ok(bytes.len())
    }

    /// Nothing: the encoder flushes more often than a call is worth; [`ChecksummedFile::finish`]
    /// writes what is left.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
