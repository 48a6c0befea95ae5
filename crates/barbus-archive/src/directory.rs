//! The archive's two directories: which files there are, and files read, committed and removed.
//!
//! The archive's directory has whole days and nothing else at any moment. Everything unfinished is
//! in the work directory beside it (behind a symbolic link: beside its target), on the same file
//! system, so that one rename puts a day in place.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::{fs, io};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::Date;
use parquet::errors::ParquetError;

use crate::checksummed_file::ChecksummedFile;
use crate::day_file::Decoded;
use crate::encode::encode;
use crate::file_names::{
    day_name, parse_copy_name, parse_day_name, parse_part_name, parse_temporary_name, part_name, temporary_name,
    withdrawn_name,
};
use crate::files::{Files, NewFile};
use crate::sort::SortedRows;
use crate::{ArchiveError, Corruption, DayMeta, Result, day_file, readback, workers};

const WORK_SUFFIX: &str = ".work";
/// Mode of the two directories where they are missing.
const DIR_MODE: u32 = 0o750;

/// Why a copy of a file is kept, in a directory of this name beside that of the days.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kept {
    /// Bars are withdrawn from the day.
    Withdrawn,
    /// The day is written again without some of its values.
    Replaced,
}

impl Kept {
    fn directory(self) -> &'static str {
        match self {
            Kept::Withdrawn => "withdrawn",
            Kept::Replaced => "replaced",
        }
    }
}

/// A file read in full and checked.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) meta: DayMeta,
    pub(crate) rows: RecordBatch,
    pub(crate) bytes: u64,
    /// Whether the file has values that the columns of the bus cannot have.
    pub(crate) gives_up: bool,
}

#[derive(Debug)]
pub(crate) struct Directory {
    dir: PathBuf,
    work_dir: PathBuf,
    schema: SchemaRef,
    files: Arc<dyn Files>,
    /// The file system that both directories were on when the archive was opened.
    device: OnceLock<u64>,
}

impl Directory {
    pub(crate) fn new(dir: &Path, schema: SchemaRef, files: Arc<dyn Files>) -> Directory {
        Directory { dir: dir.to_owned(), work_dir: work_dir(dir), schema, files, device: OnceLock::new() }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn day_path(&self, day: Date) -> PathBuf {
        self.dir.join(day_name(day))
    }

    pub(crate) fn part_path(&self, day: Date, part: u32) -> PathBuf {
        self.work_dir.join(part_name(day, part))
    }

    pub(crate) fn create_dirs(&self) -> Result<()> {
        self.create(&self.dir)?;
        self.create(&self.work_dir)
    }

    /// Makes a directory of the archive anew that a person has removed, and nothing else.
    ///
    /// Where the volume of the archive was unmounted, or the bus was moved away, the file would be
    /// written where the next start does not look for it.
    pub(crate) fn create_removed_dirs(&self) -> Result<()> {
        let Some(&device) = self.device.get() else { return Ok(()) };
        for dir in [&self.dir, &self.work_dir] {
            if dir.is_dir() {
                continue;
            }
            let failed = |what: &str| Err(ArchiveError::io("create", dir)(io::Error::other(what.to_owned())));
            // The folder of the bus may have gone together with the archive in it, not the bus.
            let Some(above) = dir.ancestors().skip(1).take(2).find(|above| above.is_dir()) else {
                return failed("the directory above is gone as well");
            };
            if device_of(above)? != device {
                return failed("its volume is not mounted any more: mount it");
            }
            self.create(dir)?;
        }
        Ok(())
    }

    /// Checked when the archive is opened, so that the first rename of a day's file does not fail.
    pub(crate) fn check_one_file_system(&self) -> Result<()> {
        let device = device_of(&self.dir)?;
        if device != device_of(&self.work_dir)? {
            let what = format!("it is on another file system than {}", self.dir.display());
            let error = io::Error::new(io::ErrorKind::CrossesDevices, what);
            return Err(ArchiveError::io("move files from", &self.work_dir)(error));
        }
        let _ = self.device.set(device);
        Ok(())
    }

    fn create(&self, dir: &Path) -> Result<()> {
        self.files.create_dir(dir, DIR_MODE).map_err(ArchiveError::io("create", dir))?;
        // Otherwise a loss of power could take the directory and every file in it.
        match dir.parent().filter(|above| !above.as_os_str().is_empty()) {
            Some(above) => self.sync(above),
            None => Ok(()),
        }
    }

    /// Days that have a file, in order.
    pub(crate) fn days(&self) -> Result<Vec<Date>> {
        let names = self.list(&self.dir)?;
        let mut days: Vec<Date> = names.iter().filter_map(|name| parse_day_name(name)).collect();
        days.sort_unstable();
        Ok(days)
    }

    /// All parts, by day and number.
    pub(crate) fn all_parts(&self) -> Result<Vec<(Date, u32)>> {
        let names = self.list(&self.work_dir)?;
        let mut parts: Vec<_> = names.iter().filter_map(|name| parse_part_name(name)).collect();
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
        none_if_not_found(self.load(&self.day_path(day), day))
    }

    /// One part; a missing one is an error.
    pub(crate) fn load_part(&self, day: Date, part: u32) -> Result<Loaded> {
        let path = self.part_path(day, part);
        let loaded = self.load(&path, day)?;
        if loaded.meta.part != part {
            let (key, value) = (crate::metadata::PART, loaded.meta.part.to_string());
            return Err(ArchiveError::corrupt(&path, Corruption::BadValue { key, value }));
        }
        Ok(loaded)
    }

    fn load(&self, path: &Path, day: Date) -> Result<Loaded> {
        let file = self.read(path)?;
        let Decoded { meta, rows, gives_up } = day_file::decode(path, day, &file, &self.schema)?;
        Ok(Loaded { meta, rows, bytes: file.len() as u64, gives_up })
    }

    /// Metadata of the day's file, its file checksum checked, its rows not decoded.
    pub(crate) fn day_meta(&self, day: Date) -> Result<Option<DayMeta>> {
        let path = self.day_path(day);
        none_if_not_found(self.read(&path).and_then(|file| day_file::decode_meta(&path, day, &file)))
    }

    /// The columns of the day's file, its file checksum checked; `None` when there is none.
    pub(crate) fn day_columns(&self, day: Date) -> Result<Option<Schema>> {
        let path = self.day_path(day);
        none_if_not_found(self.read(&path).and_then(|file| day_file::columns(&path, day, &file, &self.schema)))
    }

    /// Metadata of a part, as for a day.
    pub(crate) fn part_meta(&self, day: Date, part: u32) -> Result<DayMeta> {
        let path = self.part_path(day, part);
        day_file::decode_meta(&path, day, &self.read(&path)?)
    }

    /// Puts a file in place, whole and verified, or not at all; returns its size.
    ///
    /// It gets its name only after it was synced and read back; until its directory is synced too,
    /// the call has not succeeded. After an error the file may be in place nevertheless, when only
    /// the sync of its directory failed.
    pub(crate) fn commit_file(&self, path: &Path, rows: &SortedRows<'_>, meta: &DayMeta) -> Result<u64> {
        let temporary = self.work_dir.join(temporary_name(meta.day));
        let bytes = self
            .write_verified(&temporary, path, rows, meta)
            .and_then(|bytes| {
                let renamed = self.files.rename(&temporary, path);
                renamed.map_err(ArchiveError::io("rename to", path))?;
                Ok(bytes)
            })
            .inspect_err(|_| {
                // The next write removes what cannot be removed here.
                let _ = self.files.remove(&temporary);
            })?;
        // The work directory is not synced for a day: a temporary name that a loss of power brings
        // back is removed by the next write.
        self.sync(path.parent().unwrap_or(&self.dir))?;
        Ok(bytes)
    }

    /// Writes `temporary`, syncs it and verifies what can be read back; messages about its contents
    /// name `path`.
    fn write_verified(&self, temporary: &Path, path: &Path, rows: &SortedRows<'_>, meta: &DayMeta) -> Result<u64> {
        let open = self.create_temporary(temporary)?;
        let write_error = ArchiveError::io("write", temporary);
        let encoded = encode(rows, meta, ChecksummedFile::new(&*open));
        let (file, crc32c) = match encoded {
            Ok(encoded) => encoded,
            Err(ParquetError::External(source)) if source.is::<io::Error>() => {
                return Err(write_error(*source.downcast().expect("it is an io::Error")));
            }
            Err(error) => return Err(ArchiveError::Encode { path: path.to_owned(), error }),
        };
        let bytes = file.finish().map_err(write_error)?;
        // The disk syncs while the processors decode.
        let (synced, verified) = workers::both(
            rows.len(),
            || open.sync().map_err(ArchiveError::io("sync", temporary)),
            || readback::verify(path, &self.read(temporary)?, rows, meta, crc32c),
        );
        synced.and(verified)?;
        Ok(bytes)
    }

    fn create_temporary(&self, temporary: &Path) -> Result<Box<dyn NewFile>> {
        let mut created = self.files.create(temporary);
        if created.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            // Most of the time the work directory is empty, and a person may have removed it.
            self.create(&self.work_dir)?;
            created = self.files.create(temporary);
        }
        created.map_err(ArchiveError::io("create", temporary))
    }

    /// The number of the next part of `day`, above those of its parts and of the parts in its file.
    ///
    /// If the file is damaged, it is not known which parts are in it. The number is then that of
    /// the present second: a part with a lower number than the file's would count as merged when
    /// the file is put right.
    pub(crate) fn next_part(&self, day: Date) -> Result<u32> {
        let last = self.parts(day)?.last().copied().unwrap_or_default();
        let in_file = match self.day_meta(day) {
            Ok(meta) => meta.map_or(0, |meta| meta.part),
            Err(error @ ArchiveError::Io { .. }) => return Err(error),
            Err(_) => u32::try_from(Timestamp::now().as_second()).unwrap_or(u32::MAX - 1),
        };
        Ok(last.max(in_file).saturating_add(1))
    }

    /// The directory of the copies that are kept for this reason: beside the target of a symbolic
    /// link, so that it is on the same file system.
    fn copies_dir(&self, kept: Kept) -> PathBuf {
        self.work_dir.with_file_name(kept.directory())
    }

    /// The copies that are kept for this reason, each with its day, ascending.
    pub(crate) fn copies(&self, kept: Kept) -> Result<Vec<(Date, PathBuf)>> {
        let dir = self.copies_dir(kept);
        let names = self.list(&dir)?;
        let mut copies: Vec<_> =
            names.iter().filter_map(|name| Some((parse_copy_name(name)?, dir.join(name)))).collect();
        copies.sort_unstable();
        Ok(copies)
    }

    /// Copies a file of `day` as it is; returns the path of the copy, such as
    /// `replaced/2024-02-29-1.parquet`.
    ///
    /// A write that failed after the copy is made again: the newest copy serves if it is the same.
    pub(crate) fn keep_copy(&self, path: &Path, kept: Kept, day: Date) -> Result<PathBuf> {
        let bytes = self.read(path)?;
        let dir = self.copies_dir(kept);
        self.create(&dir)?;
        let names = self.list(&dir)?;
        let numbers = (1..).map(|number| withdrawn_name(day, number));
        let taken = numbers.clone().take_while(|name| names.contains(name));
        if let Some(newest) = taken.last().map(|name| dir.join(name))
            && self.read(&newest).is_ok_and(|found| found == bytes)
        {
            return Ok(newest);
        }
        let name = numbers.clone().find(|name| !names.contains(name)).expect("there are more numbers than files");
        let copy = dir.join(name);
        self.commit_copy(&copy, day, &bytes)?;
        Ok(copy)
    }

    /// Puts a file with these bytes of `day` in place, whole or not at all.
    pub(crate) fn commit_copy(&self, path: &Path, day: Date, bytes: &[u8]) -> Result<()> {
        let temporary = self.work_dir.join(temporary_name(day));
        self.write_copy(&temporary, path, bytes).inspect_err(|_| {
            // The next write removes what cannot be removed here.
            let _ = self.files.remove(&temporary);
        })?;
        self.sync(path.parent().unwrap_or(&self.dir))
    }

    fn write_copy(&self, temporary: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
        let file = self.create_temporary(temporary)?;
        file.write(bytes).map_err(ArchiveError::io("write", temporary))?;
        file.sync().map_err(ArchiveError::io("sync", temporary))?;
        if self.read(temporary)? != bytes {
            return Err(ArchiveError::corrupt(path, Corruption::ReadBack));
        }
        self.files.rename(temporary, path).map_err(ArchiveError::io("rename to", path))
    }

    /// Removes the file of a day.
    pub(crate) fn remove_day(&self, day: Date) -> Result<()> {
        self.remove_file(&self.day_path(day))
    }

    /// Removes a file, for good when this returns.
    pub(crate) fn remove_file(&self, path: &Path) -> Result<()> {
        self.files.remove(path).map_err(ArchiveError::io("remove", path))?;
        self.sync(path.parent().unwrap_or(&self.dir))
    }

    /// Removes parts that are in the day's file, after that file is durable.
    pub(crate) fn remove_parts(&self, day: Date, parts: &[u32]) -> Result<()> {
        for &part in parts {
            let path = self.part_path(day, part);
            self.files.remove(&path).map_err(ArchiveError::io("remove", &path))?;
        }
        if parts.is_empty() {
            return Ok(());
        }
        self.sync_work()
    }

    /// Removes files that a crash left half-written: of `day`, or of all days.
    pub(crate) fn remove_temporary(&self, day: Option<Date>) -> Result<()> {
        for name in self.list(&self.work_dir)? {
            let found = parse_temporary_name(&name);
            if found.is_some() && (day.is_none() || found == day) {
                let path = self.work_dir.join(&name);
                let removed = self.files.remove(&path);
                removed.map_err(ArchiveError::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Makes the names in the archive's directory survive a loss of power.
    pub(crate) fn sync_days(&self) -> Result<()> {
        self.sync(&self.dir)
    }

    /// As [`Directory::sync_days`], in the work directory.
    pub(crate) fn sync_work(&self) -> Result<()> {
        self.sync(&self.work_dir)
    }

    fn sync(&self, dir: &Path) -> Result<()> {
        self.files.sync_dir(dir).map_err(ArchiveError::io("sync", dir))
    }

    fn read(&self, path: &Path) -> Result<Bytes> {
        self.files.read(path).map_err(ArchiveError::io("read", path))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let names = self.files.list(dir).map_err(ArchiveError::io("list", dir))?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }
}

/// The work directory of the archive in `dir`: beside it, and beside its target when it is a
/// symbolic link, so that both are on one file system.
pub fn work_dir(dir: &Path) -> PathBuf {
    let unresolved = || dir.to_owned();
    let dir = match dir.is_symlink() || dir.file_name().is_none() {
        true => dir.canonicalize().unwrap_or_else(|_| unresolved()),
        false => unresolved(),
    };
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(WORK_SUFFIX);
    dir.with_file_name(name)
}

fn device_of(dir: &Path) -> Result<u64> {
    fs::metadata(dir).map(|found| found.dev()).map_err(ArchiveError::io("examine", dir))
}

fn none_if_not_found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
