//! What the pushes of a bus to one place keep in its directory: a lock, what they know of the days'
//! files, and their state for operators.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use barbus::{Bus, Date};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::digest::{Content, of_text};
use super::failure::{Failure, Kind};
use super::identity::{cannot, folder};
use super::local::{OpenDay, Stamp};

/// Digits of the place's name in the names of the files.
const KEY_DIGITS: usize = 16;

/// The state of the pushes to a place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Status {
    /// The place.
    pub(super) url: String,
    /// The process of the last push.
    pub(super) pid: u32,
    /// Whether it runs beside the daemon.
    pub(super) watches: bool,
    pub(super) started_at: Option<Timestamp>,
    /// When everything was last found to be in the place.
    pub(super) complete_at: Option<Timestamp>,
    /// The version of the manifest, and what the place has by it.
    pub(super) manifest: u64,
    pub(super) days: u64,
    pub(super) bytes: u64,
    /// Days that are not in the place as they are in the archive.
    pub(super) waiting: u64,
    /// What is to be done by a person, a sentence each.
    pub(super) problems: Vec<String>,
    /// Why the last attempt failed, if it did.
    pub(super) failure: Option<FailedAt>,
}

/// A failed attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FailedAt {
    /// Since when every attempt has failed.
    pub(super) since: Timestamp,
    pub(super) message: String,
}

/// What a day's file was found to have.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Known {
    stamp: Stamp,
    bytes: u64,
    sha256: String,
    pub(super) rows: u64,
    pub(super) lineage: u64,
    pub(super) through_seq: u64,
}

impl Known {
    pub(super) fn of(day: &OpenDay) -> Self {
        Self {
            stamp: day.stamp,
            bytes: day.content.bytes,
            sha256: day.content.sha256.clone(),
            rows: day.meta.rows,
            lineage: day.meta.lineage,
            through_seq: day.meta.through_seq,
        }
    }

    pub(super) fn content(&self) -> Content {
        Content { bytes: self.bytes, sha256: self.sha256.clone() }
    }
}

/// The files of a place, locked.
#[derive(Debug)]
pub(super) struct PushState {
    base: PathBuf,
    _lock: File,
    pub(super) status: Status,
    known: BTreeMap<Date, Known>,
}

impl PushState {
    /// Opens and locks the files of the place `url`; the folder exists.
    pub(super) fn open(bus: &Bus, url: &str, watches: bool) -> Result<Self, Failure> {
        let key = &of_text(url)[..KEY_DIGITS];
        let base = folder(bus).join(key);
        let path = base.with_extension("lock");
        let lock = File::options().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(|error| cannot("create", &path, &error))?;
        let before: Status = load(&base.with_extension("json")).unwrap_or_default();
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let (bus, pid) = (bus.path().display(), before.pid);
                let what = format!("{bus}: process {pid} pushes it to {url} already: wait for its end, or end it");
                return Err(Failure::new(Kind::Owned, what));
            }
            Err(TryLockError::Error(error)) => return Err(cannot("lock", &path, &error)),
        }
        let known = load(&base.with_extension("days.json")).unwrap_or_default();
        let (pid, started_at) = (std::process::id(), Some(Timestamp::now()));
        let status = Status { url: url.to_owned(), pid, watches, started_at, ..before };
        let state = Self { base, _lock: lock, status, known };
        state.store_status()?;
        Ok(state)
    }

    /// What is known of the day's file, if it is the one with this stamp.
    pub(super) fn known(&self, day: Date, stamp: Stamp) -> Option<&Known> {
        self.known.get(&day).filter(|known| known.stamp == stamp)
    }

    /// Keeps what a day's file has.
    pub(super) fn learn(&mut self, day: Date, known: Known) {
        self.known.insert(day, known);
    }

    /// Forgets days that have no file any more, and writes the rest.
    pub(super) fn store_known(&mut self, present: impl Fn(&Date) -> bool) -> Result<(), Failure> {
        self.known.retain(|day, _| present(day));
        store(&self.base.with_extension("days.json"), &self.known)
    }

    pub(super) fn store_status(&self) -> Result<(), Failure> {
        store(&self.base.with_extension("json"), &self.status)
    }
}

/// The states of all places that a bus is pushed to, each with whether a push runs.
pub(super) fn all(bus: &Bus) -> Vec<(Status, bool)> {
    let Ok(entries) = std::fs::read_dir(folder(bus)) else { return Vec::new() };
    let mut found: Vec<(Status, bool)> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter(|path| !path.to_string_lossy().ends_with(".days.json"))
        .filter_map(|path| Some((load(&path)?, runs(&path.with_extension("lock")))))
        .collect();
    found.sort_by(|a, b| a.0.url.cmp(&b.0.url));
    found
}

fn runs(lock: &Path) -> bool {
    let file = File::open(lock);
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// A file that is missing or damaged costs a push some reading, and no day.
fn load<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn store<T: Serialize>(path: &Path, value: &T) -> Result<(), Failure> {
    let unfinished = path.with_extension("new");
    let text = serde_json::to_vec_pretty(value).expect("it has nothing but text and numbers");
    let written = std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, path));
    written.map_err(|error| cannot("write", path, &error))
}
