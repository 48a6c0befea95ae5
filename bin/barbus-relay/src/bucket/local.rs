//! The archived days of a bus on this machine, and what each file has.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use barbus::{Bus, Date, RemovedDay, WithdrawalRecord};
use barbus_archive::{Archive, DayMeta};
use serde::{Deserialize, Serialize};

use super::digest::{self, Content};
use super::failure::{Failure, Kind};
use super::identity::cannot;

/// Attempts to read a day that the daemon replaces meanwhile.
const ATTEMPTS: usize = 20;

/// What distinguishes a file from another one at its path. The archive replaces files and changes
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    inode: u64,
    bytes: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    modified_ns: i128,
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        let modified_ns = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
        Self { inode: found.ino(), bytes: found.len(), modified_ns }
    }
}

/// The days that have a file, each with its stamp.
pub(super) fn days(bus: &Bus) -> Result<BTreeMap<Date, Stamp>, Failure> {
    let archive = bus.open_archive();
    let mut days = BTreeMap::new();
    for day in bus.archived_days()? {
        match std::fs::metadata(archive.path(day)) {
            Ok(found) => drop(days.insert(day, Stamp::of(&found))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(cannot("examine", &archive.path(day), &error)),
        }
    }
    Ok(days)
}

/// A day's file, open, and what it has.
#[derive(Debug)]
pub(super) struct OpenDay {
    pub(super) file: File,
    pub(super) meta: DayMeta,
    pub(super) content: Content,
    pub(super) stamp: Stamp,
}

/// Opens a day and checks its file; `None` if it has none any more.
pub(super) fn open(archive: &Archive, day: Date) -> Result<Option<OpenDay>, Failure> {
    let path = archive.path(day);
    for _ in 0..ATTEMPTS {
        let before = archive.version(day)?;
        let Some(meta) = archive.meta(day)? else { return Ok(None) };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(cannot("read", &path, &error)),
        };
        let stamp = Stamp::of(&file.metadata().map_err(|error| cannot("examine", &path, &error))?);
        if archive.version(day)? != before {
            continue;
        }
        let content = digest::of_file(&file).map_err(|error| cannot("read", &path, &error))?;
        return Ok(Some(OpenDay { file, meta, content, stamp }));
    }
    let what = format!("{}: it was written again and again while it was read: try again", path.display());
    Err(Failure::new(Kind::Passing, what))
}

/// The content of a file; `None` if there is none.
pub(super) fn content(path: &Path) -> Result<Option<Content>, Failure> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot("read", path, &error)),
    };
    digest::of_file(&file).map(Some).map_err(|error| cannot("read", path, &error))
}

/// The small files that a restore needs: the settings, tables of calendars, and the records of what
/// was withdrawn and removed, by their paths in the bus.
pub(super) fn small_files(bus: &Bus) -> Result<BTreeMap<String, String>, Failure> {
    let mut paths = vec![bus.path().join("bus.toml"), WithdrawalRecord::path(bus), RemovedDay::path(bus)];
    let tables = bus.path().join("calendar.d");
    match std::fs::read_dir(&tables) {
        Ok(entries) => {
            let toml = entries.flatten().map(|entry| entry.path());
            paths.extend(toml.filter(|path| path.extension().is_some_and(|extension| extension == "toml")));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(cannot("read", &tables, &error)),
    }
    let mut files = BTreeMap::new();
    for path in paths {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(cannot("read", &path, &error)),
        };
        let name = path.strip_prefix(bus.path()).unwrap_or(&path).display().to_string();
        // The daemon may be in the middle of a line of a record.
        let whole = if name.ends_with(".ndjson") { text.rfind('\n').map_or(0, |at| at + 1) } else { text.len() };
        files.insert(name, text[..whole].to_owned());
    }
    Ok(files)
}
