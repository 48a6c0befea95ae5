//! Publishing batches.

use arrow::array::{Array, Float64Array, RecordBatch};
use barbus::Result;
use barbus::protocol::Ack;
use barbus_bars::{BarBatch, Date, Fault};
use barbus_ring::{Row, SymbolId};

use crate::append::Hold;
use crate::dedup::{BarStatus, fingerprint};
use crate::new_symbol::Lookup;
use crate::normalize::{BatchNormalizer, NormalizedBatch, Payload};
use crate::sources::{Conflict, Rank};
use crate::writer::Writer;

/// Most rows that one call publishes: other producers wait for it.
const MAX_ROWS: usize = 1024;
/// The same if the first row is of a closed day: what such rows are compared with was not used for
/// a while, so each takes longer.
const MAX_LATE_ROWS: usize = 128;
/// Rows of a batch after which all readers are woken before its end.
///
/// To wake a reader for a part of a batch costs it a sleep more, and while many readers read the
/// part, the writer may have no core for the rest. Before that number, each part of a batch wakes
/// one reader for each other processor: the processors would be idle otherwise.
const WAKE_ROWS: usize = 8_192;

/// The outcome of [`Writer::ingest`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ingested {
    /// The counts of the rows that this call has published or recognized as duplicates.
    pub ack: Ack,
    /// The row to continue with; the number of rows if the batch is done.
    pub next: usize,
    /// Every row that was handled, duplicates included, has a sequence number below this one: wait
    /// for it with a [`crate::DurabilityWaiter`].
    pub through_seq: u64,
    /// Valid rows before `next` that the bus cannot take, for [`crate::Quarantine::store`].
    pub rejected: Vec<(usize, Fault)>,
    /// Bars before `next` that are not published, because a source of higher priority gave other
    /// values; they are counted in `ack`. For [`crate::Conflicts::store`].
    pub conflicts: Vec<Conflict>,
    /// What must happen before the next call; `None` if the caller may go on at once.
    pub wait: Option<Wait>,
}

/// What a call of [`Writer::ingest`] needs before it can continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The ring is full: the flusher needs a moment.
    Space,
    /// The earlier bars of this closed day must be loaded: with a [`crate::DayLoader`],
    /// [`Writer::begin_late_day`] and [`Writer::end_late_day`].
    Day(Date),
}

/// The columns of a batch, for the copy of single rows.
struct Columns<'a> {
    keys: &'a [i32],
    frames: &'a [i64],
    open: &'a [f64],
    high: &'a [f64],
    low: &'a [f64],
    close: &'a [f64],
    volume: &'a [f64],
    optional: Vec<&'a Float64Array>,
    received_ns: i64,
}

impl<'a> Columns<'a> {
    fn new(bars: &'a BarBatch, received_ns: i64) -> Self {
        Self {
            keys: bars.symbol_keys(),
            frames: bars.frames_ms(),
            open: bars.open(),
            high: bars.high(),
            low: bars.low(),
            close: bars.close(),
            volume: bars.volume(),
            optional: (0..bars.schema().optional().len()).map(|k| bars.optional(k)).collect(),
            received_ns,
        }
    }

    /// Copies a row field by field into its final place. A row that is built elsewhere and then
    /// copied would be read before its stores are done, and would wait for them.
    #[inline(always)]
    fn copy_row(&self, row: usize, symbol: SymbolId, to: &mut Row) {
        to.symbol = symbol;
        to.frame_ms = self.frames[row];
        to.open = self.open[row];
        to.high = self.high[row];
        to.low = self.low[row];
        to.close = self.close[row];
        to.volume = self.volume[row];
        to.received_ns = self.received_ns;
        to.present = 0;
        for (k, column) in self.optional.iter().enumerate() {
            let present = column.is_valid(row);
            to.optional[k] = if present { column.value(row) } else { 0.0 };
            to.present |= u8::from(present) << k;
        }
    }
}

/// A row of a batch, without what the writer adds to it.
pub(crate) fn row_of(bars: &BarBatch, row: usize, symbol: SymbolId) -> Row {
    let mut copied = Row::default();
    Columns::new(bars, 0).copy_row(row, symbol, &mut copied);
    copied
}

/// How far a call has handled the rows of its batch.
struct Progress {
    ack: Ack,
    /// The next row.
    next: usize,
    /// Rows of symbols that the ring has no room for, and of removed days.
    rejected: Vec<(usize, Fault)>,
    conflicts: Vec<Conflict>,
    wait: Option<Wait>,
}

impl Writer {
    /// Publishes a batch. It may have any columns that can be cast to bars.
    ///
    /// If the ring is full, it waits until all of the batch is committed. Invalid rows are in the
    /// quarantine then, or counted as refused if it has no room for them.
    ///
    /// # Errors
    /// Returns an error if the batch cannot be cast, or as [`Writer::ingest`] does.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use barbus::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
    /// use barbus::arrow::array::TimestampMillisecondArray;
    /// # use barbus::{Bus, InitOptions};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let options = InitOptions { calendar: "XSHG".into(), ..Default::default() };
    /// # let bus = Bus::init(&dir.path().join("bus"), &options)?;
    /// # let mut writer = barbus_writer::Writer::open(&bus)?;
    /// let number = |value: f64| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
    /// let frame = TimestampMillisecondArray::from(vec![1_720_056_660_000]).with_timezone("UTC");
    /// let batch = RecordBatch::try_from_iter([
    ///     ("symbol", Arc::new(StringArray::from(vec!["600000.XSHG"])) as ArrayRef),
    ///     ("frame", Arc::new(frame)),
    ///     ("open", number(8.0)),
    ///     ("high", number(8.2)),
    ///     ("low", number(7.9)),
    ///     ("close", number(8.1)),
    ///     ("volume", number(12_300.0)),
    /// ]);
    /// let ack = writer.publish(batch.unwrap())?;
    /// assert_eq!((ack.accepted, ack.quarantined), (1, 0));
    /// # Ok::<(), barbus::Error>(())
    /// ```
    pub fn publish(&mut self, batch: RecordBatch) -> Result<Ack> {
        let batch = self.normalizer.normalize(batch, "writer", 0)?;
        let mut ack = Ack::default();
        let mut next = 0;
        while next < batch.rows() {
            let ingested = self.ingest(&batch, next)?;
            ack += ingested.ack;
            ack += self.quarantine.store(&batch, next..ingested.next, &ingested.rejected);
            self.conflicts.store(&batch, &ingested.conflicts);
            next = ingested.next;
            match ingested.wait {
                Some(Wait::Space) => self.wait_for_space(),
                Some(Wait::Day(day)) => self.load_day(day),
                None => {}
            }
        }
        Ok(ack)
    }

    /// A normalizer of batches for [`Writer::ingest`]: one for each producer, also in another
    /// thread.
    pub fn normalizer(&self) -> BatchNormalizer {
        self.normalizer.clone()
    }

    /// Publishes valid rows of a batch from `from` on: some of them, so that it takes a short time.
    /// It never waits.
    ///
    /// While `next` is less than the number of rows, call again with it after what `wait` asks for.
    /// The invalid rows before `next` are not counted: hand them to [`crate::Quarantine::store`].
    /// Readers that sleep are woken at the end of the batch, and before each wait.
    ///
    /// # Errors
    /// Returns an error if the bars of the day cannot be read. The rows before it stay committed;
    /// send the batch again, because rows that were committed are duplicates then.
    pub fn ingest(&mut self, batch: &NormalizedBatch, from: usize) -> Result<Ingested> {
        match &batch.payload {
            Payload::Bars(bars) => self.ingest_bars(bars, batch.rank, from),
            Payload::Rejected | Payload::Faulty(_) => Ok(Ingested { next: batch.rows(), ..Ingested::default() }),
        }
    }

    fn ingest_bars(&mut self, bars: &BarBatch, source: Rank, from: usize) -> Result<Ingested> {
        let received = self.clock.now();
        self.batch_received = received;
        let columns = Columns::new(bars, received.wall_ns);
        let first_seq = self.ring.next_seq();
        let staged = match self.arbiter {
            None => self.stage_rows::<false>(bars, &columns, source, from),
            Some(_) => self.stage_rows::<true>(bars, &columns, source, from),
        };
        // Rows before an error, too.
        self.publish_staged();
        let has_new_rows = self.ring.next_seq() > first_seq;
        if has_new_rows {
            self.after_commit(received);
        }
        let (rows, ends) = match &staged {
            Ok(done) => (done.next - from, done.next == bars.len() || done.wait.is_some()),
            Err(_) => (1, true),
        };
        self.wake_after_part(rows, has_new_rows, ends);
        let Progress { mut ack, next, rejected, conflicts, wait } = staged?;
        if has_new_rows {
            ack.seq = Some(self.ring.next_seq() - 1);
        }
        ack.rows = ack.accepted + ack.duplicate + ack.revised + ack.conflict;
        let is_full = |(_, fault): &&(usize, Fault)| matches!(fault, Fault::SymbolTableFull { .. });
        ack.symbol_table_full = rejected.iter().filter(is_full).count() as u64;
        self.counters.add(ack, received);
        Ok(Ingested { ack, next, through_seq: self.ring.next_seq(), rejected, conflicts, wait })
    }

    /// Wakes readers after a part of a batch, with or without new rows: all of them if the part
    /// `ends` the batch or many rows were handled since the first new one.
    #[inline]
    fn wake_after_part(&mut self, rows: usize, has_new_rows: bool, ends: bool) {
        let before = self.rows_to_wake_for;
        if has_new_rows || before > 0 {
            self.rows_to_wake_for += rows;
        }
        if self.rows_to_wake_for >= if ends { 1 } else { WAKE_ROWS } {
            self.wake_readers();
        } else if has_new_rows && (before == 0 || before / MAX_ROWS < self.rows_to_wake_for / MAX_ROWS) {
            self.wake_some_readers();
        }
    }

    /// Stages the valid ones of a limited number of rows from `from` on, until the next one needs
    /// something else first. `ARBITRATED` states whether sources have a priority: without it, the
    /// compiler leaves the rule out.
    #[inline]
    fn stage_rows<const ARBITRATED: bool>(
        &mut self,
        bars: &BarBatch,
        columns: &Columns<'_>,
        source: Rank,
        from: usize,
    ) -> Result<Progress> {
        let mut ids = self.symbols.take_ids(bars.symbols());
        let faults = bars.faults();
        let is_late = |&frame_ms: &i64| self.trading_days.day(frame_ms) <= self.day_state.closed_through;
        let most = if columns.frames.get(from).is_some_and(is_late) { MAX_LATE_ROWS } else { MAX_ROWS };
        let (mut row, end) = (from, bars.len().min(from.saturating_add(most)));
        let mut next_fault = faults.partition_point(|(faulty, _)| *faulty < from);
        let mut ack = Ack::default();
        let mut rejected: Vec<(usize, Fault)> = Vec::new();
        let mut conflicts = Vec::new();
        let mut wait = None;
        while row < end {
            if faults.get(next_fault).is_some_and(|(faulty, _)| *faulty == row) {
                next_fault += 1;
                row += 1;
                continue;
            }
            let key = columns.keys[row] as usize;
            let symbol = match ids[key] {
                Some(id) => id,
                None => {
                    let unknown = || ids.iter().filter(|id| id.is_none()).count();
                    match self.look_up(bars.symbols().value(key), unknown) {
                        Lookup::Known(id) => *ids[key].insert(id),
                        Lookup::Invalid(fault) => {
                            rejected.push((row, fault));
                            row += 1;
                            continue;
                        }
                        Lookup::Wait => {
                            wait = Some(Wait::Space);
                            break;
                        }
                    }
                }
            };
            match self.reserve_row(columns.frames[row])? {
                None => {}
                Some(Hold::Wait(what)) => {
                    wait = Some(what);
                    break;
                }
                Some(Hold::Removed) => {
                    rejected.push((row, Fault::RemovedDay));
                    row += 1;
                    continue;
                }
            }
            columns.copy_row(row, symbol, self.staging.next_row());
            match self.stage::<ARBITRATED>(source) {
                BarStatus::New => ack.accepted += 1,
                BarStatus::Revision(number) => {
                    ack.revised += 1;
                    self.count_revision(symbol, number);
                }
                BarStatus::Duplicate => ack.duplicate += 1,
                BarStatus::Conflict(giver) => {
                    ack.conflict += 1;
                    conflicts.push(Conflict { row, symbol, giver });
                }
            }
            row += 1;
        }
        self.symbols.store_ids(bars.symbols(), ids);
        Ok(Progress { ack, next: row, rejected, conflicts, wait })
    }

    /// Compares the row that was copied to the staging area with the bars that the bus has, and
    /// stages it unless it is a duplicate or a conflict.
    #[inline]
    fn stage<const ARBITRATED: bool>(&mut self, source: Rank) -> BarStatus {
        let day_is_open = ARBITRATED && self.staging.day() == self.ring.day();
        let row = self.staging.next_row();
        let fingerprint = fingerprint(row);
        let index = self.dedup.current();
        let mut status = index.status(row.symbol, row.frame_ms, || fingerprint);
        let mut giver = Rank::UNKNOWN;
        if ARBITRATED && let Some(arbiter) = &mut self.arbiter {
            status = arbiter.judge(status, index, (row.symbol, row.frame_ms), source, day_is_open);
            giver = source;
        }
        row.revision = match status {
            BarStatus::Duplicate | BarStatus::Conflict(_) => return status,
            BarStatus::New => 0,
            BarStatus::Revision(number) => number,
        };
        index.insert_given(row.symbol, row.frame_ms, fingerprint, row.revision, giver);
        self.staging.push();
        status
    }
}
