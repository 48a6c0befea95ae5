//! SHA-256 of files, as `sha256sum` prints it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// What a file is compared by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: u64,
    /// 64 hexadecimal digits.
    pub(super) sha256: String,
}

/// Computes [`Content`] from pieces.
#[derive(Default)]
pub(super) struct Hasher {
    bytes: u64,
    sha256: Sha256,
}

impl Hasher {
    pub(super) fn update(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.sha256.update(piece);
    }

    pub(super) fn finish(self) -> Content {
        Content { bytes: self.bytes, sha256: hex(&self.sha256.finalize()) }
    }
}

/// The content of an open file, which is at its beginning afterwards.
pub(super) fn of_file(mut file: &File) -> io::Result<Content> {
    let (mut hasher, mut piece) = (Hasher::default(), vec![0; PIECE]);
    file.seek(SeekFrom::Start(0))?;
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hasher.update(&piece[..read]),
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(hasher.finish())
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of a text.
pub(super) fn of_text(text: &str) -> String {
    hex(&Sha256::digest(text))
}
