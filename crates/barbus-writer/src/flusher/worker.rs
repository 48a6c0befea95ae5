//! The schedule of the flusher's thread: when it archives or spills which day.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use barbus::Bus;
use barbus::internal::{Backoff, Monitor};
use barbus_bars::{date_from_epoch_days, epoch_days};
use barbus_ring::RingMaintenance;

use crate::background;
use crate::failure::{Failure, FailureLog};
use crate::flusher::backlog::Days;
use crate::flusher::day_archiver::DayArchiver;
use crate::flusher::failed_days::FailedDays;
use crate::flusher::holders::HeldRings;
use crate::flusher::keeper::Keeper;
use crate::flusher::shared::{DayError, State};

/// Bounds of the interval at which the ring is polled for late rows.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(10);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Pauses after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Checksums that one poll computes: a start with a full ring must not read it all at once.
const CHECKSUMS_PER_POLL: usize = 8;

/// The reasons for one run, at its beginning.
#[derive(Debug, Clone, Copy)]
struct Request {
    /// The number of the newest flush that was requested.
    number: u64,
    closed_before: i64,
    /// The ring has no free block.
    needs_space: bool,
    /// All rows are to be archived, so that the ring can be replaced.
    spill_all: bool,
    stop: bool,
    /// A thread waits for the result: late rows are archived at once.
    urgent: bool,
    /// The rows of open days are to be spilled.
    spill: bool,
}

/// The flusher's thread.
pub(crate) struct Worker {
    bus: Bus,
    archiver: DayArchiver,
    /// How long late rows are gathered before the file of their day is rewritten.
    late: Duration,
    /// The interval at which the rows of open days are spilled; `None` if the ring survives a
    /// reboot.
    spill_interval: Option<Duration>,
    spilled_at: Instant,
    /// Days before this one were closed at the last flush: their rows are late.
    flushed_before: i64,
    /// When the oldest late row that is not archived was found.
    late_since: Option<Instant>,
    /// Days whose files could not be written, each with a pause of its own.
    failed: FailedDays,
    /// The pause after a failure of all days: of a sync or of a spill.
    backoff: Backoff,
    log: FailureLog,
    keeper: Keeper,
}

impl Worker {
    /// With `spill_interval` the rows of open days are spilled at that interval.
    pub(crate) fn new(archiver: DayArchiver, bus: &Bus, spill_interval: Option<Duration>) -> Self {
        Self {
            bus: bus.clone(),
            archiver,
            late: bus.settings().late,
            spill_interval,
            spilled_at: Instant::now(),
            flushed_before: i64::MIN,
            late_since: None,
            failed: FailedDays::default(),
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            keeper: Keeper::new(bus),
            log: FailureLog::new(
                "day not archived yet: retrying: make room on the archive's disk, or repair what the error names",
                "archive works again",
            ),
        }
    }

    /// Runs until the writer ends.
    pub(crate) fn run(mut self, shared: Arc<Monitor<State>>) {
        loop {
            let request = self.wait(&shared);
            self.watch_rings(&shared);
            let result = self.run_once(&request, &shared);
            self.withdraw(&shared);
            if !request.stop {
                self.keeper.run_once(&self.archiver, request.closed_before, &shared);
            }
            self.show_waiting(&shared);
            self.finish(&request, result, &shared);
            if request.stop {
                return;
            }
        }
    }

    /// Waits for a request or for the next poll.
    fn wait(&mut self, shared: &Monitor<State>) -> Request {
        let poll_at = Instant::now() + self.late.clamp(MIN_POLL_INTERVAL, MAX_POLL_INTERVAL);
        let mut state = shared.lock();
        let urgent = loop {
            let urgent = state.requested > state.finished || state.stop || !state.withdrawals.is_empty();
            let wanted = state.needs_space || state.closed_before > self.flushed_before;
            let now = Instant::now();
            let rest = poll_at.saturating_duration_since(now);
            // Only a flush that a thread waits for ends the pause after a failure.
            let paused = self.backoff.remaining(now);
            if urgent || (paused.is_none() && (wanted || rest.is_zero())) {
                break urgent;
            }
            (state, _) = shared.wait_for(state, paused.unwrap_or(rest));
        };
        if let Some(ring) = state.next_ring.take() {
            self.archiver.switch_to(ring);
        }
        let (stop, spill_all) = (state.stop, std::mem::take(&mut state.spill_all));
        let lost = state.ring_is_lost || (stop && self.archiver.ring_is_lost());
        let spill_due = |interval| stop || self.spilled_at.elapsed() >= interval;
        Request {
            number: state.requested,
            closed_before: state.closed_before,
            needs_space: state.needs_space,
            spill_all,
            stop,
            urgent,
            spill: spill_all || lost || self.spill_interval.is_some_and(spill_due),
        }
    }

    /// Closes the replaced rings that no reader has open, which frees their space, and logs what
    /// happened to the ring.
    fn watch_rings(&self, shared: &Monitor<State>) {
        let mut state = shared.lock();
        let (held, free) = std::mem::take(&mut state.replaced).into_iter().partition(|ring| ring.is_open_elsewhere());
        state.replaced = held;
        let (events, held) = (std::mem::take(&mut state.events), HeldRings::of(&state.replaced));
        drop(state);
        // Without the lock: to free the pages of a large file takes a while.
        drop::<Vec<RingMaintenance>>(free);
        events.iter().for_each(|event| event.log(&self.bus, held));
    }

    /// Shows the result of a run to the threads that wait.
    fn finish(&mut self, request: &Request, result: Result<(), DayError>, shared: &Monitor<State>) {
        let mut state = shared.lock();
        state.finished = state.finished.max(request.number);
        state.status.last_failure = match result {
            Ok(()) => {
                self.backoff.reset();
                state.needs_space &= !request.needs_space;
                self.failed.first()
            }
            Err((day, error)) => {
                self.backoff.fail(Instant::now());
                // The request stays, and is served after the pause.
                state.spill_all |= request.spill_all;
                Some(Failure::after(state.status.last_failure.as_ref(), Some(day), error.to_string()))
            }
        };
        let failed = state.status.last_failure.as_ref();
        state.outcome = failed.and_then(|failure| Some((failure.day?, failure.error.clone())));
        let failure = state.status.last_failure.clone();
        drop(state);
        shared.notify_all();
        self.log.update(failure);
    }

    /// Scans the ring and archives what is due.
    ///
    /// A day whose file cannot be written is no failure of the run: it is retried by itself. If the
    /// ring needs space meanwhile, its rows are spilled as those of an open day are.
    fn run_once(&mut self, request: &Request, shared: &Monitor<State>) -> Result<(), DayError> {
        self.archiver.scan();
        self.archiver.checksum(if request.urgent { usize::MAX } else { CHECKSUMS_PER_POLL });
        let days = self.archiver.backlog().days(request.closed_before, self.flushed_before);
        let spilled: BTreeSet<i64> = shared.lock().spilled.range(..request.closed_before).copied().collect();
        let due = self.due(request, &days, &spilled);
        self.show_waiting(shared);

        let rows = self.sync_before(&due, &days.open, request)?;
        // Late rows that nobody waits for.
        let late = if request.urgent || request.needs_space { BTreeSet::new() } else { days.late.clone() };
        self.archive_days(&due, &late, rows, shared);
        self.flushed_before = request.closed_before;
        self.release(shared);
        if request.spill || (request.needs_space && self.archiver.ring_is_full()) {
            let unfiled = self.failed.days().filter(|day| days.closed.contains(day) || days.late.contains(day));
            let unfiled: BTreeSet<i64> = unfiled.chain(days.open).collect();
            let result = self.spill_days(&unfiled, shared);
            self.release(shared);
            if request.spill_all {
                // The sync may have released a block although no row had to be archived.
                shared.lock().released += 1;
                shared.notify_all();
            }
            return result;
        }
        Ok(())
    }

    /// The closed days that are to be archived in this run. `spilled` have parts.
    fn due(&mut self, request: &Request, days: &Days, spilled: &BTreeSet<i64>) -> BTreeSet<i64> {
        let waiting = |day| days.closed.contains(&day) || days.late.contains(&day) || spilled.contains(&day);
        self.failed.retain(waiting);
        let now = Instant::now();
        let Self { failed, archiver, .. } = self;
        let is_due = |day| failed.is_due(day, now, || archiver.file_state(day));
        let gathered = self.late_since.is_some_and(|since| since.elapsed() >= self.late);
        let late_is_due = request.urgent || request.needs_space || gathered;
        // Late rows of a day that failed are not gathered, but retried.
        let has_late = days.late.iter().any(|&day| is_due(day).is_none());
        self.late_since = self.late_since.or(Some(now)).filter(|_| has_late && !late_is_due);
        let late = days.late.iter().filter(|&&day| late_is_due || is_due(day).is_some());
        let candidates = days.closed.iter().chain(late).chain(spilled).copied();
        candidates.filter(|&day| request.urgent || is_due(day).unwrap_or(true)).collect()
    }

    /// Syncs the ring if a day is to be archived or a block waits for its checksum. Returns the
    /// rows of the first day of `due`, which are gathered meanwhile.
    ///
    /// A file must not have rows that the ring can lose: after a loss of power their sequence
    /// numbers would be assigned again. A block must not be released while its checksum is not on
    /// disk: after a loss of power it could not be distinguished from a slot that was being reused.
    fn sync_before(
        &mut self,
        due: &BTreeSet<i64>,
        open: &BTreeSet<i64>,
        request: &Request,
    ) -> Result<Option<RecordBatch>, DayError> {
        let spilled = open.first().filter(|_| request.needs_space || request.spill);
        let unreleased = || self.archiver.backlog().day_without_checksum();
        // Readers hold blocks: a sync also moves the durable cursor, and so releases the blocks
        // that it kept for recovery.
        let all = request.spill_all.then_some(request.closed_before);
        let Some(day) = due.first().or(spilled).copied().or_else(unreleased).or(all) else {
            return Ok(None);
        };
        self.archiver.sync(due.first().copied()).map_err(|error| (date_from_epoch_days(day), error))
    }

    /// Archives the days `due`, those in `late` beside other work. `rows` are those of the first
    /// day, if they were gathered before.
    fn archive_days(
        &mut self,
        due: &BTreeSet<i64>,
        late: &BTreeSet<i64>,
        mut rows: Option<RecordBatch>,
        shared: &Monitor<State>,
    ) {
        let mut files = 0;
        for &day in due {
            let begun = Instant::now();
            let rows = rows.take().unwrap_or_else(|| self.archiver.gather(day));
            // A failure does not stop the other days.
            let written = match late.contains(&day) {
                true => background::run(|| self.archiver.write_file(day, &rows)),
                false => self.archiver.write_file(day, &rows),
            };
            match written {
                Ok(written) => {
                    files += u64::from(written);
                    self.failed.remove(day);
                    let mut state = shared.lock();
                    state.spilled.remove(&day);
                    state.status.files_written += u64::from(written);
                    if written {
                        state.status.writes.add(begun.elapsed(), true);
                    }
                }
                Err(error) => {
                    shared.lock().status.writes.add(begun.elapsed(), false);
                    let error = (date_from_epoch_days(day), error);
                    self.failed.fail(day, error, self.archiver.file_state(day), Instant::now());
                }
            }
            self.release(shared);
            self.show_waiting(shared);
        }
        if files > 0 {
            tracing::info!(files, "archived");
        }
    }

    /// Spills the rows of `days` that are in no part yet.
    fn spill_days(&mut self, days: &BTreeSet<i64>, shared: &Monitor<State>) -> Result<(), DayError> {
        let (mut result, mut parts) = (Ok(()), 0);
        for &day in days {
            let begun = Instant::now();
            let spilled = self.archiver.spill(day);
            let mut state = shared.lock();
            // A part without rows is not written.
            if !matches!(spilled, Ok(false)) {
                state.status.writes.add(begun.elapsed(), spilled.is_ok());
            }
            match spilled {
                Ok(written) => {
                    parts += u64::from(written);
                    state.spilled.insert(day);
                    state.status.parts_spilled += u64::from(written);
                }
                Err(error) => result = result.and(Err((date_from_epoch_days(day), error))),
            }
        }
        if result.is_ok() {
            self.spilled_at = Instant::now();
        }
        if parts > 0 {
            tracing::info!(parts, "spilled rows that have no file yet");
        }
        result
    }

    /// Does the withdrawals that were requested, and answers them.
    fn withdraw(&mut self, shared: &Monitor<State>) {
        // Not in the head of the loop, which would hold the lock.
        let jobs = std::mem::take(&mut shared.lock().withdrawals);
        for job in jobs {
            let outcome = self.archiver.withdraw(&job.selection);
            if outcome.is_ok() {
                shared.lock().spilled.remove(&epoch_days(job.selection.day));
            }
            self.release(shared);
            // The thread that asked may have given up.
            let _ = job.answer.send(outcome.map_err(|error| error.to_string()));
        }
    }

    /// Releases the archived blocks, and wakes a writer that waits for one.
    fn release(&mut self, shared: &Monitor<State>) {
        if self.archiver.release() {
            shared.lock().released += 1;
            shared.notify_all();
        }
    }

    /// Shows which closed days wait, as far as the ring was scanned.
    fn show_waiting(&self, shared: &Monitor<State>) {
        let backlog = self.archiver.backlog();
        let mut state = shared.lock();
        let waiting = backlog.closed_days(state.closed_before);
        state.status.days_waiting = waiting.into_iter().map(date_from_epoch_days).collect();
        state.expected.retain(|_, seq| *seq > backlog.scanned());
    }
}
