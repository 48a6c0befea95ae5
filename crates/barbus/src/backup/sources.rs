//! Which files of a bus a backup has, and in which order they are copied.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use barbus_archive::{is_day_file, is_part_file, work_dir};

use super::tree::{Kind, Tree};
use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::removed::RemovedDay;
use crate::withdrawn::WithdrawalRecord;

/// The folders of the archive in a tree.
pub(super) const DAYS: &str = "archive/1m";
pub(super) const PARTS: &str = "archive/1m.work";
/// The folders of copies of days, beside that of the parts.
pub(super) const COPIES: [&str; 2] = ["withdrawn", "replaced"];

/// Copies the files of `bus` to `tree`, after its ring was read.
///
/// Parts come before day files, because a merge replaces the day's file before it removes the
/// parts. A file that disappears before it is copied was merged, withdrawn or removed: the caller
/// compares the records of the latter two.
pub(super) fn copy(bus: &Bus, tree: &mut Tree<'_>) -> Result<()> {
    let (days, work) = (bus.archive(), work_dir(&bus.archive()));
    copy_folder(tree, &work, PARTS, Kind::Parquet, is_part_file)?;
    copy_folder(tree, &days, DAYS, Kind::Parquet, is_day_file)?;
    for name in COPIES {
        let is_parquet = |name: &str| name.ends_with(".parquet");
        copy_folder(tree, &work.with_file_name(name), &format!("archive/{name}"), Kind::Parquet, is_parquet)?;
    }
    let is_ndjson = |name: &str| name.ends_with(".ndjson");
    copy_folder(tree, &bus.quarantine(), "quarantine", Kind::Lines, is_ndjson)?;
    copy_folder(tree, &bus.conflicts(), "conflicts", Kind::Lines, is_ndjson)?;
    for record in [WithdrawalRecord::path(bus), RemovedDay::path(bus)] {
        let name = record.file_name().expect("it has one").to_string_lossy().into_owned();
        tree.add(&record, &name, Kind::Lines)?;
    }
    let calendars = bus.path().join("calendar.d");
    copy_folder(tree, &calendars, "calendar.d", Kind::Other, |name| name.ends_with(".toml"))?;
    tree.add(&bus.path().join("bus.toml"), "bus.toml", Kind::Other)
}

/// Copies the files of `folder` with these names, in order; a missing folder has none.
fn copy_folder(
    tree: &mut Tree<'_>,
    folder: &Path,
    to: &str,
    kind: Kind,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<()> {
    let failed = |error| Error::io(folder, "read", error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if let Some(name) = entry.file_name().to_str().filter(|name| is_wanted(name)) {
            files.push((name.to_owned(), entry.path()));
        }
    }
    files.sort_unstable();
    files.iter().try_for_each(|(name, path)| tree.add(path, &format!("{to}/{name}"), kind))
}
