//! A check of everything in the archive, file by file: one that is damaged does not keep the others from being checked.
//!
//! A part that is gone by the time it is opened, because the daemon has just merged it, is passed over.

use std::path::PathBuf;

use jiff::civil::Date;

use crate::store::{Loaded, Store};
use crate::{DayMeta, Error, Result};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A trading day.
    Day,
    /// A part of one, not merged yet.
    Part,
}

/// What the check of one file found.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// Whether it is a day or a part of one.
    pub kind: FileKind,
    /// The day its name says.
    pub day: Date,
    /// What it holds, all of it checked; or what is wrong.
    pub outcome: Result<DayMeta>,
}

pub(crate) fn verify(store: &Store) -> Result<Vec<FileReport>> {
    let mut reports = Vec::new();
    let mut report = |kind, day, path, loaded: Result<Loaded>| {
        if !loaded.as_ref().is_err_and(Error::is_not_found) {
            reports.push(FileReport { path, kind, day, outcome: loaded.map(|loaded| loaded.meta) });
        }
    };
    for day in store.days()? {
        let path = store.day_path(day);
        if let Some(loaded) = store.load_day(day).transpose() {
            report(FileKind::Day, day, path, loaded);
        }
    }
    for (day, part) in store.all_parts()? {
        let path = store.part_path(day, part);
        report(FileKind::Part, day, path, store.load_part(day, part));
    }
    Ok(reports)
}
