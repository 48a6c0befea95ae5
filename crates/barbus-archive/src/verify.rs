//! The check of every file in the archive: a damaged file does not stop the check of the others.
//!
//! A part that the daemon merges and removes meanwhile is skipped.

use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::directory::{Directory, Loaded};
use crate::{ArchiveError, DayMeta, Result, file_checksum};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A trading day.
    Day,
    /// A part of a day, not merged yet.
    Part,
}

/// What the check of one file found.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// A day or a part of one.
    pub kind: FileKind,
    /// The day in its name.
    pub day: Date,
    /// Its metadata, after all of it was checked; or the first error.
    pub outcome: Result<DayMeta>,
}

/// Checks that the file at `path` has the bytes that the archive wrote, whatever its name is. Its
/// rows are not decoded.
///
/// # Errors
/// [`ArchiveError::Corrupt`] if it has others, [`ArchiveError::Io`] if it cannot be read.
pub fn check_file(path: &Path) -> Result<()> {
    let bytes = std::fs::read(path).map_err(ArchiveError::io("read", path))?;
    file_checksum::check(&bytes).map_err(|what| ArchiveError::corrupt(path, what))
}

pub(crate) fn verify(directory: &Directory) -> Result<Vec<FileReport>> {
    let mut reports = Vec::new();
    let mut report = |kind, day, path, loaded: Result<Loaded>| {
        if !loaded.as_ref().is_err_and(ArchiveError::is_not_found) {
            reports.push(FileReport { path, kind, day, outcome: loaded.map(|loaded| loaded.meta) });
        }
    };
    for day in directory.days()? {
        let path = directory.day_path(day);
        if let Some(loaded) = directory.load_day(day).transpose() {
            report(FileKind::Day, day, path, loaded);
        }
    }
    for (day, part) in directory.all_parts()? {
        let path = directory.part_path(day, part);
        report(FileKind::Part, day, path, directory.load_part(day, part));
    }
    Ok(reports)
}
