//! The archive of one bus: days written, merged and read.
//!
//! Row numbers (`seq`) count within a *lineage*, one run of numbers; a bus that starts anew has another. A file says up
//! to which number of which lineage it is complete, so that rows handed over again are known and skipped. Rows of
//! another lineage cannot be compared by number: none is skipped, and the rows handed over count over the file's.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use barbus_bars::BarSchema;
use jiff::civil::Date;

use crate::files::{DiskFiles, Files};
use crate::incoming::Incoming;
use crate::merge::{Sorted, Source};
use crate::metadata::FORMAT_VERSION;
use crate::rows::Rows;
use crate::store::{Loaded, Store};
use crate::{DayMeta, FileReport, Misuse, Result, verify};

/// How often [`Archive::read`] starts again because parts were merged under it.
const READ_ATTEMPTS: usize = 100;

/// What [`Archive::write`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Rows now in the day's file.
    pub rows: u64,
    /// Size of the file; 0 when there is none.
    pub bytes: u64,
    /// Where it is (or would be).
    pub path: PathBuf,
    /// False when everything was there already and the file was left as it is.
    pub changed: bool,
}

/// What [`Archive::spill`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spilled {
    /// Rows in the new part.
    pub rows: u64,
    /// Size of the part; 0 when there is none.
    pub bytes: u64,
    /// Where it is; `None` when everything was there already and no part was written.
    pub path: Option<PathBuf>,
}

/// A directory of trading days, one Parquet file each and nothing else; what is unfinished is in a work directory beside.
///
/// One process may write at a time (the bus's lock sees to that); any number may read meanwhile, and see each file
/// before or after a write, never between.
#[derive(Debug)]
pub struct Archive {
    store: Store,
    calendar: String,
    /// Held over a write; `None` when opened for reading only.
    writing: Option<Mutex<()>>,
}

/// A day as it is on disk.
struct OnDisk {
    file: Option<Loaded>,
    /// Parts that are not in the file yet, by number.
    parts: Vec<Loaded>,
    /// Numbers of parts that are in the file.
    merged: Vec<u32>,
}

impl Archive {
    /// Opens the archive in `dir` for writing, makes it and the work directory beside it (`archive/1m.work` for
    /// `archive/1m`; both with mode 0750) if they are missing, and removes what a crash left of files being written. Rows have the
    /// columns of `schema`; `calendar` is the name put into each file.
    ///
    /// `dir` itself may not be a mount point: the two must be on one file system.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when a directory cannot be made, or the two are on different file systems. One that is there but not writable is found
    /// out by the first write.
    pub fn open(dir: impl AsRef<Path>, schema: BarSchema, calendar: &str) -> Result<Archive> {
        let archive = Archive::with_files(&dir, schema, calendar, Arc::new(DiskFiles))?;
        archive.store.check_one_file_system()?;
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
        let store = Store::new(dir.as_ref(), schema.archive_schema(), files);
        store.create_dirs()?;
        // Litter does no harm; each write sweeps its own day again and reports what it cannot remove.
        let _ = store.sweep(None);
        Ok(Archive { store, calendar: calendar.to_owned(), writing: Some(Mutex::new(())) })
    }

    /// Opens the archive in `dir` for reading, next to whoever writes it: makes and removes nothing. A directory that
    /// is not there has no days.
    pub fn open_existing(dir: impl AsRef<Path>, schema: BarSchema, calendar: &str) -> Archive {
        let files = Arc::new(DiskFiles);
        Archive {
            store: Store::new(dir.as_ref(), schema.archive_schema(), files),
            calendar: calendar.to_owned(),
            writing: None,
        }
    }

    /// Where the file of `day` is, or will be.
    pub fn path(&self, day: Date) -> PathBuf {
        self.store.day_path(day)
    }

    /// Days that have a file, ascending.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when the directory cannot be listed.
    pub fn days(&self) -> Result<Vec<Date>> {
        self.store.days()
    }

    /// Days that have parts waiting to be merged by [`Archive::write`], ascending.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when the directory cannot be listed.
    pub fn spilled_days(&self) -> Result<Vec<Date>> {
        let mut days: Vec<Date> = self.store.all_parts()?.iter().map(|part| part.0).collect();
        days.dedup();
        Ok(days)
    }

    /// What the day's file says about itself, its bytes checked against their seal; `None` when there is none. Parts
    /// are not counted: [`Archive::part_metas`] has theirs.
    ///
    /// # Errors
    /// [`Error`](crate::Error) when the file is there but cannot be read or is not as it was written.
    pub fn meta(&self, day: Date) -> Result<Option<DayMeta>> {
        self.store.day_meta(day)
    }

    /// What the day's parts say about themselves, by number.
    ///
    /// # Errors
    /// As [`Archive::meta`].
    pub fn part_metas(&self, day: Date) -> Result<Vec<DayMeta>> {
        let parts = self.store.parts(day)?;
        parts.into_iter().map(|part| self.store.part_meta(day, part)).collect()
    }

    /// All bars of the day, of its file and its parts, as columns of the archive's schema sorted by (symbol, frame),
    /// and what is known of them: `rows` is the number returned, `lineage` that of the newest part or else the file's.
    /// `None` when nothing was written for the day.
    ///
    /// # Errors
    /// [`Error`](crate::Error) when a file cannot be read or is not as it was written.
    pub fn read(&self, day: Date) -> Result<Option<(DayMeta, RecordBatch)>> {
        let on_disk = self.load(day)?;
        if on_disk.parts.is_empty() {
            return Ok(on_disk.file.map(|file| (file.meta, file.rows)));
        }
        let rows = Sorted::of(&on_disk.sources(), self.store.schema())?.all();
        let lineage = on_disk.parts.last().expect("there are parts").meta.lineage;
        let meta = self.merged_meta(day, &on_disk, lineage, None, rows.num_rows());
        Ok(Some((meta, rows)))
    }

    /// Writes the day's file: what it has, then its parts, then `rows`, of which the highest `seq` counts where
    /// (symbol, frame) is the same. The parts are removed when the file is in place.
    ///
    /// `rows` has the archive's columns and `seq` (UInt64), in any order: all rows of the day, numbered below
    /// `through_seq` in `lineage`, that the archive does not have yet. Those it does have may be among them: they are
    /// skipped by number, and when none is left and no part waits, the file is not touched.
    ///
    /// # Errors
    /// [`Error`](crate::Error); then the file is the old one or, when only what follows its replacement failed, the
    /// new one, no bar is lost, and the same call may be made again. A damaged file or part is not overwritten.
    pub fn write(&self, day: Date, rows: &RecordBatch, lineage: u64, through_seq: u64) -> Result<Written> {
        let _writing = self.writing()?;
        let incoming = Incoming::new(rows, self.store.schema(), through_seq)?;
        self.store.sweep(Some(day))?;
        let on_disk = self.load(day)?;
        let fresh = incoming.rows_from(on_disk.covered(lineage));
        let (first, count) = incoming.first_of(fresh.as_deref());
        let path = self.store.day_path(day);

        if on_disk.parts.is_empty() && count == 0 {
            let (rows, bytes) = match &on_disk.file {
                Some(file) => {
                    // The file may be there from a call that failed in exactly this.
                    self.store.sync_days()?;
                    (file.meta.rows, file.bytes)
                }
                None => (0, 0),
            };
            self.store.remove_parts(day, &on_disk.merged)?;
            return Ok(Written { rows, bytes, path, changed: false });
        }

        let numbers = Numbers { first: first.unwrap_or(through_seq), through: through_seq };
        let mut sources = on_disk.sources();
        sources.push(Source { columns: &incoming.columns, rows: fresh });
        let rows = Sorted::of(&sources, self.store.schema())?;
        let meta = self.merged_meta(day, &on_disk, lineage, Some(numbers), rows.count());
        let bytes = self.store.put(&path, &rows, &meta)?;
        let mut merged = on_disk.merged;
        merged.extend(on_disk.parts.iter().map(|part| part.meta.part));
        self.store.remove_parts(day, &merged)?;
        Ok(Written { rows: meta.rows, bytes, path, changed: true })
    }

    /// Writes `rows` as a part of a day that is still open; [`Archive::write`] merges it later. `rows`, `lineage` and
    /// `through_seq` are as there; what the archive has already is skipped, and no part is written when that is all.
    ///
    /// # Errors
    /// As [`Archive::write`].
    pub fn spill(&self, day: Date, rows: &RecordBatch, lineage: u64, through_seq: u64) -> Result<Spilled> {
        let _writing = self.writing()?;
        let incoming = Incoming::new(rows, self.store.schema(), through_seq)?;
        self.store.sweep(Some(day))?;
        // Their words about themselves are enough; a day may have many parts.
        let (file, parts) = (self.meta(day)?, self.part_metas(day)?);
        let metas = || file.iter().chain(&parts);
        let covered = metas().map(|meta| meta.covered(lineage)).max().unwrap_or_default();
        let fresh = incoming.rows_from(covered);
        let (first, count) = incoming.first_of(fresh.as_deref());
        if count == 0 {
            if !parts.is_empty() {
                self.store.sync_work()?;
            }
            if file.is_some() {
                self.store.sync_days()?;
            }
            return Ok(Spilled { rows: 0, bytes: 0, path: None });
        }
        let sources = [Source { columns: &incoming.columns, rows: fresh }];
        let rows = Sorted::of(&sources, self.store.schema())?;
        let meta = DayMeta {
            day,
            calendar: self.calendar.clone(),
            schema_version: FORMAT_VERSION,
            rows: rows.count() as u64,
            first_seq: first.unwrap_or(through_seq),
            through_seq,
            lineage,
            part: metas().map(|meta| meta.part).max().unwrap_or_default() + 1,
        };
        let path = self.store.part_path(day, meta.part);
        let bytes = self.store.put(&path, &rows, &meta)?;
        Ok(Spilled { rows: meta.rows, bytes, path: Some(path) })
    }

    /// Opens every file and part and checks all there is to check: seal, metadata, columns, number and order of rows,
    /// values. One report each, days first.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when the directory cannot be listed; what is wrong with a file is in its report.
    pub fn verify(&self) -> Result<Vec<FileReport>> {
        verify::verify(&self.store)
    }

    fn writing(&self) -> Result<MutexGuard<'_, ()>> {
        let writing = self.writing.as_ref().ok_or(Misuse::ReadOnly)?;
        // A writer that panicked left nothing but perhaps a temporary file.
        Ok(writing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Parts are read before the file: whoever merges them meanwhile puts the file first and removes them after, so a
    /// bar is found in one or the other.
    fn load(&self, day: Date) -> Result<OnDisk> {
        let mut attempt = 1;
        let mut parts = loop {
            let numbers = self.store.parts(day)?;
            let loaded = numbers.into_iter().map(|part| self.store.load_part(day, part));
            match loaded.collect::<Result<Vec<_>>>() {
                Err(error) if error.is_not_found() && attempt < READ_ATTEMPTS => attempt += 1,
                other => break other?,
            }
        };
        let file = self.store.load_day(day)?;
        let mut merged = Vec::new();
        if let Some(file) = &file {
            parts.retain(|part| {
                let in_file =
                    part.meta.part <= file.meta.part || part.meta.through_seq <= file.meta.covered(part.meta.lineage);
                if in_file {
                    merged.push(part.meta.part);
                }
                !in_file
            });
        }
        Ok(OnDisk { file, parts, merged })
    }

    /// What a file of `rows` rows says that holds all of `on_disk` and the rows `numbers` speaks of.
    fn merged_meta(&self, day: Date, on_disk: &OnDisk, lineage: u64, numbers: Option<Numbers>, rows: usize) -> DayMeta {
        let same = on_disk.metas().filter(|meta| meta.lineage == lineage);
        let through = same.clone().map(|meta| meta.through_seq).chain(numbers.map(|numbers| numbers.through)).max();
        let through_seq = through.unwrap_or_default();
        let first = same
            .filter(|meta| meta.first_seq < meta.through_seq)
            .map(|meta| meta.first_seq)
            .chain(numbers.map(|numbers| numbers.first))
            .min();
        DayMeta {
            day,
            calendar: self.calendar.clone(),
            schema_version: FORMAT_VERSION,
            rows: rows as u64,
            first_seq: first.unwrap_or(through_seq),
            through_seq,
            lineage,
            part: on_disk.last_part(),
        }
    }
}

impl OnDisk {
    fn metas(&self) -> impl Iterator<Item = &DayMeta> + Clone {
        let files = self.file.iter().chain(&self.parts);
        files.map(|loaded| &loaded.meta)
    }

    /// Rows of `lineage` below this number are on disk.
    fn covered(&self, lineage: u64) -> u64 {
        self.metas().map(|meta| meta.covered(lineage)).max().unwrap_or_default()
    }

    /// The highest number of a part that there is or was.
    fn last_part(&self) -> u32 {
        let merged = self.merged.iter().copied();
        let last = self.metas().map(|meta| meta.part).chain(merged).max();
        last.unwrap_or_default()
    }

    fn sources(&self) -> Vec<Source<'_>> {
        let files = self.file.iter().chain(&self.parts);
        files.map(|loaded| Source { columns: loaded.rows.columns(), rows: None }).collect()
    }
}

/// Row numbers of rows being added.
#[derive(Clone, Copy)]
struct Numbers {
    first: u64,
    through: u64,
}
