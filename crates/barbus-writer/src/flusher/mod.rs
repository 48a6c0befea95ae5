//! The flusher: a thread that moves rows from the ring to the archive and frees their blocks.
//!
//! It assigns every row of the ring to its trading day.
//! - A closed day is archived as soon as it closes.
//! - Late bars of a closed day are gathered for `archive.late`; then the day's file is rewritten.
//! - The rows of an open day are spilled to a part when the ring has no free block. If the ring
//!   does not survive a reboot, they are also spilled at an interval.
//!
//! A failure is shown and retried with back-off; the ring keeps the rows meanwhile. A day whose
//! file cannot be written stops no other day: if the ring needs space, its rows are spilled too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use barbus::internal::Monitor;
use barbus::{Error, Result, Selection};
use barbus_bars::date_from_epoch_days;
use barbus_ring::RingMaintenance;

use crate::failure::{Failure, FailureLog};
use crate::withdrawals::Withdrawn;

mod backlog;
mod columns;
mod day_archiver;
mod failed_days;
mod holders;
mod keeper;
mod shared;
mod status;
mod worker;

pub(crate) use day_archiver::DayArchiver;
pub(crate) use holders::{HeldRings, RingEvent};
use shared::{Removal, State, WithdrawJob};
pub use status::FlushStatus;
pub(crate) use worker::Worker;

/// The writer's handle of the flusher's thread; dropping it flushes once more and ends the thread.
#[derive(Debug)]
pub(crate) struct Flusher {
    shared: Arc<Monitor<State>>,
    replace_log: FailureLog,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Starts the thread. Days before `closed_before` are closed; those of `spilled` have parts.
    pub(crate) fn start(worker: Worker, closed_before: i64, spilled: BTreeSet<i64>) -> Self {
        let shared = Arc::new(Monitor::new(State { closed_before, spilled, ..State::default() }));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("barbus-flusher".into()).spawn(move || worker.run(theirs));
        Self {
            shared,
            replace_log: FailureLog::new(
                "ring not replaced yet: retrying: make room on its disk, or repair what the error names",
                "ring can be replaced again",
            ),
            thread: Some(thread.expect("a thread can be started")),
        }
    }

    /// Whether a day has parts that are not in its file.
    pub(crate) fn has_spilled(&self, day: i64) -> bool {
        self.shared.lock().spilled.contains(&day)
    }

    /// Announces that a closed day may have rows below `seq` that are not archived yet. The day is
    /// shown as waiting at once, and not only after the flusher's next scan.
    pub(crate) fn expect_rows(&self, day: i64, seq: u64) {
        self.shared.lock().expected.insert(day, seq);
    }

    /// Announces that days before `day` are closed.
    pub(crate) fn close_before(&self, day: i64) {
        let mut state = self.shared.lock();
        if day > state.closed_before {
            state.closed_before = day;
            self.shared.notify_all();
        }
    }

    /// Announces that only days before `day` are closed: a withdrawal gave a day back.
    pub(crate) fn close_only_before(&self, day: i64) {
        let mut state = self.shared.lock();
        state.closed_before = day;
        self.shared.notify_all();
    }

    /// Requests space in a ring without a free block. With `all` every row is archived, because
    /// readers hold the archived blocks and the ring must be replaced.
    pub(crate) fn request_spill(&self, all: bool) {
        let mut state = self.shared.lock();
        state.needs_space = true;
        state.spill_all |= all;
        self.shared.notify_all();
    }

    /// Continues with `ring` after an attempt to replace the ring, all of whose rows are archived.
    /// `replaced` has the ring before it, and what is logged.
    pub(crate) fn switch_to(
        &mut self,
        ring: RingMaintenance,
        replaced: Result<(RingMaintenance, RingEvent), (i64, Error)>,
    ) {
        let mut state = self.shared.lock();
        state.next_ring = Some(ring);
        let previous = state.replace_failure.take();
        match replaced {
            Ok((before, event)) => {
                state.status.rings_replaced += 1;
                state.replaced.push(before);
                state.events.push(event);
                self.shared.notify_all();
            }
            Err((day, error)) => {
                let day = Some(date_from_epoch_days(day));
                state.replace_failure = Some(Failure::after(previous.as_ref(), day, error.to_string()));
            }
        }
        let failure = state.replace_failure.clone();
        drop(state);
        self.replace_log.update(failure);
    }

    /// The days of which the flusher asks the writer to take no more bars, if it does.
    pub(crate) fn take_asked_removal(&self) -> Option<Vec<i64>> {
        match &mut self.shared.lock().removal {
            Removal::Asked(days) => Some(std::mem::take(days)),
            Removal::None | Removal::Agreed(_) => None,
        }
    }

    /// Announces that every row of those days is below `seq`, and that no other will come.
    pub(crate) fn agree_to_removal(&self, seq: u64) {
        self.shared.lock().removal = Removal::Agreed(seq);
        self.shared.notify_all();
    }

    /// The last failure of the archive, until a success.
    pub(crate) fn archive_failure(&self) -> Option<Failure> {
        self.shared.lock().status.last_failure.clone()
    }

    /// The replaced rings that readers still hold.
    pub(crate) fn held_rings(&self) -> HeldRings {
        HeldRings::of(&self.shared.lock().replaced)
    }

    /// Logs an event, with the readers that hold blocks: the flusher's thread lists them.
    pub(crate) fn report(&self, event: RingEvent) {
        self.shared.lock().events.push(event);
    }

    /// Waits until a block is released, for `timeout` at most.
    pub(crate) fn wait_for_space(&self, timeout: Duration) {
        let state = self.shared.lock();
        let released = state.released;
        drop(self.shared.wait_while_for(state, timeout, |state| state.released == released && !state.stop));
    }

    /// A handle to announce that the ring's file is lost.
    pub(crate) fn ring_loss_notice(&self) -> RingLossNotice {
        RingLossNotice { shared: Arc::clone(&self.shared) }
    }

    /// A handle to wait for the archive without holding the writer.
    pub(crate) fn waiter(&self) -> FlushWaiter {
        FlushWaiter { shared: Arc::clone(&self.shared) }
    }

    pub(crate) fn status(&self) -> FlushStatus {
        self.shared.lock().status()
    }

    /// Whether its thread has ended, which a panic makes it do.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Announces whether the ring's file is lost. While it is, the rows of open days are spilled at
/// once: nobody finds them in the ring after the end of this process.
#[derive(Debug)]
pub(crate) struct RingLossNotice {
    shared: Arc<Monitor<State>>,
}

impl RingLossNotice {
    pub(crate) fn set(&self, lost: bool) {
        self.shared.lock().ring_is_lost = lost;
    }
}

/// Waits until the archive has every closed day. It may be used in another thread than the writer.
#[derive(Debug, Clone)]
pub struct FlushWaiter {
    shared: Arc<Monitor<State>>,
}

impl FlushWaiter {
    /// Archives every row of every closed day now, and waits for it.
    ///
    /// It makes one attempt: [`Error::Flush`] is the failure of it, which the flusher retries.
    pub fn flush(&self) -> Result<()> {
        let mut state = self.shared.lock();
        state.requested += 1;
        let mine = state.requested;
        self.shared.notify_all();
        let state = self.shared.wait_while(state, |state| state.finished < mine && !state.stop);
        match &state.outcome {
            Some((day, why)) => Err(Error::Flush { day: *day, why: why.clone() }),
            None => Ok(()),
        }
    }

    /// Withdraws bars of a closed day, and waits for it; between
    /// [`crate::Writer::begin_withdrawal`] and [`crate::Writer::end_withdrawal`].
    ///
    /// # Errors
    /// [`Error::Flush`] is the reason, with the day. The call may be repeated.
    pub fn withdraw(&self, selection: &Selection) -> Result<Withdrawn> {
        let failed = |why: String| Error::Flush { day: selection.day, why };
        let (sender, receiver) = sync_channel(1);
        let job = WithdrawJob { selection: selection.clone(), answer: sender };
        let mut state = self.shared.lock();
        if state.stop {
            return Err(failed("the writer ends".into()));
        }
        state.withdrawals.push(job);
        drop(state);
        self.shared.notify_all();
        let outcome = receiver.recv().unwrap_or_else(|_| Err("the writer ended".into()));
        outcome.map_err(failed)
    }

    /// The state of the archive.
    pub fn status(&self) -> FlushStatus {
        self.shared.lock().status()
    }
}
