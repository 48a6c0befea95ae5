//! The work of the flusher's thread: when to archive which day, and which blocks to release.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{panic, thread};

use arrow::array::RecordBatch;
use barbus::{Result, Settings};
use barbus_archive::Archive;
use barbus_bars::{BarSchema, date_from_epoch_days};
use barbus_ring::{RingMaintenance, SymbolId};

use crate::failure::{Failure, FailureLog};
use crate::flusher::backlog::Backlog;
use crate::flusher::columns::DayColumns;
use crate::flusher::shared::{DayError, State};
use barbus::internal::Backoff;
use barbus::internal::Monitor;

/// Bounds of the interval at which the ring is polled for late rows.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(10);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Pauses after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Checksums that one poll computes: a start with a full ring must not read it all at once.
const CHECKSUMS_PER_POLL: usize = 8;
/// Rows that are turned into columns at a time: few enough to stay in the L2 cache.
const ROWS_AT_ONCE: u32 = 2_048;

/// The reasons for one run, as they stood when it began.
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
    /// A thread waits for the result: late rows are not gathered any longer.
    urgent: bool,
    /// The rows of open days are to be put on disk.
    spill: bool,
}

/// What the flusher needs to archive the rows of a bus.
pub(crate) struct Job {
    maintenance: RingMaintenance,
    archive: Archive,
    schema: BarSchema,
    /// How long late rows are gathered before their day's file is rewritten.
    late: Duration,
    /// The interval at which the rows of open days are spilled; `None` if the ring survives a
    /// reboot.
    spill_interval: Option<Duration>,
    spilled_at: Instant,
    backlog: Backlog,
    /// The text of each symbol of the ring.
    symbols: Vec<String>,
    /// Days before this one were closed at the last flush: their rows come late.
    flushed_before: i64,
    /// The receipt of the oldest late row that is not archived.
    late_since: Option<Instant>,
    backoff: Backoff,
    log: FailureLog,
}

impl Job {
    /// Nobody may append to the ring until this returns. With `spill_interval` the rows of open days
    /// are put on disk at that interval.
    pub(crate) fn new(
        maintenance: RingMaintenance,
        archive: Archive,
        settings: &Settings,
        spill_interval: Option<Duration>,
    ) -> Self {
        Self {
            backlog: Backlog::new(&maintenance, settings.calendar.clone()),
            maintenance,
            archive,
            schema: settings.schema.clone(),
            late: settings.late,
            spill_interval,
            spilled_at: Instant::now(),
            symbols: Vec::new(),
            flushed_before: i64::MIN,
            late_since: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            log: FailureLog::new("day not archived yet: retrying", "archive works again"),
        }
    }

    /// Runs until the writer ends.
    pub(crate) fn run(mut self, shared: Arc<Monitor<State>>) {
        loop {
            let request = self.wait(&shared);
            let result = self.run_once(&request, &shared);
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
        loop {
            let urgent = state.requested > state.finished || state.stop;
            let wanted = state.needs_space || state.closed_before > self.flushed_before;
            let now = Instant::now();
            let rest = poll_at.saturating_duration_since(now);
            // Only a flush that a thread waits for ends the pause after a failure.
            let paused = self.backoff.remaining(now);
            if urgent || (paused.is_none() && (wanted || rest.is_zero())) {
                break;
            }
            (state, _) = shared.wait_for(state, paused.unwrap_or(rest));
        }
        if let Some(ring) = state.next_ring.take() {
            self.switch_to(ring);
        }
        let (stop, spill_all) = (state.stop, std::mem::take(&mut state.spill_all));
        let spill_due = |interval| stop || self.spilled_at.elapsed() >= interval;
        Request {
            number: state.requested,
            closed_before: state.closed_before,
            needs_space: state.needs_space,
            spill_all,
            stop,
            urgent: state.requested > state.finished || stop,
            spill: spill_all || self.spill_interval.is_some_and(spill_due),
        }
    }

    /// Shows the result of a run to the threads that wait.
    fn finish(&mut self, request: &Request, result: Result<(), DayError>, shared: &Monitor<State>) {
        let mut state = shared.lock();
        state.needs_space &= !request.needs_space;
        state.finished = state.finished.max(request.number);
        match result {
            Ok(()) => {
                self.backoff.reset();
                state.outcome = None;
                state.status.last_failure = None;
            }
            Err((day, error)) => {
                self.backoff.fail(Instant::now());
                // The request is served after the pause.
                state.needs_space |= request.needs_space;
                state.spill_all |= request.spill_all;
                let error = error.to_string();
                state.outcome = Some((day, error.clone()));
                let failure = Failure::after(state.status.last_failure.as_ref(), Some(day), error);
                state.status.last_failure = Some(failure);
            }
        }
        let failure = state.status.last_failure.clone();
        drop(state);
        shared.notify_all();
        self.log.update(failure);
    }

    /// Continues with the ring that replaced the current one. If the replacement failed, it is the
    /// same ring.
    fn switch_to(&mut self, ring: RingMaintenance) {
        if !ring.is_same_ring(&self.maintenance) {
            self.maintenance = ring;
            self.backlog.switch_ring();
            self.symbols.clear();
        }
    }

    /// Scans the ring and archives what is due.
    fn run_once(&mut self, request: &Request, shared: &Monitor<State>) -> Result<(), DayError> {
        self.backlog.scan(&self.maintenance, self.maintenance.unpersisted());
        self.read_symbols();
        self.backlog.checksum(&self.maintenance, if request.urgent { usize::MAX } else { CHECKSUMS_PER_POLL });
        let days = self.backlog.days(request.closed_before, self.flushed_before);
        let waited = self.late_since.is_some_and(|since| since.elapsed() >= self.late);
        let late_due = request.urgent || request.needs_space || waited;
        self.late_since = self.late_since.or_else(|| Some(Instant::now())).filter(|_| !days.late.is_empty());
        let mut due = days.closed;
        if late_due {
            due.extend(days.late);
        }
        due.extend(shared.lock().spilled.range(..request.closed_before));
        self.show_waiting(shared);

        let rows = self.sync_before(&due, &days.open, request)?;
        let archived = self.archive_days(&due, rows, shared);
        if archived.is_ok() {
            self.flushed_before = request.closed_before;
            if late_due {
                self.late_since = None;
            }
        }
        self.release(shared);
        if request.spill || (archived.is_ok() && request.needs_space && self.ring_is_full()) {
            let spilled = self.spill_days(&days.open, shared);
            self.release(shared);
            return archived.and(spilled);
        }
        archived
    }

    /// Syncs the ring if a day is to be archived or a block waits for its checksum. Returns the rows
    /// of the first day of `due`, which are gathered meanwhile.
    ///
    /// A file must not have rows that the ring can lose: after a loss of power their sequence
    /// numbers would be given out again. A block must not be released while its checksum is not on
    /// disk: after a loss of power nothing would tell it from a slot that was being reused.
    fn sync_before(
        &mut self,
        due: &BTreeSet<i64>,
        open: &BTreeSet<i64>,
        request: &Request,
    ) -> Result<Option<RecordBatch>, DayError> {
        let spilled = open.first().filter(|_| request.needs_space || request.spill);
        let Some(day) = due.first().or(spilled).copied().or_else(|| self.backlog.day_without_checksum()) else {
            return Ok(None);
        };
        self.sync(due.first().copied()).map_err(|error| (date_from_epoch_days(day), error))
    }

    /// Archives the days `due`. `rows` are those of the first day, if they were gathered before.
    fn archive_days(
        &mut self,
        due: &BTreeSet<i64>,
        mut rows: Option<RecordBatch>,
        shared: &Monitor<State>,
    ) -> Result<(), DayError> {
        let (mut result, mut files) = (Ok(()), 0);
        for &day in due {
            let rows = rows.take().unwrap_or_else(|| self.gather(day, false));
            // After a failure the other days are archived all the same.
            match self.write_file(day, &rows) {
                Ok(written) => {
                    files += u64::from(written);
                    let mut state = shared.lock();
                    state.spilled.remove(&day);
                    state.status.files_written += u64::from(written);
                }
                Err(error) => result = result.and(Err((date_from_epoch_days(day), error))),
            }
            self.release(shared);
            self.show_waiting(shared);
        }
        if files > 0 {
            tracing::info!(files, "archived");
        }
        result
    }

    /// Spills the rows of the days `open` that are in no part yet.
    fn spill_days(&mut self, open: &BTreeSet<i64>, shared: &Monitor<State>) -> Result<(), DayError> {
        let (mut result, mut parts) = (Ok(()), 0);
        for &day in open {
            let rows = self.gather(day, true);
            match self.write_part(day, &rows) {
                Ok(written) => {
                    parts += u64::from(written);
                    let mut state = shared.lock();
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
            tracing::info!(parts, "spilled rows of the open day");
        }
        result
    }

    /// Puts the ring on disk, with the checksums of all sealed blocks. Meanwhile it gathers the rows
    /// of `day`.
    fn sync(&mut self, day: Option<i64>) -> Result<Option<RecordBatch>> {
        self.backlog.checksum(&self.maintenance, usize::MAX);
        let (synced, rows) = thread::scope(|scope| {
            let gather = || day.map(|day| self.gather(day, false));
            let gathering = day.and_then(|_| thread::Builder::new().spawn_scoped(scope, gather).ok());
            let synced = self.maintenance.sync();
            let rows = gathering.map(|thread| thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
            (synced, rows.flatten())
        });
        synced?;
        self.backlog.mark_synced();
        Ok(rows)
    }

    /// The scanned rows of `day`; with `unarchived`, only those that are in no part yet.
    fn gather(&self, day: i64, unarchived: bool) -> RecordBatch {
        let rows = self.backlog.rows_of(day, unarchived);
        let symbols = self.maintenance.ring().geometry().symbols;
        let mut columns = DayColumns::new(rows.count(), self.schema.optional().len(), symbols);
        rows.copy(&self.maintenance, ROWS_AT_ONCE, |rows| columns.add(rows));
        columns.into_batch(&self.symbols, &self.schema)
    }

    /// Writes the file of `day` from `rows`, which are all of its scanned rows. Returns whether the
    /// file changed.
    fn write_file(&mut self, day: i64, rows: &RecordBatch) -> Result<bool> {
        let lineage = self.maintenance.ring().geometry().lineage;
        let written = self.archive.write(date_from_epoch_days(day), rows, lineage, self.backlog.scanned())?;
        self.backlog.mark_archived(day);
        Ok(written.changed)
    }

    /// Writes a part of `day` from `rows`. Returns whether there was a row to write.
    fn write_part(&mut self, day: i64, rows: &RecordBatch) -> Result<bool> {
        let lineage = self.maintenance.ring().geometry().lineage;
        let spilled = self.archive.spill(date_from_epoch_days(day), rows, lineage, self.backlog.scanned())?;
        self.backlog.mark_archived(day);
        Ok(spilled.path.is_some())
    }

    /// Whether the archived days alone may not free a block. Two archived blocks may have to stay:
    /// the newest, and the one that the durable cursor names.
    fn ring_is_full(&self) -> bool {
        self.backlog.blocks() + 2 >= self.maintenance.ring().geometry().slots
    }

    /// Releases the blocks whose rows are all archived.
    fn release(&mut self, shared: &Monitor<State>) {
        let released = self.backlog.take_releasable();
        if released.is_empty() {
            return;
        }
        for block in released {
            self.maintenance.mark_persisted(block);
        }
        shared.lock().released += 1;
        shared.notify_all();
    }

    /// Shows which closed days wait, as far as the ring was scanned.
    fn show_waiting(&self, shared: &Monitor<State>) {
        let mut state = shared.lock();
        let waiting = self.backlog.closed_days(state.closed_before);
        state.status.days_waiting = waiting.into_iter().map(date_from_epoch_days).collect();
        state.expected.retain(|_, seq| *seq > self.backlog.scanned());
    }

    /// Reads the symbols that were added to the ring. The symbol of a scanned row is always there.
    fn read_symbols(&mut self) {
        let ring = self.maintenance.ring();
        while (self.symbols.len() as u32) < ring.symbol_count() {
            let id = SymbolId(self.symbols.len() as u32);
            self.symbols.push(ring.symbol(id).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barbus_ring::{RingWriter, Row, Spec, create};

    /// Promise 3, after a loss of power: a block is released only after a sync that covered its
    /// checksum, even if all of its rows were archived before it was sealed.
    #[test]
    fn a_block_is_not_released_before_its_checksum_is_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bars.ring");
        create(&path, &Spec { blocks: 4, rows_per_block: 64, tip_rows: 64, ..Spec::default() }).unwrap();
        let mut writer = RingWriter::open(&path).unwrap();
        let symbol = writer.intern("A").unwrap();
        let archive = Archive::open(dir.path().join("archive"), BarSchema::in_zone("UTC").unwrap(), "24x7").unwrap();
        let settings = Settings::parse("calendar = \"24x7\"\n", "bus.toml".as_ref()).unwrap();
        let mut job = Job::new(writer.maintenance(), archive, &settings, None);
        writer.begin_day(0);
        for minute in 1..=70 {
            writer.push(&Row { symbol, frame_ms: minute * 60_000, ..Row::default() }).unwrap();
        }
        let shared = Monitor::default();
        let waiting = |job: &Job| job.maintenance.unpersisted().iter().map(|block| block.block).collect::<Vec<_>>();
        let scan = |job: &mut Job| job.backlog.scan(&job.maintenance, job.maintenance.unpersisted());
        scan(&mut job);
        job.sync(None).unwrap();
        // The first block was sealed before that sync, the second is sealed after it.
        writer.close_day();
        scan(&mut job);
        job.read_symbols();
        let rows = job.gather(0, false);
        job.write_file(0, &rows).unwrap();
        job.release(&shared);
        assert_eq!(waiting(&job), [2]);
        assert_eq!(job.backlog.day_without_checksum(), Some(0));
        job.sync(None).unwrap();
        job.release(&shared);
        assert_eq!(waiting(&job), [0; 0]);
    }
}
