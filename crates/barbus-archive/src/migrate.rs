//! Writing a day again with the present columns of the bus.

use std::path::PathBuf;

use jiff::civil::Date;

use crate::directory::Kept;
use crate::sort::{SortInput, SortedRows};
use crate::{Archive, Result};

/// What [`Archive::migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Bars in the file.
    pub rows: u64,
    /// The file as it was before, if values were given up: a column that the bus no longer has, or
    /// digits of prices.
    pub kept: Option<PathBuf>,
}

impl Archive {
    /// Whether the file of `day` has other columns than the bus. False without a file.
    ///
    /// # Errors
    /// [`ArchiveError`](crate::ArchiveError) if the file is damaged, or its columns cannot be
    /// converted.
    pub fn is_outdated(&self, day: Date) -> Result<bool> {
        Ok(self.directory.day_columns(day)?.is_some_and(|found| found != **self.directory.schema()))
    }

    /// Writes the file of `day` again with the present columns of the bus; `None` if it has them
    /// already, or if there is no file. Parts are left as they are: they get the columns when they
    /// are merged.
    ///
    /// If values are given up, the file of before is kept in the directory `replaced` beside that
    /// of the archive.
    ///
    /// # Errors
    /// As [`Archive::write`]. No bar is lost, and the same call may be made again.
    pub fn migrate(&self, day: Date) -> Result<Option<Migrated>> {
        let _writing = self.writing()?;
        if !self.is_outdated(day)? {
            return Ok(None);
        }
        self.directory.remove_temporary(Some(day))?;
        let Some(file) = self.directory.load_day(day)? else { return Ok(None) };
        let path = self.path(day);
        let kept = match file.gives_up {
            true => Some(self.directory.keep_copy(&path, Kept::Replaced, day)?),
            false => None,
        };
        let input = SortInput { columns: file.rows.columns(), rows: None };
        let sorted = SortedRows::new(vec![input], self.directory.schema())?;
        self.directory.commit_file(&path, &sorted, &file.meta)?;
        Ok(Some(Migrated { rows: file.meta.rows, kept }))
    }
}
