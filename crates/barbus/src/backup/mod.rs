//! Backups of a bus, also of one that is written, and putting one back.
//!
//! A backup is a directory with a `manifest.json` and a *tree*, `tree-1`, which has the files of
//! the bus in the form of a bus. The rows of the ring that the archive lacks are in the tree as a
//! part of each day. A part survives what a ring does not: another boot, another machine, other
//! columns, another version of the ring's format. A bus that is restored makes a new ring, as after
//! the loss of a ring on a tmpfs, and goes on from its parts.
//!
//! The ring is read first, then the parts are copied, then the day files. A row moves in this
//! order, so every row that was acknowledged before the backup began is found.
//!
//! A further backup makes a new tree beside the old one, with hard links to the files that have not
//! changed. The manifest is replaced when the new tree is on disk, and only then the old tree is
//! removed: the directory has a whole backup at any moment.

mod copy;
mod manifest;
mod place;
mod restore;
mod sources;
mod tree;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::history::Unarchived;
use crate::removed::RemovedDay;
use crate::withdrawn::WithdrawalRecord;
use manifest::{FORMAT, Manifest};
use place::Place;
pub use restore::{RestoreReport, check_backup, is_backup, restore};
use tree::Tree;

/// Attempts to find the bus without a withdrawal or a removal of days meanwhile.
const MAX_ATTEMPTS: usize = 5;

/// What [`backup`] did.
#[derive(Debug, Clone, Default, serde::Serialize)]
#[non_exhaustive]
pub struct BackupReport {
    /// The tree with the files.
    pub tree: PathBuf,
    /// Archived days in the backup.
    pub days: u64,
    /// Bars that were in the ring alone; a later revision of a bar counts as well.
    pub bars_of_ring: u64,
    /// Files in the backup.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Files that were copied; the others are those of the backup before.
    pub files_copied: u64,
    /// Their size.
    pub bytes_copied: u64,
    /// Damaged files of the archive, a sentence for each. The backup has the file of the backup
    /// before, if there was one.
    pub damaged: Vec<String>,
}

/// Makes a backup of `bus` in `dir`, which is created if it is missing. The bus may be written
/// meanwhile.
///
/// A backup that is there already is replaced as a whole: until the new one is on disk, the old one
/// stays.
///
/// # Errors
/// [`Error::Backup`] if `dir` is no place for it, and the error of the ring or of a file that
/// cannot be read or written. The backup before stays as it was.
pub fn backup(bus: &Bus, dir: &Path) -> Result<BackupReport> {
    check_archive(bus)?;
    let place = Place::open(bus, dir)?;
    let previous = Manifest::load(dir)?;
    let path = bus.path().canonicalize().unwrap_or_else(|_| bus.path().to_owned()).display().to_string();
    if let Some(other) = previous.as_ref().map(|previous| &previous.bus).filter(|other| **other != path) {
        let what = format!("it has the backup of the bus {other}: name another directory, or remove that backup first");
        return Err(Error::Backup { path: dir.to_owned(), what });
    }
    place.remove_trees(previous.as_ref())?;
    let name = Tree::name_after(previous.as_ref());
    for _ in 0..MAX_ATTEMPTS {
        let mut tree = Tree::new(dir, &name, previous.as_ref());
        let filled = fill(bus, &mut tree).inspect_err(|_| place.remove_tree(&name))?;
        let Some(ring) = filled else {
            place.remove_tree(&name);
            continue;
        };
        let finished = tree.finish().and_then(|(entries, report)| {
            let manifest = Manifest {
                format: FORMAT,
                barbus: env!("CARGO_PKG_VERSION").to_owned(),
                at: Timestamp::now(),
                bus: path.clone(),
                tree: name.clone(),
                lineage: ring.as_ref().map(|ring| ring.lineage),
                next_seq: ring.as_ref().map(|ring| ring.next_seq),
                files: entries,
            };
            manifest.store(dir)?;
            Ok(report)
        });
        let report = finished.inspect_err(|_| place.remove_tree_unless_named(&name))?;
        if let Some(previous) = previous {
            place.remove_tree(&previous.tree);
        }
        return Ok(report);
    }
    let what = "bars were withdrawn or days removed again and again while it was read: try again".to_owned();
    Err(Error::Changing { bus: bus.path().to_owned(), what })
}

/// Refuses an archive without a day if the bus has archived some: a backup of nothing would take
/// the place of the one before.
fn check_archive(bus: &Bus) -> Result<()> {
    if !bus.archived_marker().exists() || !bus.archived_days()?.is_empty() {
        return Ok(());
    }
    let what = "no day is in it, but this bus has archived days there: mount its volume".to_owned();
    Err(Error::Backup { path: bus.archive(), what })
}

/// Fills a tree. Returns the rows that were in the ring alone, if there is a ring; `None` if bars
/// were withdrawn or days removed meanwhile: the tree may have bars that the bus has not.
fn fill(bus: &Bus, tree: &mut Tree<'_>) -> Result<Option<Option<Unarchived>>> {
    let records = || Ok::<_, Error>((WithdrawalRecord::load(bus)?, RemovedDay::load(bus)?));
    let before = records()?;
    let ring = Unarchived::read(bus)?;
    sources::copy(bus, tree)?;
    if records()? != before {
        return Ok(None);
    }
    if let Some(ring) = &ring {
        tree.add_rows(bus, ring)?;
    }
    Ok(Some(ring))
}
