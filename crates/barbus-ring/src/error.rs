use std::path::PathBuf;

use barbus_shm::ShmError;

/// Why a file cannot be used as a ring.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The system refused an operation on the file.
    #[error(transparent)]
    Shm(#[from] ShmError),
    /// The file is not a barbus ring at all.
    #[error("{}: not a barbus ring: {why}", path.display())]
    NotARing {
        /// The file.
        path: PathBuf,
        /// What is not as it must be.
        why: &'static str,
    },
    /// The file has another version of the format.
    #[error("{}: ring format version {found}, this barbus reads version {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that can be read.
        expected: u32,
    },
    /// The file is shorter than its superblock says.
    #[error("{}: truncated ring: {found} bytes of {expected}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes there.
        found: u64,
        /// Bytes that there must be.
        expected: u64,
    },
    /// A part of the file contradicts another.
    #[error("{}: corrupt ring: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The contradiction.
        what: String,
    },
    /// A ring cannot be laid out as asked.
    #[error("ring: {what}")]
    Spec {
        /// The limit that was passed.
        what: String,
    },
}

/// No slot is free: what a block in the ring holds is not archived yet, or readers have pinned it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ring is full: of its {blocks} blocks {pinned} are archived, and readers hold those")]
pub struct RingFull {
    /// Number of blocks of the ring.
    pub blocks: u32,
    /// Blocks that are archived and could be used again, were they not pinned.
    pub pinned: u32,
}

/// The dictionary has no room for another symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the symbol table is full: {symbols} symbols, {bytes} bytes")]
pub struct DictionaryFull {
    /// Capacity, symbols.
    pub symbols: u32,
    /// Capacity, bytes of text.
    pub bytes: u32,
}
