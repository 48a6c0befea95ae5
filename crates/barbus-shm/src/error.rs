//! The error of this crate.

use std::path::{Path, PathBuf};

/// The system refused an operation on a file, a map or a lock.
#[derive(Debug, thiserror::Error)]
pub enum ShmError {
    /// The system refused `action` on `path`.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operation, as a verb phrase.
        action: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Another process holds the writer's lock.
    #[error("{}: held by process {pid}", path.display())]
    Held {
        /// The lock file, or the file that is locked itself.
        path: PathBuf,
        /// The process that holds it; 0 if it is not known.
        pid: u32,
    },
}

impl ShmError {
    pub(crate) fn io(path: &Path, action: &'static str, source: impl Into<std::io::Error>) -> Self {
        Self::Io { path: path.to_owned(), action, source: source.into() }
    }
}
