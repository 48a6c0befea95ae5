//! The errors of this crate: files that are not usable as a ring, and capacities that are used up.

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
        /// The first thing in it that a ring does not have.
        why: &'static str,
    },
    /// The file has another version of the format.
    #[error(
        "{}: ring format version {found}, this barbus reads version {expected}: use the barbus that wrote it",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that can be read.
        expected: u32,
    },
    /// The file is shorter than its superblock states.
    #[error("{}: truncated ring: {found} bytes of {expected}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length, bytes.
        found: u64,
        /// The length that its superblock states, bytes.
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
    /// A [`crate::Spec`] exceeds the limits of the format.
    #[error("ring: {what}")]
    Spec {
        /// The value and its limit.
        what: String,
    },
}

/// No slot is free: every block is not archived yet, is kept for recovery, or is pinned by a
/// reader. Free slots of the reserve do not count once readers have pinned all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ring is full: of its {blocks} blocks {pinned} are archived, but pinned by readers")]
pub struct RingFull {
    /// Number of blocks in the ring.
    pub blocks: u32,
    /// Archived blocks that could be reused if readers did not pin them.
    pub pinned: u32,
    /// Archived blocks that [`RingWriter::keep_blocks_from`](crate::RingWriter::keep_blocks_from)
    /// keeps.
    pub unread: u32,
}

/// What of the dictionary is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DictionaryFull {
    /// It has as many symbols as fit.
    #[error("all {0} places for symbols are taken")]
    Symbols(u32),
    /// Its text has as many bytes as fit, and the symbol's text is longer than the rest.
    #[error("the {0} bytes for the text of symbols are taken")]
    Text(u32),
}
