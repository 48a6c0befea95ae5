//! What `archive.keep` and `quarantine.keep` would remove. Nothing is removed here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use barbus_archive::KeptCopy;
use barbus_bars::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::settings::Keep;

/// A file with the date in its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedFile {
    /// The trading day of an archived day; the UTC date of receipt of quarantined rows.
    pub date: Date,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// The files that the settings of a bus do not keep, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeepPlan {
    /// Archived days. The newest one is always kept, and so is a day with parts.
    pub days: Vec<DatedFile>,
    /// Copies of days, of before a withdrawal or a change of the columns, that are as old.
    pub copies: Vec<KeptCopy>,
    /// Files of the quarantine.
    pub quarantine: Vec<DatedFile>,
    /// Files of conflicts, which `quarantine.keep` limits by themselves.
    pub conflicts: Vec<DatedFile>,
}

impl KeepPlan {
    /// What the settings of `bus` do not keep at `now`.
    ///
    /// The age of a day is counted back from the newest archived day, or from today in the market
    /// if that is earlier: neither a clock that is wrong nor a bus that stands still removes a day.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn of(bus: &Bus, now: Timestamp) -> Result<Self> {
        let settings = bus.settings();
        let of_rows = |folder: PathBuf| -> Result<Vec<DatedFile>> {
            if settings.quarantine_keep == Keep::Everything {
                return Ok(Vec::new());
            }
            let today = now.to_zoned(TimeZone::UTC).date();
            let (files, present) = files_of_rows(&folder)?.into_iter().partition(|file| file.date < today);
            let present: Vec<DatedFile> = present;
            Ok(beyond(settings.quarantine_keep, files, present.iter().map(|file| file.bytes).sum(), today))
        };
        let (quarantine, conflicts) = (of_rows(bus.quarantine())?, of_rows(bus.conflicts())?);
        let mut plan = Self { quarantine, conflicts, ..Self::default() };
        if settings.archive_keep == Keep::Everything {
            return Ok(plan);
        }
        let archive = bus.open_archive();
        let mut days = archive.day_sizes()?;
        let Some((newest, newest_bytes)) = days.pop() else { return Ok(plan) };
        let today = now.to_zoned(settings.calendar.zone().clone()).date();
        let file = |(date, bytes)| DatedFile { date, path: archive.path(date), bytes };
        plan.days =
            beyond(settings.archive_keep, days.into_iter().map(file).collect(), newest_bytes, newest.min(today));
        let with_parts: BTreeSet<Date> = archive.spilled_days()?.into_iter().collect();
        plan.days.retain(|file| !with_parts.contains(&file.date));
        if let Some(first) = first_kept(settings.archive_keep, newest.min(today)) {
            plan.copies = archive.copies()?.into_iter().filter(|copy| copy.day < first).collect();
        }
        Ok(plan)
    }
}

/// The first date that is kept, counted back from `from`; `None` if age does not matter.
fn first_kept(keep: Keep, from: Date) -> Option<Date> {
    match keep {
        Keep::Days(days) => {
            let span = Span::new().try_days(days).ok();
            Some(span.and_then(|span| from.checked_sub(span).ok()).unwrap_or(Date::MIN))
        }
        Keep::Everything | Keep::Bytes(_) => None,
    }
}

/// The first ones of `files`, which ascend by date, that are not kept. `present` is the size of
/// files that are always kept.
fn beyond(keep: Keep, mut files: Vec<DatedFile>, present: u64, from: Date) -> Vec<DatedFile> {
    let count = match keep {
        Keep::Everything => 0,
        Keep::Days(_) => files.partition_point(|file| first_kept(keep, from).is_some_and(|first| file.date < first)),
        Keep::Bytes(limit) => {
            let mut kept = present;
            let is_kept = |file: &&DatedFile| {
                kept = kept.saturating_add(file.bytes);
                kept <= limit
            };
            files.len() - files.iter().rev().take_while(is_kept).count()
        }
    };
    files.truncate(count);
    files
}

/// The files of a folder of rows, ascending by date.
fn files_of_rows(folder: &Path) -> Result<Vec<DatedFile>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(folder, "read", error)),
    };
    let file = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let date = name.strip_suffix(".ndjson")?;
        let parsed: Date = date.parse().ok().filter(|parsed: &Date| parsed.to_string() == date)?;
        Some(DatedFile { date: parsed, path: entry.path(), bytes: entry.metadata().ok()?.len() })
    };
    let mut files: Vec<DatedFile> = entries.flatten().filter_map(file).collect();
    files.sort_unstable_by_key(|file| file.date);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(sizes: &[(i8, u64)]) -> Vec<DatedFile> {
        let file = |&(day, bytes): &(i8, u64)| DatedFile {
            date: Date::constant(2024, 7, day),
            path: PathBuf::from(day.to_string()),
            bytes,
        };
        sizes.iter().map(file).collect()
    }

    #[test]
    fn the_oldest_files_go_first() {
        let sizes = [(1, 10), (2, 10), (4, 10), (8, 10)];
        let beyond = |keep, present| -> Vec<i8> {
            beyond(keep, files(&sizes), present, Date::constant(2024, 7, 9))
                .iter()
                .map(|file| file.date.day())
                .collect()
        };
        assert!(beyond(Keep::Everything, 1_000).is_empty());
        assert_eq!((beyond(Keep::Days(7), 0), beyond(Keep::Days(5), 0)), (vec![1], vec![1, 2]));
        assert!(beyond(Keep::Days(u32::MAX), 0).is_empty());
        assert_eq!((beyond(Keep::Bytes(40), 0), beyond(Keep::Bytes(39), 0)), (vec![], vec![1]));
        assert_eq!((beyond(Keep::Bytes(40), 15), beyond(Keep::Bytes(40), 99)), (vec![1, 2], vec![1, 2, 4, 8]));
    }
}
