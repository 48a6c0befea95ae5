//! Removing days, and copies of days, that the bus does not keep any longer.

use std::path::PathBuf;

use jiff::civil::Date;

use crate::directory::Kept;
use crate::{Archive, ArchiveError, Misuse, Result};

/// A file of a day as it was before bars were withdrawn from it, or before values were given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCopy {
    /// The day.
    pub day: Date,
    /// The copy.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl Archive {
    /// The days that have a file, ascending, each with the size of the file in bytes. A file that
    /// disappears meanwhile is left out.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] when the directory cannot be listed.
    pub fn day_sizes(&self) -> Result<Vec<(Date, u64)>> {
        let size = |day| Some((day, std::fs::metadata(self.path(day)).ok()?.len()));
        Ok(self.days()?.into_iter().filter_map(size).collect())
    }

    /// The copies in the directories `withdrawn` and `replaced`, by directory and day.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] when a directory cannot be listed.
    pub fn copies(&self) -> Result<Vec<KeptCopy>> {
        let mut copies = self.directory.copies(Kept::Withdrawn)?;
        copies.extend(self.directory.copies(Kept::Replaced)?);
        let copy = |(day, path): (Date, PathBuf)| {
            let bytes = std::fs::metadata(&path).ok()?.len();
            Some(KeptCopy { day, path, bytes })
        };
        Ok(copies.into_iter().filter_map(copy).collect())
    }

    /// Removes the file of a day, for good when this returns. Check it with [`Archive::meta`]
    /// first: a damaged file is for a person to look at.
    ///
    /// # Errors
    /// [`Misuse::HasParts`] if the day has parts. [`ArchiveError::Io`] if the file cannot be
    /// removed, or there is none.
    pub fn remove(&self, day: Date) -> Result<()> {
        let _writing = self.writing()?;
        if !self.directory.parts(day)?.is_empty() {
            return Err(Misuse::HasParts { day }.into());
        }
        self.directory.remove_day(day)
    }

    /// Removes a copy, for good when this returns.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] if it cannot be removed.
    pub fn remove_copy(&self, copy: &KeptCopy) -> Result<()> {
        let _writing = self.writing()?;
        match self.directory.remove_file(&copy.path) {
            Err(error @ ArchiveError::Io { .. }) if error.is_not_found() => Ok(()),
            removed => removed,
        }
    }
}
