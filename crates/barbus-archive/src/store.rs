//! The archive's two directories: names, whole files put in place, and files read.
//!
//! ```text
//! 1m/2024-02-29.parquet              a day
//! 1m.work/2024-02-29.3.parquet       part 3 of a day that has not been written yet
//! 1m.work/.2024-02-29.4711-0.tmp     being written; left behind by a crash only
//! ```
//! Whoever reads all of the archive's directory finds whole days and nothing else: everything unfinished is in the work
//! directory beside it (behind a symbolic link: beside where it points to), on the same file system, so that a rename
//! moves a day over at once. A file gets its name only after it was synced and read back; until its directory is
//! synced too, the call has not succeeded. Names of any other form are passed over.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::{fs, io, panic, thread};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use jiff::civil::Date;

use crate::encode::{Encoded, encode};
use crate::files::{Files, NewFile};
use crate::metadata::parse_day;
use crate::rows::Rows;
use crate::{Corruption, DayMeta, Error, Result, day_file, seal};

const DAY_SUFFIX: &str = ".parquet";
const TEMPORARY_SUFFIX: &str = ".tmp";
const WORK_SUFFIX: &str = ".work";
/// A day that is being written is synced whenever so much of it was; every sync takes its time however little it is for.
const SYNC_BYTES: usize = 5 << 20;
/// With fewer rows a thread that syncs while others work takes longer to start than it saves.
const SYNCER_ROWS: usize = 10_000;
/// As long as it takes to compare a smaller file, it takes to start a thread that does so.
const AT_ONCE_BYTES: usize = 1 << 20;
/// Mode of the two directories, where they are not there yet.
const DIR_MODE: u32 = 0o750;

/// A file read in full, checked.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) meta: DayMeta,
    pub(crate) rows: RecordBatch,
    pub(crate) bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    work_dir: PathBuf,
    schema: SchemaRef,
    files: Arc<dyn Files>,
}

impl Store {
    pub(crate) fn new(dir: &Path, schema: SchemaRef, files: Arc<dyn Files>) -> Store {
        Store { dir: dir.to_owned(), work_dir: work_dir(dir), schema, files }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn day_path(&self, day: Date) -> PathBuf {
        self.dir.join(format!("{day}{DAY_SUFFIX}"))
    }

    pub(crate) fn part_path(&self, day: Date, part: u32) -> PathBuf {
        self.work_dir.join(format!("{day}.{part}{DAY_SUFFIX}"))
    }

    pub(crate) fn create_dirs(&self) -> Result<()> {
        self.create(&self.dir, DIR_MODE)?;
        self.create_work_dir()
    }

    /// Found out when the archive is opened rather than at the end of the day.
    pub(crate) fn check_one_file_system(&self) -> Result<()> {
        let device = |dir: &Path| fs::metadata(dir).map(|found| found.dev()).map_err(Error::io("examine", dir));
        if device(&self.dir)? != device(&self.work_dir)? {
            let what = format!("it is on another file system than {}", self.dir.display());
            let error = io::Error::new(io::ErrorKind::CrossesDevices, what);
            return Err(Error::io("move files from", &self.work_dir)(error));
        }
        Ok(())
    }

    fn create_work_dir(&self) -> Result<()> {
        self.create(&self.work_dir, DIR_MODE)
    }

    fn create(&self, dir: &Path, mode: u32) -> Result<()> {
        self.files.create_dir(dir, mode).map_err(Error::io("create", dir))?;
        // Without this a power loss could take the directory away, and with it what was put there.
        match dir.parent().filter(|above| !above.as_os_str().is_empty()) {
            Some(above) => self.sync(above),
            None => Ok(()),
        }
    }

    /// Days that have a file, in order.
    pub(crate) fn days(&self) -> Result<Vec<Date>> {
        let names = self.list(&self.dir)?;
        let mut days: Vec<Date> = names.iter().filter_map(|name| day_of(name)).collect();
        days.sort_unstable();
        Ok(days)
    }

    /// All parts, by day and number.
    pub(crate) fn all_parts(&self) -> Result<Vec<(Date, u32)>> {
        let names = self.list(&self.work_dir)?;
        let mut parts: Vec<_> = names.iter().filter_map(|name| part_of(name)).collect();
        parts.sort_unstable();
        Ok(parts)
    }

    /// Numbers of a day's parts, in order.
    pub(crate) fn parts(&self, day: Date) -> Result<Vec<u32>> {
        let mut parts = self.all_parts()?;
        parts.retain(|part| part.0 == day);
        Ok(parts.into_iter().map(|(_, number)| number).collect())
    }

    /// The day's file without its parts; `None` when there is none.
    pub(crate) fn load_day(&self, day: Date) -> Result<Option<Loaded>> {
        absent(self.load(&self.day_path(day), day))
    }

    /// One part, which must be there.
    pub(crate) fn load_part(&self, day: Date, part: u32) -> Result<Loaded> {
        let path = self.part_path(day, part);
        let loaded = self.load(&path, day)?;
        if loaded.meta.part != part {
            let (key, value) = (crate::metadata::PART, loaded.meta.part.to_string());
            return Err(Error::corrupt(&path, Corruption::BadValue { key, value }));
        }
        Ok(loaded)
    }

    fn load(&self, path: &Path, day: Date) -> Result<Loaded> {
        let file = self.read(path)?;
        let (meta, rows) = day_file::decode(path, day, &file, &self.schema)?;
        let bytes = file.len() as u64;
        Ok(Loaded { meta, rows, bytes })
    }

    /// Metadata of the day's file, seal checked, rows not decoded.
    pub(crate) fn day_meta(&self, day: Date) -> Result<Option<DayMeta>> {
        let path = self.day_path(day);
        absent(self.read(&path).and_then(|file| day_file::decode_meta(&path, day, &file)))
    }

    /// Metadata of a part, as for a day.
    pub(crate) fn part_meta(&self, day: Date, part: u32) -> Result<DayMeta> {
        let path = self.part_path(day, part);
        day_file::decode_meta(&path, day, &self.read(&path)?)
    }

    /// Puts a file in its place: whole and checked, or not at all. After an error it may be there nevertheless (when
    /// only its directory could not be synced).
    pub(crate) fn put(&self, path: &Path, rows: &impl Rows, meta: &DayMeta) -> Result<u64> {
        let temporary = self.work_dir.join(temporary_name(meta.day));
        let moved = self.write_checked(&temporary, path, rows, meta).and_then(|file| {
            let renamed = self.files.rename(&temporary, path);
            renamed.map_err(Error::io("rename to", path))?;
            Ok(file)
        });
        let file = moved.inspect_err(|_| {
            // What cannot be removed now is swept by the next write.
            let _ = self.files.remove(&temporary);
        })?;
        // A temporary name that a power loss leaves in the work directory is litter.
        let dir = if path.parent() == Some(self.dir.as_path()) { &self.dir } else { &self.work_dir };
        let (synced, checked) = at_once(&file, || self.sync(dir), || self.check_same(path, &file));
        synced.and(checked)?;
        Ok(file.len() as u64)
    }

    /// The contents of `temporary`, now synced and checked; for messages they are called `path`.
    fn write_checked(&self, temporary: &Path, path: &Path, rows: &impl Rows, meta: &DayMeta) -> Result<Bytes> {
        let open = self.create_temporary(temporary)?;
        let write = |bytes: &[u8]| open.write(bytes).map_err(Error::io("write", temporary));
        let sync = || open.sync().map_err(Error::io("sync", temporary));
        if rows.count() < SYNCER_ROWS {
            let encoded = encode(path, rows, meta, |_| Ok(()))?;
            write(&encoded.file)?;
            sync()?;
            return self.check_written(temporary, path, encoded, rows, meta);
        }
        thread::scope(|scope| {
            // The disk works while the processors do.
            let (written, news) = mpsc::channel();
            let syncer = scope.spawn(move || {
                let mut unsynced = 0;
                while let Ok(bytes) = news.recv() {
                    unsynced += bytes + news.try_iter().sum::<usize>();
                    if unsynced >= SYNC_BYTES {
                        sync()?;
                        unsynced = 0;
                    }
                }
                // What was written last is not more than that.
                sync()
            });
            let encoded = encode(path, rows, meta, |bytes| {
                write(bytes)?;
                let _ = written.send(bytes.len());
                Ok(())
            })?;
            let sealed = open.write_at(seal::SEAL_OFFSET as u64, &encoded.seal);
            sealed.map_err(Error::io("write", temporary))?;
            drop(written);
            let checked = self.check_written(temporary, path, encoded, rows, meta);
            let synced = syncer.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
            synced.and(checked)
        })
    }

    fn create_temporary(&self, temporary: &Path) -> Result<Box<dyn NewFile>> {
        let mut created = self.files.create(temporary);
        if created.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            // Empty most of the time, the work directory may have been taken for litter.
            self.create_work_dir()?;
            created = self.files.create(temporary);
        }
        created.map_err(Error::io("create", temporary))
    }

    fn check_written(
        &self,
        temporary: &Path,
        path: &Path,
        encoded: Encoded,
        rows: &impl Rows,
        meta: &DayMeta,
    ) -> Result<Bytes> {
        let prove = || encoded.prove(path, rows, meta);
        let (same, proved) = at_once(&encoded.file, || self.check_same(temporary, &encoded.file), prove);
        proved.and(same)?;
        Ok(encoded.file)
    }

    fn check_same(&self, path: &Path, file: &Bytes) -> Result<()> {
        if !self.files.is(path, file).map_err(Error::io("read", path))? {
            return Err(Error::corrupt(path, Corruption::ReadBack));
        }
        Ok(())
    }

    /// Removes parts that are in the day's file, which must be in its place for good.
    pub(crate) fn remove_parts(&self, day: Date, parts: &[u32]) -> Result<()> {
        for &part in parts {
            let path = self.part_path(day, part);
            self.files.remove(&path).map_err(Error::io("remove", &path))?;
        }
        if parts.is_empty() {
            return Ok(());
        }
        self.sync_work()
    }

    /// Removes what crashes left of files being written: of `day`, or of all days.
    pub(crate) fn sweep(&self, day: Option<Date>) -> Result<()> {
        for name in self.list(&self.work_dir)? {
            let of = temporary_of(&name);
            if of.is_some() && (day.is_none() || of == day) {
                let path = self.work_dir.join(&name);
                let removed = self.files.remove(&path);
                removed.map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Makes the names in the archive's directory outlive a power loss.
    pub(crate) fn sync_days(&self) -> Result<()> {
        self.sync(&self.dir)
    }

    /// As [`Store::sync_days`], in the work directory.
    pub(crate) fn sync_work(&self) -> Result<()> {
        self.sync(&self.work_dir)
    }

    fn sync(&self, dir: &Path) -> Result<()> {
        self.files.sync_dir(dir).map_err(Error::io("sync", dir))
    }

    fn read(&self, path: &Path) -> Result<Bytes> {
        self.files.read(path).map_err(Error::io("read", path))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let names = self.files.list(dir).map_err(Error::io("list", dir))?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }
}

/// Beside `dir`, and beside what it points to when it is a symbolic link, so that both are on one file system.
fn work_dir(dir: &Path) -> PathBuf {
    let unresolved = || dir.to_owned();
    let dir = match dir.is_symlink() || dir.file_name().is_none() {
        true => dir.canonicalize().unwrap_or_else(|_| unresolved()),
        false => unresolved(),
    };
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(WORK_SUFFIX);
    dir.with_file_name(name)
}

/// Does both, at once where `file` is so large.
fn at_once<A: Send, B>(file: &Bytes, one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    if file.len() < AT_ONCE_BYTES {
        return (one(), other());
    }
    thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().unwrap_or_else(|panic| panic::resume_unwind(panic)), other)
    })
}

fn absent<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn day_of(name: &str) -> Option<Date> {
    parse_day(name.strip_suffix(DAY_SUFFIX)?)
}

fn part_of(name: &str) -> Option<(Date, u32)> {
    let (day, number) = name.strip_suffix(DAY_SUFFIX)?.split_once('.')?;
    Some((parse_day(day)?, number.parse().ok().filter(|&n| n > 0)?))
}

fn temporary_of(name: &str) -> Option<Date> {
    let (day, _) = name.strip_suffix(TEMPORARY_SUFFIX)?.strip_prefix('.')?.split_once('.')?;
    parse_day(day)
}

/// A name no other file being written has.
fn temporary_name(day: Date) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(".{day}.{}-{count}{TEMPORARY_SUFFIX}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_forms_are_passed_over() {
        let day = jiff::civil::date(2024, 2, 29);
        assert_eq!(day_of("2024-02-29.parquet"), Some(day));
        assert_eq!(part_of("2024-02-29.12.parquet"), Some((day, 12)));
        assert_eq!(temporary_of(&temporary_name(day)), Some(day));
        for name in ["2024-02-29.csv", "x.parquet", "2024-02-29.1.parquet", ".tmp", ""] {
            assert_eq!(day_of(name), None, "{name}");
            assert_eq!(temporary_of(name), None, "{name}");
        }
        for name in ["2024-02-29.parquet", "2024-02-29.0.parquet", "2024-02-29.x.parquet"] {
            assert_eq!(part_of(name), None, "{name}");
        }
    }
}
