//! The flusher: a thread that files every row of the ring by its trading day, and lets blocks be used again.
//!
//! A closed day is archived as soon as it closes; bars that come late for a closed day are gathered for a moment and its file is
//! rewritten; when the ring runs out of free blocks, what an open day has so far is spilled to a part, and by the clock where the ring
//! would not survive a reboot. A failure is kept, shown and tried again with growing pauses; the ring keeps the rows meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{panic, thread};

use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt64Array,
};
use arrow::datatypes::Int32Type;
use barbus_archive::Archive;
use barbus_bars::{BarSchema, Date, PriceType};
use barbus_ring::{BlockRows, RingMaintenance, Row, SymbolId};

use crate::failure::Failure;
use crate::filing::Filing;
use barbus::{Error, Result, Settings};
use barbus_bars::date_from_epoch_days;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How often the ring is looked at for late rows.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
const LONGEST_LOOK: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Blocks that get their checksum at one look, so that a full ring is not read in one go at the start.
const CHECKSUMS_AT_ONCE: usize = 8;

/// How the archive stands.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct FlushStatus {
    /// Closed days with rows that are not in their files yet.
    pub days_waiting: Vec<Date>,
    /// Files written since the writer started.
    pub files_written: u64,
    /// Parts of open days spilled since the writer started.
    pub parts_spilled: u64,
    /// How often the ring went on in a new file because readers held what could have been used again.
    pub rings_replaced: u64,
    /// The last failure, until a success.
    pub last_error: Option<Failure>,
}

#[derive(Debug, Default)]
struct State {
    /// Days before this one (days since 1970-01-01) are closed.
    closed_before: i64,
    /// The ring has no free block.
    pressure: bool,
    /// It can get none either, because readers hold what is archived: all of it is to be archived, so that it can be replaced.
    spill_all: bool,
    /// The ring that took the place of the one before, all of which is archived.
    successor: Option<RingMaintenance>,
    /// Why the ring could not be replaced.
    replace_error: Option<Failure>,
    /// Number of the newest pass that somebody asked for, and of the newest that was finished.
    asked: u64,
    finished: u64,
    /// What the last finished pass failed with.
    outcome: Option<(Date, String)>,
    stop: bool,
    status: FlushStatus,
    /// Closed days that the writer named, with the sequence number up to which the flusher must have looked to know of their rows itself.
    noted: BTreeMap<i64, u64>,
    /// Days that have parts: each becomes a file at its close, though the ring may have none of its rows any more.
    spilled: BTreeSet<i64>,
    /// Counts the blocks that were let go.
    released: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
}

impl State {
    fn status(&self) -> FlushStatus {
        let mut status = self.status.clone();
        let spilled = self.spilled.iter().filter(|&&day| day < self.closed_before);
        status.days_waiting.extend(self.noted.keys().chain(spilled).map(|&day| date_from_epoch_days(day)));
        status.days_waiting.sort_unstable();
        status.days_waiting.dedup();
        status.last_error = status.last_error.or_else(|| self.replace_error.clone());
        status
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The writer's handle of the flusher's thread.
#[derive(Debug)]
pub(crate) struct Flusher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Days before `closed_before` are closed; those of `spilled` have parts. With `spill` the open day's rows are put on disk so often.
    pub(crate) fn start(job: Job, closed_before: i64, spilled: BTreeSet<i64>) -> Self {
        let state = State { closed_before, spilled, ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), work: Condvar::new(), done: Condvar::new() });
        let mut job = job;
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("barbus-flusher".into())
            .spawn(move || job.run(&theirs))
            .expect("a thread can be started");
        Self { shared, thread: Some(thread) }
    }

    /// Whether a day has parts that are not in its file.
    pub(crate) fn has_spilled(&self, day: i64) -> bool {
        self.shared.lock().spilled.contains(&day)
    }

    /// Says that a closed day has rows below `seq` that may not be archived yet: it is shown as waiting before the flusher has looked.
    pub(crate) fn note(&self, day: i64, seq: u64) {
        self.shared.lock().noted.insert(day, seq);
    }

    /// Says that days before `day` are closed.
    pub(crate) fn close_before(&self, day: i64) {
        let mut state = self.shared.lock();
        if day > state.closed_before {
            state.closed_before = day;
            self.shared.work.notify_all();
        }
    }

    /// Says that the ring has no free block; `all`: because readers hold its archived ones.
    pub(crate) fn press(&self, all: bool) {
        let mut state = self.shared.lock();
        state.pressure = true;
        state.spill_all |= all;
        self.shared.work.notify_all();
    }

    /// Says how it went to replace the ring, all of which is archived, and which one is written now.
    pub(crate) fn turn_to(&self, ring: RingMaintenance, replaced: Result<(), (i64, Error)>) {
        let mut state = self.shared.lock();
        let previous = state.replace_error.take();
        state.successor = Some(ring);
        match replaced {
            Ok(()) => state.status.rings_replaced += 1,
            Err((day, error)) => {
                let day = Some(date_from_epoch_days(day));
                state.replace_error = Some(Failure::after(previous.as_ref(), day, error.to_string()));
            }
        }
    }

    /// Waits until a block was let go, at most `timeout`.
    pub(crate) fn wait_for_room(&self, timeout: Duration) {
        let state = self.shared.lock();
        let released = state.released;
        let _ = self.shared.done.wait_timeout_while(state, timeout, |state| state.released == released && !state.stop);
    }

    /// A handle to wait for the archive without holding the writer.
    pub(crate) fn waiter(&self) -> FlushWaiter {
        FlushWaiter { shared: Arc::clone(&self.shared) }
    }

    pub(crate) fn status(&self) -> FlushStatus {
        self.shared.lock().status()
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.work.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits for the archive to have every closed day; it may live in another thread than the writer.
#[derive(Debug, Clone)]
pub struct FlushWaiter {
    shared: Arc<Shared>,
}

impl FlushWaiter {
    /// Has every row of every closed day archived now, and waits for it: one try.
    pub fn flush(&self) -> Result<()> {
        let mut state = self.shared.lock();
        state.asked += 1;
        let mine = state.asked;
        self.shared.work.notify_all();
        while state.finished < mine && !state.stop {
            state = self.shared.done.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        match &state.outcome {
            Some((day, why)) => Err(Error::Flush { day: *day, why: why.clone() }),
            None => Ok(()),
        }
    }

    /// How the archive stands.
    pub fn status(&self) -> FlushStatus {
        self.shared.lock().status()
    }
}

/// What a look at the ring is for, besides closed days.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    /// Somebody waits: late rows are not gathered any longer.
    now: bool,
    /// The ring has no free block.
    pressure: bool,
    /// It is time to put the open day's rows on disk.
    tick: bool,
}

/// Rows `from..to` of a block that belong to one day.
#[derive(Debug, Clone, Copy)]
struct Range {
    day: i64,
    from: u32,
    to: u32,
    archived: bool,
}

/// What is known of a block that is not persisted.
#[derive(Debug, Default)]
struct Block {
    first_seq: u64,
    scanned: u32,
    sealed: bool,
    /// Its checksum was computed.
    checksummed: bool,
    /// Its checksum was computed, and put on disk after that.
    checksum_synced: bool,
    ranges: Vec<Range>,
}

impl Block {
    /// Nothing of it is needed in the ring any more.
    fn archived(&self) -> bool {
        self.sealed && self.ranges.iter().all(|range| range.archived)
    }

    /// Its slot may be used again; a block without rows needs no checksum.
    fn may_go(&self) -> bool {
        self.archived() && (self.checksum_synced || self.ranges.is_empty())
    }
}

/// The flusher's work, and what it knows of the ring.
pub(crate) struct Job {
    maintenance: RingMaintenance,
    archive: Archive,
    filing: Filing,
    schema: BarSchema,
    late: Duration,
    /// How often the open day's rows are put on disk; `None` where they are there anyway, in the ring.
    spill: Option<Duration>,
    spilled_at: Instant,
    blocks: BTreeMap<u64, Block>,
    /// Every block below this one was seen.
    next_block: u64,
    /// Every row below this one was seen.
    scanned: u64,
    symbols: Vec<String>,
    /// Days before this one were closed at the last pass: rows for them come late.
    flushed_before: i64,
    late_since: Option<Instant>,
    /// After a failure: how long the pause is, and when it is over.
    pause: Option<(Duration, Instant)>,
}

impl Job {
    /// Nothing is pushed yet: what is in the ring now is whole.
    pub(crate) fn new(
        maintenance: RingMaintenance,
        archive: Archive,
        settings: &Settings,
        spill: Option<Duration>,
    ) -> Self {
        Self {
            next_block: maintenance.ring().status().block + 1,
            scanned: 0,
            blocks: maintenance.unpersisted().into_iter().map(|found| (found.block, Block::default())).collect(),
            maintenance,
            archive,
            filing: Filing::new(settings.calendar.clone()),
            schema: settings.schema.clone(),
            late: settings.late,
            spill,
            spilled_at: Instant::now(),
            symbols: Vec::new(),
            flushed_before: i64::MIN,
            late_since: None,
            pause: None,
        }
    }

    fn run(&mut self, shared: &Shared) {
        loop {
            let (asked, closed_before, pressure, all, stop) = {
                let mut state = shared.lock();
                loop {
                    let due = state.asked > state.finished || state.stop;
                    // A pause after a failure is kept whatever else is wanted, but for a try that was asked for.
                    let paused = self.pause.map(|(_, until)| until.saturating_duration_since(Instant::now()));
                    let paused = paused.filter(|left| !left.is_zero());
                    let wanted = state.pressure || state.closed_before > self.flushed_before;
                    if due || (wanted && paused.is_none()) {
                        break;
                    }
                    let timeout = paused.unwrap_or_else(|| self.late.clamp(SHORTEST_LOOK, LONGEST_LOOK));
                    let (next, waited) =
                        shared.work.wait_timeout(state, timeout).unwrap_or_else(std::sync::PoisonError::into_inner);
                    state = next;
                    if waited.timed_out() && paused.is_none() {
                        break;
                    }
                }
                if let Some(ring) = state.successor.take() {
                    self.turn_to(ring);
                }
                let all = std::mem::take(&mut state.spill_all);
                (state.asked, state.closed_before, state.pressure, all, state.stop)
            };
            let now = asked > shared.lock().finished || stop;
            let tick = all || self.spill.is_some_and(|interval| stop || self.spilled_at.elapsed() >= interval);
            let outcome = self.pass(closed_before, Wanted { now, pressure, tick }, shared);
            self.show_waiting(shared);
            let mut state = shared.lock();
            state.pressure &= !pressure;
            state.finished = state.finished.max(asked);
            match outcome {
                Ok(()) => {
                    self.pause = None;
                    state.outcome = None;
                    state.status.last_error = None;
                }
                Err((day, error)) => {
                    let pause = self.pause.map_or(FIRST_PAUSE, |(pause, _)| (pause * 2).min(LONGEST_PAUSE));
                    self.pause = Some((pause, Instant::now() + pause));
                    // What was wanted is wanted still, after the pause.
                    state.pressure |= pressure;
                    state.spill_all |= all;
                    let error = error.to_string();
                    state.outcome = Some((day, error.clone()));
                    state.status.last_error = Some(Failure::after(state.status.last_error.as_ref(), Some(day), error));
                }
            }
            shared.done.notify_all();
            if state.stop && stop {
                return;
            }
        }
    }

    /// Goes on with the ring that took this one's place. A ring that could not be replaced is the same still.
    fn turn_to(&mut self, ring: RingMaintenance) {
        if !ring.is_same_ring(&self.maintenance) {
            self.maintenance = ring;
            self.blocks.clear();
            self.next_block = 1;
            self.symbols.clear();
        }
    }

    /// Looks at what is in the ring and archives what is due.
    fn pass(&mut self, closed_before: i64, wanted: Wanted, shared: &Shared) -> Result<(), (Date, Error)> {
        let Wanted { now, pressure, tick } = wanted;
        self.scan(self.maintenance.unpersisted());
        self.checksum(if now { usize::MAX } else { CHECKSUMS_AT_ONCE });
        let mut due = BTreeSet::new();
        let mut late = false;
        // Rows that come late are gathered until then.
        let gathered = now || pressure || self.late_since.is_some_and(|since| since.elapsed() >= self.late);
        let mut open = BTreeSet::new();
        for range in self.blocks.values().flat_map(|block| &block.ranges).filter(|range| !range.archived) {
            match range.day {
                day if day >= closed_before => drop(open.insert(day)),
                day if day >= self.flushed_before => drop(due.insert(day)),
                day => {
                    late = true;
                    if gathered {
                        due.insert(day);
                    }
                }
            }
        }
        due.extend(shared.lock().spilled.range(..closed_before));
        if !late {
            self.late_since = None;
        } else if self.late_since.is_none() {
            self.late_since = Some(Instant::now());
        }
        self.show_waiting(shared);
        // No file may have rows that the ring can lose: after a loss of power their numbers would be given out again. And no block may be
        // let go whose checksum is not on disk: after a loss of power nothing else tells it from a slot that was being used again.
        let done = self.blocks.values().find(|block| block.archived() && !block.may_go());
        let done = done.and_then(|block| block.ranges.last()).map(|range| range.day);
        let mut gathered_rows = None;
        if let Some(day) = due.first().or(open.first().filter(|_| pressure || tick)).copied().or(done) {
            gathered_rows = self.sync(due.first().copied()).map_err(|error| (date_from_epoch_days(day), error))?;
        }
        let mut failed = None;
        for day in due {
            let rows = gathered_rows.take().unwrap_or_else(|| self.gather(day, false));
            // One day's failure does not hold the others up.
            match self.archive_day(day, false, &rows) {
                Ok(written) => {
                    let mut state = shared.lock();
                    state.spilled.remove(&day);
                    state.status.files_written += u64::from(written);
                }
                Err(error) => failed = failed.or(Some((date_from_epoch_days(day), error))),
            }
            self.release(shared);
            self.show_waiting(shared);
        }
        if failed.is_none() {
            self.flushed_before = closed_before;
            if gathered {
                self.late_since = None;
            }
        }
        self.release(shared);
        // Closed days alone may not give a block back: then the open day's rows go to a part. Two archived blocks may be kept all the
        // same: the newest, and the one that the durable cursor names.
        let no_room = pressure && self.blocks.len() as u32 + 2 >= self.maintenance.ring().geometry().slots;
        if tick || (no_room && failed.is_none()) {
            let mut spilled = true;
            for day in open {
                let rows = self.gather(day, true);
                match self.archive_day(day, true, &rows) {
                    Ok(written) => {
                        let mut state = shared.lock();
                        state.spilled.insert(day);
                        state.status.parts_spilled += u64::from(written);
                    }
                    Err(error) => {
                        spilled = false;
                        failed = failed.or(Some((date_from_epoch_days(day), error)));
                    }
                }
            }
            if spilled {
                self.spilled_at = Instant::now();
            }
            self.release(shared);
        }
        failed.map_or(Ok(()), Err)
    }

    /// Computes the checksums of sealed blocks that have none, of `most` at a time: `verify` can tell a flipped bit in them from then on,
    /// also while they wait for their day's close.
    fn checksum(&mut self, most: usize) {
        for (&number, block) in
            self.blocks.iter_mut().filter(|(_, block)| block.sealed && !block.checksummed).take(most)
        {
            self.maintenance.seal_checksum(number);
            block.checksummed = true;
        }
    }

    /// Puts the ring on disk, the checksums of sealed blocks among it; meanwhile the rows of `day` are gathered.
    fn sync(&mut self, day: Option<i64>) -> Result<Option<RecordBatch>> {
        self.checksum(usize::MAX);
        let (synced, rows) = thread::scope(|scope| {
            let gather = || day.map(|day| self.gather(day, false));
            let gathering = day.and_then(|_| thread::Builder::new().spawn_scoped(scope, gather).ok());
            let synced = self.maintenance.sync();
            let rows = gathering.map(|thread| thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
            (synced, rows.flatten())
        });
        synced?;
        self.blocks.values_mut().for_each(|block| block.checksum_synced = block.sealed);
        Ok(rows)
    }

    /// Shows which closed days wait, as far as the ring was looked at.
    fn show_waiting(&self, shared: &Shared) {
        let mut state = shared.lock();
        let ranges = self.blocks.values().flat_map(|block| &block.ranges);
        let waiting = ranges.filter(|range| !range.archived && range.day < state.closed_before).map(|range| range.day);
        let waiting: BTreeSet<i64> = waiting.collect();
        state.status.days_waiting = waiting.into_iter().map(date_from_epoch_days).collect();
        state.noted.retain(|_, seq| *seq > self.scanned);
    }

    /// Files the rows that came since the last look by their days, in the order of their sequence numbers and without a gap: a file says
    /// up to which number it is complete.
    ///
    /// Slots are looked at one after another while the writer goes on. A block that was still filling, or not there yet, when its slot was
    /// looked at may be followed by one that was opened since: the look ends before it, the next one finds both.
    fn scan(&mut self, blocks: Vec<BlockRows>) {
        let mut frames = Vec::new();
        for found in blocks {
            if found.block > self.next_block {
                break;
            }
            self.next_block = self.next_block.max(found.block + 1);
            let block = self.blocks.entry(found.block).or_default();
            block.first_seq = found.first_seq;
            frames.clear();
            if !self.maintenance.frames(found.block, block.scanned, found.rows, &mut frames) {
                break;
            }
            // The seal was read before the rows: a sealed block's rows are all of them.
            block.sealed = found.sealed;
            self.scanned = self.scanned.max(block.first_seq + u64::from(block.scanned) + frames.len() as u64);
            for &frame_ms in &frames {
                let day = self.filing.day(frame_ms);
                let at = block.scanned;
                block.scanned += 1;
                match block.ranges.last_mut().filter(|last| last.day == day && !last.archived) {
                    Some(last) => last.to = block.scanned,
                    None => block.ranges.push(Range { day, from: at, to: block.scanned, archived: false }),
                }
            }
            if !found.sealed {
                break;
            }
        }
        self.name_symbols();
    }

    /// The rows of `day` that were scanned, or those of them that no part has.
    fn gather(&self, day: i64, spill: bool) -> RecordBatch {
        let wanted = |range: &&Range| range.day == day && !(spill && range.archived);
        let ranges =
            || self.blocks.iter().flat_map(|(&number, block)| block.ranges.iter().map(move |range| (number, range)));
        let count =
            ranges().filter(|(_, range)| wanted(range)).map(|(_, range)| (range.to - range.from) as usize).sum();
        let mut columns = Columns::new(count, self.schema.optional().len(), self.maintenance.ring().geometry().symbols);
        let mut rows = Vec::with_capacity(PIECE_ROWS as usize);
        // A part has what the parts before it do not have.
        for (number, range) in ranges().filter(|(_, range)| wanted(range)) {
            for from in (range.from..range.to).step_by(PIECE_ROWS as usize) {
                rows.clear();
                let whole = self.maintenance.rows(number, from, range.to.min(from + PIECE_ROWS), &mut rows);
                // Nobody lets a block go but this thread: a block that is gone is a bug, and no file may be written without it.
                assert!(whole, "block {number} left the ring before it was archived");
                columns.add(&rows);
            }
        }
        drop(rows);
        self.batch(columns)
    }

    /// Writes the rows of `day`, which were gathered since the last look at the ring, to its file, or to a part. True when a file was written.
    fn archive_day(&mut self, day: i64, spill: bool, rows: &RecordBatch) -> Result<bool> {
        let lineage = self.maintenance.ring().geometry().lineage;
        let through = self.scanned;
        let written = match spill {
            false => self.archive.write(date_from_epoch_days(day), rows, lineage, through)?.changed,
            true => self.archive.spill(date_from_epoch_days(day), rows, lineage, through)?.path.is_some(),
        };
        for range in self.blocks.values_mut().flat_map(|block| &mut block.ranges) {
            range.archived |= range.day == day;
        }
        Ok(written)
    }

    /// Lets the sealed blocks go whose rows are all archived.
    fn release(&mut self, shared: &Shared) {
        let done: Vec<u64> =
            self.blocks.iter().filter(|(_, block)| block.may_go()).map(|(&number, _)| number).collect();
        if done.is_empty() {
            return;
        }
        for number in done {
            self.maintenance.mark_persisted(number);
            self.blocks.remove(&number);
        }
        shared.lock().released += 1;
        shared.done.notify_all();
    }

    /// Looks up the symbols that the ring has got: all those of rows that were scanned are there.
    fn name_symbols(&mut self) {
        let ring = self.maintenance.ring();
        while (self.symbols.len() as u32) < ring.symbol_count() {
            let id = SymbolId(self.symbols.len() as u32);
            self.symbols.push(ring.symbol(id).unwrap_or_default());
        }
    }

    /// Rows as columns of the archive, with their sequence numbers.
    fn batch(&self, columns: Columns) -> RecordBatch {
        let names: Vec<&str> = columns
            .symbols
            .iter()
            .map(|symbol| self.symbols.get(symbol.0 as usize).map_or("", String::as_str))
            .collect();
        let keys = Int32Array::from(columns.keys);
        let symbol = DictionaryArray::<Int32Type>::new(keys, Arc::new(StringArray::from(names)));
        let frame = TimestampMillisecondArray::from(columns.frames).with_timezone(self.schema.zone());
        let price = |values: Vec<f64>| -> ArrayRef {
            match self.schema.price() {
                PriceType::Float64 => Arc::new(Float64Array::from(values)),
                PriceType::Float32 => {
                    Arc::new(Float32Array::from_iter_values(values.iter().map(|&value| value as f32)))
                }
            }
        };
        let names = self.schema.column_names().chain([barbus_bars::SEQ]);
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(symbol), Arc::new(frame)];
        arrays.extend(columns.prices.into_iter().map(price));
        arrays.push(Arc::new(Float64Array::from(columns.volumes)));
        for (k, values) in columns.optional.into_iter().enumerate() {
            let absent = columns.present.iter().any(|present| present >> k & 1 == 0);
            let nulls = absent.then(|| columns.present.iter().map(|present| present >> k & 1 == 1).collect());
            arrays.push(Arc::new(Float64Array::new(values.into(), nulls)));
        }
        arrays.push(Arc::new(UInt64Array::from(columns.seqs)));
        RecordBatch::try_from_iter(names.zip(arrays)).expect("every column has one value for each row")
    }
}

/// Rows that are turned into columns at a time: few enough to stay in the nearest caches.
const PIECE_ROWS: u32 = 2_048;

/// The columns of a day's rows, filled piece by piece: the day is not in memory as rows as well.
struct Columns {
    /// The symbols that occur, in the order in which they first do: the archive's own dictionary is theirs.
    symbols: Vec<SymbolId>,
    /// For each symbol of the ring its place among those, or -1.
    key_of: Vec<i32>,
    keys: Vec<i32>,
    frames: Vec<i64>,
    prices: [Vec<f64>; 4],
    volumes: Vec<f64>,
    optional: Vec<Vec<f64>>,
    present: Vec<u8>,
    seqs: Vec<u64>,
}

impl Columns {
    fn new(rows: usize, optional: usize, symbols: u32) -> Self {
        let values = || Vec::with_capacity(rows);
        Self {
            symbols: Vec::new(),
            key_of: vec![-1; symbols as usize + 1],
            keys: Vec::with_capacity(rows),
            frames: Vec::with_capacity(rows),
            prices: std::array::from_fn(|_| values()),
            volumes: values(),
            optional: (0..optional).map(|_| values()).collect(),
            present: Vec::with_capacity(rows),
            seqs: Vec::with_capacity(rows),
        }
    }

    fn add(&mut self, rows: &[Row]) {
        for row in rows {
            // One that the ring cannot have shares the last place, and has no text.
            let id = (row.symbol.0 as usize).min(self.key_of.len() - 1);
            if self.key_of[id] < 0 {
                self.key_of[id] = self.symbols.len() as i32;
                self.symbols.push(row.symbol);
            }
            self.keys.push(self.key_of[id]);
        }
        self.frames.extend(rows.iter().map(|row| row.frame_ms));
        let prices: [fn(&Row) -> f64; 4] = [|row| row.open, |row| row.high, |row| row.low, |row| row.close];
        for (values, price) in self.prices.iter_mut().zip(prices) {
            values.extend(rows.iter().map(price));
        }
        self.volumes.extend(rows.iter().map(|row| row.volume));
        for (k, values) in self.optional.iter_mut().enumerate() {
            values.extend(rows.iter().map(|row| row.optional[k]));
        }
        self.present.extend(rows.iter().map(|row| row.present));
        self.seqs.extend(rows.iter().map(|row| row.seq));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barbus_ring::{RingWriter, Spec, create};

    /// Promise 7: a listing that saw an older block before it was full, and a newer one after that, must not make a file say that it is
    /// complete up to the newer one.
    #[test]
    fn a_look_that_crossed_the_writer_leaves_no_gap() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bars.ring");
        create(&path, &Spec { blocks: 4, rows_per_block: 64, tip_rows: 64, ..Spec::default() }).unwrap();
        let mut writer = RingWriter::open(&path).unwrap();
        let symbol = writer.intern("A").unwrap();
        let schema = BarSchema::in_zone("UTC").unwrap();
        let archive = Archive::open(dir.path().join("archive"), schema, "24x7").unwrap();
        let settings = Settings::parse("calendar = \"24x7\"\n", "bus.toml".as_ref()).unwrap();
        let mut job = Job::new(writer.maintenance(), archive, &settings, None);
        writer.begin_day(1);
        for minute in 1..=150 {
            writer.push(&Row { symbol, frame_ms: minute * 60_000, ..Row::default() }).unwrap();
        }
        writer.write_back();
        let whole = writer.maintenance().unpersisted();
        let rows = |job: &Job| job.blocks.values().map(|block| block.scanned).collect::<Vec<_>>();

        let mut filling = whole.clone();
        (filling[0].rows, filling[0].sealed) = (10, false);
        job.scan(filling);
        assert_eq!(rows(&job), [10], "nothing behind a block that is not whole");
        let mut missing = whole.clone();
        missing.remove(1);
        job.scan(missing);
        assert_eq!(rows(&job), [64], "nothing behind a block that was not seen");
        job.scan(whole);
        assert_eq!(rows(&job), [64, 64, 22]);
    }
    /// Promise 3, after a loss of power: a block is let go only behind a sync that took its checksum along, also where all its rows were
    /// archived before it was sealed.
    #[test]
    fn a_block_whose_checksum_is_not_on_disk_is_not_let_go() {
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
        let shared = Shared { state: Mutex::default(), work: Condvar::new(), done: Condvar::new() };
        let waiting = |job: &Job| job.maintenance.unpersisted().iter().map(|block| block.block).collect::<Vec<_>>();
        job.scan(writer.maintenance().unpersisted());
        job.sync(None).unwrap();
        // The first block was sealed before that, the second after it.
        writer.close_day();
        job.scan(writer.maintenance().unpersisted());
        let rows = job.gather(0, false);
        job.archive_day(0, false, &rows).unwrap();
        job.release(&shared);
        assert_eq!(waiting(&job), [2]);
        assert!(job.blocks[&2].archived());
        job.sync(None).unwrap();
        job.release(&shared);
        assert_eq!(waiting(&job), [0; 0]);
    }
}
