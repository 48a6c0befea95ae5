//! `archive.keep` and `quarantine.keep`: removes the oldest files beyond them.
//!
//! It looks at the start, when a day was closed and archived, and once an hour. Then it removes one
//! day in each run of the flusher, so that the ring never waits for it.
//!
//! The writer takes no more bars of a day before the day's file is removed, see [`Removal`].
//! Otherwise a late bar could come between the check that all rows are archived and the removal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use barbus::internal::Monitor;
use barbus::{Bus, DatedFile, Error, Keep, KeepPlan, RemovedDay, Result};
use barbus_bars::{Date, epoch_days};
use jiff::Timestamp;

use crate::background;
use crate::flusher::day_archiver::DayArchiver;
use crate::flusher::shared::{Removal, State};
use crate::removed_days::RemovedDays;

/// How often it looks without a reason.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// Removes the files that the settings do not keep.
pub(crate) struct Keeper {
    bus: Bus,
    is_active: bool,
    /// When it looks next; `None` at the start.
    due_at: Option<Instant>,
    /// Days before this one were closed when it looked last.
    looked_before: i64,
    /// The days that the writer was asked for.
    asked: Vec<DatedFile>,
    /// The days that are removed next.
    agreed: VecDeque<DatedFile>,
    /// The days that could not be removed, and what was logged of each.
    logged: BTreeMap<Date, String>,
}

impl Keeper {
    pub(crate) fn new(bus: &Bus) -> Self {
        let settings = bus.settings();
        Self {
            bus: bus.clone(),
            is_active: [settings.archive_keep, settings.quarantine_keep].iter().any(|keep| *keep != Keep::Everything),
            due_at: None,
            looked_before: i64::MIN,
            asked: Vec::new(),
            agreed: VecDeque::new(),
            logged: BTreeMap::new(),
        }
    }

    /// Does the next step: removes a day, or looks for days if that is due. Days before
    /// `closed_before` are closed.
    pub(crate) fn run_once(&mut self, archiver: &DayArchiver, closed_before: i64, shared: &Monitor<State>) {
        if !self.is_active {
            return;
        }
        if let Some(file) = self.agreed.pop_front() {
            return self.remove(archiver, &file);
        }
        let agreed_seq = match shared.lock().removal {
            Removal::None => None,
            Removal::Asked(_) => return,
            Removal::Agreed(seq) => Some(seq),
        };
        if let Some(seq) = agreed_seq {
            if archiver.backlog().scanned() >= seq {
                self.take_agreed(archiver, closed_before, shared);
            }
            return;
        }
        let now = Instant::now();
        // A day that has just closed is archived first: it counts.
        let has_closed = closed_before > self.looked_before;
        let is_archived = || archiver.backlog().closed_days(closed_before).is_empty();
        if self.due_at.is_none_or(|at| now >= at) || (has_closed && is_archived()) {
            (self.looked_before, self.due_at) = (closed_before, Some(now + INTERVAL));
            self.look(archiver, closed_before, shared);
        }
    }

    /// Removes the files of the quarantine and the copies, and asks the writer for the days.
    fn look(&mut self, archiver: &DayArchiver, closed_before: i64, shared: &Monitor<State>) {
        let plan = match KeepPlan::of(&self.bus, Timestamp::now()) {
            Ok(plan) => plan,
            Err(error) => {
                return tracing::warn!(%error, "archive.keep and quarantine.keep are not applied: remove what the error names");
            }
        };
        let remove = |file: &DatedFile| {
            let removed = std::fs::remove_file(&file.path);
            removed.map(|()| file.bytes).map_err(|error| Error::io(&file.path, "remove", error))
        };
        log_removed("quarantine.keep", "files of the quarantine removed", plan.quarantine.iter().map(remove));
        log_removed("quarantine.keep", "files of conflicts removed", plan.conflicts.iter().map(remove));
        let copies = plan.copies.iter().map(|copy| {
            archiver.archive().remove_copy(copy)?;
            Ok(copy.bytes)
        });
        log_removed("archive.keep", "copies of old days removed", copies);

        let waiting = waiting_days(archiver, shared);
        let is_settled = |file: &DatedFile| {
            let day = epoch_days(file.date);
            day < closed_before && !waiting.contains(&day)
        };
        self.asked = plan.days.into_iter().filter(is_settled).collect();
        self.logged.retain(|day, _| self.asked.iter().any(|file| file.date == *day));
        if !self.asked.is_empty() {
            shared.lock().removal = Removal::Asked(self.asked.iter().map(|file| epoch_days(file.date)).collect());
        }
    }

    /// Takes the days that the writer has agreed to. One of which a bar came at the last moment is
    /// left for the next time.
    fn take_agreed(&mut self, archiver: &DayArchiver, closed_before: i64, shared: &Monitor<State>) {
        shared.lock().removal = Removal::None;
        let waiting = waiting_days(archiver, shared);
        for file in std::mem::take(&mut self.asked) {
            let day = epoch_days(file.date);
            if day < closed_before && !waiting.contains(&day) {
                self.agreed.push_back(file);
            } else {
                archiver.removed_days().release(day);
            }
        }
    }

    fn remove(&mut self, archiver: &DayArchiver, file: &DatedFile) {
        let (archive, removed_days) = (archiver.archive(), archiver.removed_days());
        match background::run(|| remove(archive, removed_days, file)) {
            Ok(Some(RemovedDay { day, bars, bytes, .. })) => {
                self.logged.remove(&day);
                tracing::info!(%day, bars, bytes, "day removed by archive.keep");
            }
            outcome => {
                removed_days.release(epoch_days(file.date));
                let Err(error) = outcome else { return };
                let error = error.to_string();
                if self.logged.get(&file.date) != Some(&error) {
                    tracing::warn!(day = %file.date, error, "day not removed by archive.keep: look at its file");
                    self.logged.insert(file.date, error);
                }
            }
        }
    }
}

/// Removes a day that has nothing outside of its file; `None` if the file is gone already.
///
/// The record is on disk before the file is removed. If the process dies between the two, the day
/// is removed again.
fn remove(
    archive: &barbus_archive::Archive,
    removed_days: &RemovedDays,
    file: &DatedFile,
) -> Result<Option<RemovedDay>> {
    let Some(meta) = archive.meta(file.date)? else { return Ok(None) };
    let removed = RemovedDay { at: Timestamp::now(), day: file.date, bars: meta.rows, bytes: file.bytes };
    removed_days.record(&removed)?;
    archive.remove(file.date)?;
    Ok(Some(removed))
}

/// The days with rows or parts that are not in their files.
fn waiting_days(archiver: &DayArchiver, shared: &Monitor<State>) -> BTreeSet<i64> {
    let state = shared.lock();
    archiver.backlog().waiting().chain(state.expected.keys().copied()).chain(state.spilled.iter().copied()).collect()
}

/// Logs how many files were removed, and the first failure.
fn log_removed(setting: &str, what: &str, files: impl Iterator<Item = Result<u64>>) {
    let (mut count, mut sum, mut failure) = (0u64, 0u64, None);
    for file in files {
        match file {
            Ok(bytes) => (count, sum) = (count + 1, sum + bytes),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    if count > 0 {
        tracing::info!(setting, files = count, bytes = sum, "{what}");
    }
    if let Some(error) = failure {
        tracing::warn!(setting, %error, "a file is not removed: remove it by hand");
    }
}
