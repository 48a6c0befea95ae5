//! The state that the flusher's thread shares with the writer and with the threads that wait for
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::SyncSender;

use barbus::{Error, Selection};
use barbus_bars::{Date, date_from_epoch_days};
use barbus_ring::RingMaintenance;

use crate::failure::Failure;
use crate::flusher::holders::RingEvent;
use crate::flusher::status::FlushStatus;
use crate::withdrawals::Withdrawn;

/// A failure with the day that it concerns.
pub(crate) type DayError = (Date, Error);

/// A withdrawal that a thread waits for.
#[derive(Debug)]
pub(crate) struct WithdrawJob {
    pub(crate) selection: Selection,
    pub(crate) answer: SyncSender<Result<Withdrawn, String>>,
}

/// How far the removal of days has come. The writer takes no more bars of a day before its file is
/// removed.
#[derive(Debug, Default)]
pub(crate) enum Removal {
    /// No day is to be removed.
    #[default]
    None,
    /// The flusher asks the writer to take no more bars of these days.
    Asked(Vec<i64>),
    /// The writer has appended its last row of them below this sequence number.
    Agreed(u64),
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Days before this one (days since 1970-01-01) are closed.
    pub(crate) closed_before: i64,
    /// The ring has no free block.
    pub(crate) needs_space: bool,
    /// All rows are to be archived, so that the ring can be replaced: readers hold its archived
    /// blocks.
    pub(crate) spill_all: bool,
    /// The ring's file is not at its path: its rows are safe only in the archive.
    pub(crate) ring_is_lost: bool,
    /// The ring that replaced the one before it, whose rows are all archived.
    pub(crate) next_ring: Option<RingMaintenance>,
    /// The rings that were replaced and may be held by readers, oldest first.
    pub(crate) replaced: Vec<RingMaintenance>,
    /// What happened to the ring and is not logged yet.
    pub(crate) events: Vec<RingEvent>,
    /// The reason why the ring could not be replaced.
    pub(crate) replace_failure: Option<Failure>,
    /// The number of the newest flush that was requested, and of the newest that has finished.
    pub(crate) requested: u64,
    pub(crate) finished: u64,
    /// The withdrawals that were requested.
    pub(crate) withdrawals: Vec<WithdrawJob>,
    pub(crate) removal: Removal,
    /// The failure of the newest flush, as day and reason.
    pub(crate) outcome: Option<(Date, String)>,
    pub(crate) stop: bool,
    pub(crate) status: FlushStatus,
    /// Closed days that the writer announced. Each is shown as waiting until the flusher has
    /// scanned the ring up to this sequence number and knows the day's rows itself.
    pub(crate) expected: BTreeMap<i64, u64>,
    /// Days that have parts. Each becomes a file at its close, even if all of its rows have left
    /// the ring.
    pub(crate) spilled: BTreeSet<i64>,
    /// Counts the releases of blocks.
    pub(crate) released: u64,
}

impl State {
    pub(crate) fn status(&self) -> FlushStatus {
        let mut status = self.status.clone();
        let spilled = self.spilled.iter().filter(|&&day| day < self.closed_before);
        status.days_waiting.extend(self.expected.keys().chain(spilled).map(|&day| date_from_epoch_days(day)));
        status.days_waiting.sort_unstable();
        status.days_waiting.dedup();
        status.last_failure = status.last_failure.or_else(|| self.replace_failure.clone());
        status
    }
}
