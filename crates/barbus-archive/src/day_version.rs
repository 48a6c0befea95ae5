//! Which files a day has, to find out whether they were replaced.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::{ArchiveError, Result};

/// The files of a day at one moment. Two equal versions have the same rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayVersion {
    /// Device, inode, length and time of the day's file.
    file: Option<[u64; 5]>,
    parts: Vec<u32>,
}

impl DayVersion {
    pub(crate) fn of(file: &Path, parts: Vec<u32>) -> Result<DayVersion> {
        let file = match std::fs::metadata(file) {
            Ok(found) => Some([found.dev(), found.ino(), found.len(), found.mtime() as u64, found.mtime_nsec() as u64]),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(ArchiveError::io("examine", file)(error)),
        };
        Ok(DayVersion { file, parts })
    }
}
