//! The archive of one bus: days written, merged and read.
//!
//! Row numbers (`seq`) count within a *lineage*, one continuous sequence of numbers; a bus that
//! starts anew begins another. A file states up to which number of which lineage it is complete, so
//! that rows handed over twice are skipped. Rows of another lineage cannot be compared by number:
//! none is skipped, and they replace the file's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use barbus_bars::BarSchema;
use jiff::civil::Date;
use parquet::errors::ParquetError;

use crate::day_version::DayVersion;
use crate::directory::{Directory, Kept};
use crate::files::{DiskFiles, Files};
use crate::metadata::FORMAT_VERSION;
use crate::new_rows::NewRows;
use crate::sort::{SortInput, SortedRows};
use crate::stored_day::{SeqRange, StoredDay};
use crate::{ArchiveError, DayMeta, FileReport, Misuse, Result, verify};

/// What [`Archive::write`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Rows in the day's file after the call.
    pub rows: u64,
    /// Size of the file; 0 when there is none.
    pub bytes: u64,
    /// Its path, also when there is none.
    pub path: PathBuf,
    /// False when the file had every row already and was left as it is.
    pub changed: bool,
    /// Copies of files whose values the present columns of the bus cannot all have.
    pub kept: Vec<PathBuf>,
}

/// What [`Archive::spill`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spilled {
    /// Rows in the new part.
    pub rows: u64,
    /// Size of the part; 0 when there is none.
    pub bytes: u64,
    /// Its path; `None` when the archive had every row already and no part was written.
    pub path: Option<PathBuf>,
}

/// A directory of trading days, one Parquet file each and nothing else.
///
/// Unfinished files are in a work directory beside it.
///
/// One process may write at a time, which the lock of the bus ensures. Any number may read
/// meanwhile: each sees a file as it was before a write or after it.
#[derive(Debug)]
pub struct Archive {
    pub(crate) directory: Directory,
    calendar: String,
    /// Held during a write; `None` when opened for reading only.
    writing: Option<Mutex<()>>,
}

impl Archive {
    /// Opens the archive in `dir` for writing. Makes it and the work directory beside it
    /// (`archive/1m.work` for `archive/1m`; both with mode 0750) if they are missing, and removes
    /// files that a crash left half-written. Rows have the columns of `schema`; each file names
    /// `calendar`.
    ///
    /// `dir` itself may not be a mount point: the two must be on one file system.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] when a directory cannot be made, or the two are on different file
    /// systems. A directory that is not writable is an error of the first write.
    pub fn open(dir: impl AsRef<Path>, schema: BarSchema, calendar: &str) -> Result<Archive> {
        let archive = Archive::with_files(&dir, schema, calendar, Arc::new(DiskFiles))?;
        archive.directory.check_one_file_system()?;
        Ok(archive)
    }

    /// As [`Archive::open`], over any [`Files`].
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn with_files(
        dir: impl AsRef<Path>,
        schema: BarSchema,
        calendar: &str,
        files: Arc<dyn Files>,
    ) -> Result<Archive> {
        let directory = Directory::new(dir.as_ref(), schema.archive_schema(), files);
        directory.create_dirs()?;
        // These files do no harm; each write removes those of its day and reports a failure.
        let _ = directory.remove_temporary(None);
        Ok(Archive { directory, calendar: calendar.to_owned(), writing: Some(Mutex::new(())) })
    }

    /// Opens the archive in `dir` for reading while another process may write it: makes and removes
    /// nothing. A missing directory has no days.
    pub fn open_existing(dir: impl AsRef<Path>, schema: BarSchema, calendar: &str) -> Archive {
        let files = Arc::new(DiskFiles);
        Archive {
            directory: Directory::new(dir.as_ref(), schema.archive_schema(), files),
            calendar: calendar.to_owned(),
            writing: None,
        }
    }

    /// The path of the file of `day`, which may not exist yet.
    pub fn path(&self, day: Date) -> PathBuf {
        self.directory.day_path(day)
    }

    /// Days that have a file, ascending.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] when the directory cannot be listed.
    pub fn days(&self) -> Result<Vec<Date>> {
        self.directory.days()
    }

    /// Days with parts that [`Archive::write`] has yet to merge, ascending.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] when the directory cannot be listed.
    pub fn spilled_days(&self) -> Result<Vec<Date>> {
        let mut days: Vec<Date> = self.directory.all_parts()?.iter().map(|part| part.0).collect();
        days.dedup();
        Ok(days)
    }

    /// Days that have a file or parts, ascending, also while another process merges parts.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] when a directory cannot be listed.
    pub fn days_with_bars(&self) -> Result<BTreeSet<Date>> {
        // A merge replaces the file before it removes the parts: parts are listed first.
        let mut days: BTreeSet<Date> = self.spilled_days()?.into_iter().collect();
        days.extend(self.days()?);
        Ok(days)
    }

    /// The metadata of the day's file, whose file checksum is checked; `None` when there is none.
    /// Parts do not count: [`Archive::part_metas`] has theirs.
    ///
    /// # Errors
    /// [`ArchiveError`] when the file exists but cannot be read or is not as it was written.
    pub fn meta(&self, day: Date) -> Result<Option<DayMeta>> {
        self.directory.day_meta(day)
    }

    /// The metadata of the day's parts, by number.
    ///
    /// # Errors
    /// As [`Archive::meta`].
    pub fn part_metas(&self, day: Date) -> Result<Vec<DayMeta>> {
        let parts = self.directory.parts(day)?;
        parts.into_iter().map(|part| self.directory.part_meta(day, part)).collect()
    }

    /// All bars of the day, of its file and its parts, as columns of the archive's schema sorted by
    /// (symbol, frame), and their metadata: `rows` is the number returned, `lineage` that of the
    /// newest part, or of the file where there is none. `None` when the day has neither.
    ///
    /// # Errors
    /// [`ArchiveError`] when a file cannot be read or is not as it was written.
    pub fn read(&self, day: Date) -> Result<Option<(DayMeta, RecordBatch)>> {
        let stored = StoredDay::load(&self.directory, day)?;
        let Some(newest) = stored.parts.last() else {
            return Ok(stored.file.map(|file| (file.meta, file.rows)));
        };
        let rows = SortedRows::new(stored.sort_inputs(), self.directory.schema())?;
        let rows =
            rows.to_batch().map_err(|error| ArchiveError::corrupt(&self.path(day), ParquetError::from(error)))?;
        let meta = stored.merged_meta(day, &self.calendar, newest.meta.lineage, None, rows.num_rows());
        Ok(Some((meta, rows)))
    }

    /// The files of the day. Compare it with a later one to find out whether what
    /// [`Archive::read`] returned is still all that the archive has.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] when a directory cannot be listed.
    pub fn version(&self, day: Date) -> Result<DayVersion> {
        // A merge replaces the file before it removes the parts.
        let parts = self.directory.parts(day)?;
        DayVersion::of(&self.path(day), parts)
    }

    /// Writes the day's file: its present rows, then those of its parts, then `rows`, of which the
    /// highest `seq` counts where (symbol, frame) is the same. The parts are removed when the file
    /// is in place.
    ///
    /// `rows` has the archive's columns and `seq` (UInt64), in any order: all rows of the day,
    /// numbered below `through_seq` in `lineage`, that the archive does not have yet. Rows that it
    /// does have may be among them: they are skipped by number, and when no other is left and no
    /// part waits, the file is not touched.
    ///
    /// # Errors
    /// [`ArchiveError`]; then the file is the old one or, when only a step after its replacement
    /// failed, the new one. No bar is lost, and the same call may be made again. A damaged file or
    /// part is not overwritten.
    pub fn write(&self, day: Date, rows: &RecordBatch, lineage: u64, through_seq: u64) -> Result<Written> {
        let _writing = self.writing()?;
        self.directory.create_removed_dirs()?;
        let new = NewRows::new(rows, self.directory.schema(), through_seq)?;
        self.directory.remove_temporary(Some(day))?;
        let stored = StoredDay::load(&self.directory, day)?;
        let rows = new.not_covered(stored.covered(lineage));
        let path = self.path(day);

        if stored.parts.is_empty() && rows.is_empty() {
            let (rows, bytes) = match &stored.file {
                Some(file) => {
                    // An earlier call may have failed in this sync alone.
                    self.directory.sync_days()?;
                    (file.meta.rows, file.bytes)
                }
                None => (0, 0),
            };
            self.directory.remove_parts(day, &stored.merged)?;
            return Ok(Written { rows, bytes, path, changed: false, kept: Vec::new() });
        }

        let first = rows.first().map_or(through_seq, |&row| new.seq(row));
        let mut inputs = stored.sort_inputs();
        inputs.push(SortInput { columns: &new.columns, rows: Some(rows) });
        let sorted = SortedRows::new(inputs, self.directory.schema())?;
        let range = SeqRange { first, through: through_seq };
        let meta = stored.merged_meta(day, &self.calendar, lineage, Some(range), sorted.len());
        let file = stored.file.iter().map(|file| (file, path.clone()));
        let parts = stored.parts.iter().map(|part| (part, self.directory.part_path(day, part.meta.part)));
        let lossy = file.chain(parts).filter(|(loaded, _)| loaded.gives_up);
        let kept = lossy.map(|(_, path)| self.directory.keep_copy(&path, Kept::Replaced, day));
        let kept = kept.collect::<Result<Vec<_>>>()?;
        let bytes = self.directory.commit_file(&path, &sorted, &meta)?;
        let unmerged = stored.parts.iter().map(|part| part.meta.part);
        let merged: Vec<u32> = stored.merged.iter().copied().chain(unmerged).collect();
        self.directory.remove_parts(day, &merged)?;
        Ok(Written { rows: meta.rows, bytes, path, changed: true, kept })
    }

    /// Writes `rows` as a part of a day that is still open, or whose file is damaged;
    /// [`Archive::write`] merges it later. `rows`, `lineage` and `through_seq` are as there. Rows
    /// that the archive has already are skipped, and no part is written when no other is left.
    ///
    /// # Errors
    /// As [`Archive::write`].
    pub fn spill(&self, day: Date, rows: &RecordBatch, lineage: u64, through_seq: u64) -> Result<Spilled> {
        let _writing = self.writing()?;
        self.directory.create_removed_dirs()?;
        let new = NewRows::new(rows, self.directory.schema(), through_seq)?;
        self.directory.remove_temporary(Some(day))?;
        // Metadata suffices; a day may have many parts.
        let numbers = self.directory.parts(day)?;
        // A damaged file keeps no row out of a part: the rows wait there until it is put right.
        let parts = numbers.iter().filter_map(|&part| undamaged(self.directory.part_meta(day, part).map(Some)));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let file = undamaged(self.meta(day)).transpose()?;
        let metas = || file.iter().chain(&parts);
        let covered = metas().map(|meta| meta.covered(lineage)).max().unwrap_or_default();
        let rows = new.not_covered(covered);
        let Some(&first) = rows.first() else {
            // An earlier call may have failed in one of these syncs alone.
            if !parts.is_empty() {
                self.directory.sync_work()?;
            }
            if file.is_some() {
                self.directory.sync_days()?;
            }
            return Ok(Spilled { rows: 0, bytes: 0, path: None });
        };
        let inputs = vec![SortInput { columns: &new.columns, rows: Some(rows) }];
        let sorted = SortedRows::new(inputs, self.directory.schema())?;
        let meta = DayMeta {
            day,
            calendar: self.calendar.clone(),
            schema_version: FORMAT_VERSION,
            rows: sorted.len() as u64,
            first_seq: new.seq(first),
            through_seq,
            lineage,
            part: self.directory.next_part(day)?,
        };
        let path = self.directory.part_path(day, meta.part);
        let bytes = self.directory.commit_file(&path, &sorted, &meta)?;
        Ok(Spilled { rows: meta.rows, bytes, path: Some(path) })
    }

    /// Opens every file and part and checks all of it: file checksum, metadata, columns, number and
    /// order of rows, values. One report each, days first.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] when the directory cannot be listed; an error of a file is in its
    /// report.
    pub fn verify(&self) -> Result<Vec<FileReport>> {
        verify::verify(&self.directory)
    }

    /// The name of the calendar.
    pub(crate) fn calendar(&self) -> &str {
        &self.calendar
    }

    pub(crate) fn writing(&self) -> Result<MutexGuard<'_, ()>> {
        let writing = self.writing.as_ref().ok_or(Misuse::ReadOnly)?;
        // A write that panicked leaves a temporary file at most.
        Ok(writing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The metadata of a file; `None` where there is none, or where it is damaged.
fn undamaged(meta: Result<Option<DayMeta>>) -> Option<Result<DayMeta>> {
    match meta {
        Ok(meta) => meta.map(Ok),
        Err(error @ ArchiveError::Io { .. }) => Some(Err(error)),
        Err(_) => None,
    }
}
