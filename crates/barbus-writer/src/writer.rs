//! The writer of a bus: what a bar must pass on its way into the ring, and from there into the archive.
//!
//! The daemon is a socket before a [`Writer`]; a feed handler in Rust can hold one itself. There is one writer for a bus at a time, by a lock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use arrow::array::{Array, RecordBatch};
use barbus_archive::Archive;
use barbus_bars::{BarBatch, Date, Fault, PriceType};
use barbus_ring::{Price, Recovery, Ring, RingFull, RingWriter, Row, Spec, SymbolId, create};
use barbus_shm::{ShmError, WriterLock};
use jiff::Timestamp;

use crate::book::{Books, Standing, fingerprint};
use crate::filing::Filing;
use crate::flusher::{FlushWaiter, Flusher, Job};
use crate::normalize::{BatchNormalizer, Content, NormalizedBatch};
use crate::pulse::{Current, DurabilityWaiter, Pulse};
use crate::quarantine::Quarantine;
use crate::rate::Rate;
use crate::symbols::Symbols;

use barbus::internal::create_readers_folder;
use barbus::protocol::{Ack, AckMode, Stat};
use barbus::{Bus, Error, Result};
use barbus_bars::{date_from_epoch_days, epoch_days};
use barbus_shm::now_ns;

/// Rows that are published together: few enough to stay in the nearest cache, enough that the columns are written in runs.
const STAGE: usize = 128;

/// The pause after a ring could not be replaced.
const REPLACE_PAUSE: Duration = Duration::from_secs(1);

/// What became of a bar that was pushed.
#[derive(Debug, Clone, PartialEq)]
pub enum Pushed {
    /// Published, with its sequence number.
    Accepted(u64),
    /// There already with the same values; not published again.
    Duplicate,
    /// There with other values; published as a revision, with its sequence number.
    Revised(u64),
    /// Not a bar, for this reason; it is in the quarantine.
    Quarantined(Fault),
}

/// Rows of a batch that were handled, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ingested {
    /// What became of the rows handled by this call.
    pub ack: Ack,
    /// The row to go on with; the number of rows when the batch is done.
    pub next: usize,
    /// Every bar handled, duplicates included, has a sequence number below this one: what to wait for with a [`DurabilityWaiter`].
    pub through_seq: u64,
}

/// The one writer of a bus.
///
/// Dropping it ends it cleanly: what is committed is on disk, closed days have been tried to be archived.
///
/// ```
/// use barbus::{Bus, InitOptions};
/// use barbus_writer::{Pushed, Writer};
/// # let dir = tempfile::tempdir().unwrap();
/// let bus = Bus::init(&dir.path().join("bus"), &InitOptions { calendar: "XSHG".into(), ..Default::default() })?;
/// let mut writer = Writer::open(&bus)?;
/// let symbol = writer.symbol("600000.XSHG").unwrap();
/// let bar = barbus::Row {
///     symbol,
///     frame_ms: 1_720_056_660_000, // the end of the bar: 2024-07-04 09:31 in Shanghai
///     open: 8.0, high: 8.2, low: 7.9, close: 8.1, volume: 12_300.0,
///     ..Default::default()
/// };
/// assert_eq!(writer.push(&bar)?, Pushed::Accepted(0));
/// assert_eq!(writer.push(&bar)?, Pushed::Duplicate);
/// # Ok::<(), barbus::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    // Fields are dropped in this order: the threads end before the lock is given back.
    flusher: Flusher,
    pulse: Pulse,
    /// The ring that the pulse beats for.
    current: Current,
    ring: RingWriter,
    normalizer: BatchNormalizer,
    quarantine: Quarantine,
    books: Books,
    symbols: Symbols,
    filing: Filing,
    /// Days up to this one (days since 1970-01-01) are closed: their bars come late.
    closed_through: i64,
    /// Good rows on their way into the ring: the first `staged`, all of `staged_day`, as many as it has `room` for at most.
    stage: Box<[Row; STAGE]>,
    staged: usize,
    staged_day: Option<i64>,
    room: usize,
    /// After the ring could not be replaced: when it is tried again.
    replace_at: Option<Instant>,
    last_frame_ms: Option<i64>,
    last_received_ns: Option<i64>,
    /// When the open day was gone on with, of which only parts were left.
    reopened: Option<Timestamp>,
    counts: Ack,
    quarantined: BTreeMap<&'static str, u64>,
    rate: Rate,
    wakes: bool,
    bus: Bus,
    _lock: WriterLock,
}

impl Writer {
    /// Becomes the writer of `bus`: takes the lock, lays the ring out or takes it over, and starts the flusher.
    ///
    /// [`Error::Busy`] where another process is the writer.
    pub fn open(bus: &Bus) -> Result<Self> {
        let lock = WriterLock::acquire(&bus.lock()).map_err(|error| match error {
            ShmError::Held { pid, .. } => Error::Busy { bus: bus.path().to_owned(), pid },
            other => Error::Ring(other.into()),
        })?;
        let settings = bus.settings();
        if settings.ack == AckMode::Durable && bus.ring_is_volatile()? {
            let ring = bus.ring();
            let what = format!(
                "ingest.ack = \"durable\": the ring {} is on tmpfs and does not survive a loss of power",
                ring.display()
            );
            return Err(Error::Settings { path: bus.path().join("bus.toml"), what });
        }
        // Without it readers are not seen, and nothing else is amiss.
        let _ = create_readers_folder(&bus.readers());
        let spec = spec(bus);
        let path = bus.ring();
        if !path.exists() {
            create(&path, &spec)?;
        }
        let mut ring = RingWriter::open(&path)?;
        if !ring.ring().has_schema(&spec) {
            let what = format!(
                "[bars] has other columns than {}: close the day, archive it, and move the ring away",
                path.display()
            );
            return Err(Error::Settings { path: bus.path().join("bus.toml"), what });
        }
        let archive = Archive::open(bus.archive(), settings.schema.clone(), settings.calendar.name())?;

        // Other sizes are taken as soon as nothing in the ring is still needed.
        let all_archived = ring.day().is_none() && ring.all_persisted();
        if all_archived && !ring.ring().geometry().has_sizes_of(&spec) {
            ring.replace(&path, &spec)?;
        }

        let maintenance = ring.maintenance();
        let blocks = maintenance.blocks();
        let spilled: BTreeSet<i64> = archive.spilled_days()?.into_iter().map(epoch_days).collect();
        let mut closed_through = match ring.day() {
            Some(day) => day - 1,
            None => {
                let in_ring = blocks.iter().filter(|block| block.last_of_day).filter_map(|block| block.day).max();
                let in_archive = archive.days()?.last().copied().map(epoch_days);
                in_ring.max(in_archive).unwrap_or(i64::MIN + 1)
            }
        };
        // A day of which there are parts and nothing else was open when its ring was lost: it goes on.
        let reopened = spilled.last().copied().filter(|&day| ring.day().is_none() && day > closed_through);
        if let Some(day) = reopened {
            ring.begin_day(day);
            closed_through = day - 1;
        }
        let mut last = Vec::new();
        if let Some(newest) = blocks.iter().rev().find(|block| block.rows > 0) {
            maintenance.rows(newest.block, newest.rows - 1, newest.rows, &mut last);
        }
        let mut symbols = Symbols::default();
        for id in (0..ring.ring().symbol_count()).map(SymbolId) {
            if let Some(symbol) = ring.ring().symbol(id) {
                symbols.enter(&symbol, id);
            }
        }
        // The open day's bars are known before the first one comes, and before other threads take the processors.
        let mut books = Books::default();
        if let Some(day) = ring.day() {
            // New bars are taken while it is read.
            books.turn_to(day, || crate::loading::book(&mut ring, bus, &mut symbols, day))?;
        }
        let spill = bus.ring_is_volatile()?.then_some(settings.spill);
        let job = Job::new(ring.maintenance(), archive, settings, spill);
        let flusher = Flusher::start(job, closed_through.saturating_add(1), spilled);
        let current = Current::new(ring.maintenance());
        Ok(Self {
            flusher,
            pulse: {
                let beating = current.clone();
                Pulse::start(current.clone(), move |now_ns| beating.beat(now_ns), settings.sync)
            },
            current,
            normalizer: BatchNormalizer::new(bus),
            quarantine: Quarantine::new(bus.quarantine()),
            books,
            symbols,
            filing: Filing::new(settings.calendar.clone()),
            closed_through,
            stage: Box::new([Row::default(); STAGE]),
            staged: 0,
            staged_day: None,
            room: 0,
            replace_at: None,
            last_frame_ms: last.first().map(|row| row.frame_ms),
            reopened: reopened.map(|_| Timestamp::now()),
            last_received_ns: last.first().map(|row| row.received_ns),
            counts: Ack::default(),
            quarantined: BTreeMap::new(),
            rate: Rate::default(),
            wakes: true,
            bus: bus.clone(),
            ring,
            _lock: lock,
        })
    }

    /// What was found in the ring when it was taken over.
    pub fn recovery(&self) -> &Recovery {
        self.ring.recovery()
    }

    /// The bus that is written.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Whether `bus.toml` asks for a ring of other sizes: it is made when the bus is opened and every day in the ring is closed and archived.
    pub fn ring_is_outdated(&self) -> bool {
        !self.ring.ring().geometry().has_sizes_of(&spec(&self.bus))
    }

    /// The trading day that is open.
    pub fn day(&self) -> Option<Date> {
        self.ring.day().map(date_from_epoch_days)
    }

    /// Whether commits wake readers that sleep (default). Without it a commit makes no system call, and readers must spin.
    pub fn set_wakes(&mut self, wakes: bool) {
        self.wakes = wakes;
    }

    /// The id of a symbol, for [`Writer::push`]; it is added to the bus where it is new.
    pub fn symbol(&mut self, symbol: &str) -> Result<SymbolId, Fault> {
        if let Some(id) = self.symbols.get(symbol) {
            return Ok(id);
        }
        if symbol.is_empty() {
            return Err(Fault::EmptySymbol);
        }
        if symbol.len() > barbus_bars::MAX_SYMBOL_BYTES {
            return Err(Fault::LongSymbol);
        }
        let capacity = self.ring.ring().geometry().symbols as usize;
        let id = self.ring.intern(symbol).map_err(|_| Fault::SymbolTableFull { capacity })?;
        self.symbols.enter(symbol, id);
        Ok(id)
    }

    /// Publishes one bar; every reader sees it when this returns. `seq`, `revision` and `received_ns` of `row` are set here.
    ///
    /// Waits where the ring has no free block, until the flusher has made one.
    pub fn push(&mut self, row: &Row) -> Result<Pushed> {
        let received_ns = now_ns();
        if let Some(fault) = self.fault(row) {
            return self.refuse(row, fault);
        }
        // The stage is empty, rows stay there for no longer than a batch is taken; what room there was for others is taken now.
        self.room = 0;
        while self.staged_day != Some(self.filing.day(row.frame_ms)) || self.ring.block_is_full() {
            if !self.ready_for(row.frame_ms)? {
                self.wait_for_room();
            }
            self.room = 0;
        }
        let standing = self.books.current().standing(row.symbol, row.frame_ms, || fingerprint(row));
        let revision = match standing {
            Standing::Duplicate => return Ok(Pushed::Duplicate),
            Standing::New => 0,
            Standing::Revision(number) => number,
        };
        let seq = self.ring.push(&Row { received_ns, revision, ..*row }).expect("the block is not full");
        // Readers have it: what is remembered of it does not keep them waiting.
        self.books.current().enter(row.symbol, row.frame_ms, fingerprint(row), revision);
        self.appended(row.frame_ms);
        self.committed(received_ns);
        Ok(if standing == Standing::New { Pushed::Accepted(seq) } else { Pushed::Revised(seq) })
    }

    /// What is wrong with a row that was pushed, if anything.
    #[inline]
    fn fault(&self, row: &Row) -> Option<Fault> {
        let settings = self.bus.settings();
        if row.frame_ms.rem_euclid(self.ring.ring().geometry().interval_ms.into()) != 0 {
            return Some(Fault::OffInterval);
        }
        let fault = settings.rules.check([row.open, row.high, row.low, row.close], row.volume);
        if fault.is_some() {
            return fault;
        }
        let optional = settings.schema.optional().iter().enumerate();
        let mut wrong = optional.filter(|(k, _)| row.optional(*k).is_some_and(|value| !value.is_finite()));
        wrong.next().map(|(_, column)| Fault::NotFinite { column: column.clone() })
    }

    #[cold]
    fn refuse(&mut self, row: &Row, fault: Fault) -> Result<Pushed> {
        let raw = self.as_batch(row);
        self.quarantine.keep(&raw, &[(0, fault.clone())], "writer", 0, Timestamp::now())?;
        self.count_quarantined(&fault, 1);
        Ok(Pushed::Quarantined(fault))
    }

    /// Publishes a batch of any columns that can be cast to bars, and waits where the ring is full until all of it is committed.
    pub fn publish(&mut self, batch: RecordBatch) -> Result<Ack> {
        let incoming = self.normalizer.normalize(batch, "writer", 0)?;
        let mut ack = Ack::default();
        let mut next = 0;
        loop {
            let taken = self.ingest(&incoming, next)?;
            ack += taken.ack;
            next = taken.next;
            if next >= incoming.rows() {
                return Ok(ack);
            }
            self.wait_for_room();
        }
    }

    /// Casts batches for [`Writer::ingest`], also in another thread: one for each producer.
    pub fn normalizer(&self) -> BatchNormalizer {
        self.normalizer.clone()
    }

    /// Takes the rows of a batch from `from` on, as many as the ring has room for; it never waits.
    ///
    /// What is counted in the acknowledgement is committed. Where `next` is less than the number of rows the ring is full: call again
    /// with it after a moment. On an error the rows before stay committed; sending them again makes duplicates, which are harmless.
    pub fn ingest(&mut self, incoming: &NormalizedBatch, from: usize) -> Result<Ingested> {
        let now = Timestamp::now();
        let rows = incoming.rows();
        let mut ack = Ack::default();
        match &incoming.bars {
            Content::Rejected => {
                let kept = self.quarantine.keep_rejected(&incoming.raw, &incoming.source, now)?;
                self.count_quarantined(&Fault::Rejected { reason: String::new() }, kept);
                ack.quarantined = kept;
            }
            Content::Faulty(fault) => {
                let faults: Vec<_> = (0..rows).map(|row| (row, fault.clone())).collect();
                self.keep(incoming, &faults, now)?;
                ack.quarantined = rows as u64;
            }
            Content::Bars(bars) => return self.ingest_bars(incoming, bars, from, now),
        }
        ack.rows = ack.quarantined;
        self.counts += ack;
        Ok(Ingested { ack, next: rows, through_seq: 0 })
    }

    fn ingest_bars(
        &mut self,
        incoming: &NormalizedBatch,
        bars: &BarBatch,
        from: usize,
        now: Timestamp,
    ) -> Result<Ingested> {
        let mut ack = Ack::default();
        let (keys, frames, faults) = (bars.symbol_keys(), bars.frames_ms(), bars.faults());
        let (open, high, low) = (bars.open(), bars.high(), bars.low());
        let (close, volume) = (bars.close(), bars.volume());
        let received_ns = now.as_nanosecond() as i64;
        let optional: Vec<_> = (0..bars.schema().optional().len()).map(|k| bars.optional(k)).collect();
        let mut ids = self.symbols.ids_of(bars.symbols());
        let mut without_room: Vec<(usize, Fault)> = Vec::new();
        let first_fault = faults.partition_point(|(row, _)| *row < from);
        let mut next_fault = first_fault;
        let mut row = from;
        while row < bars.len() {
            if faults.get(next_fault).is_some_and(|(faulty, _)| *faulty == row) {
                next_fault += 1;
                row += 1;
                continue;
            }
            let key = keys[row] as usize;
            let symbol = match ids[key] {
                Some(id) => id,
                None => match self.symbol(bars.symbols().value(key)) {
                    Ok(id) => *ids[key].insert(id),
                    Err(fault) => {
                        without_room.push((row, fault));
                        row += 1;
                        continue;
                    }
                },
            };
            if !self.ready_for(frames[row])? {
                break;
            }
            // Field by field into its place: a row that is built elsewhere and copied is read before its stores are done, and waits for them.
            let bar = &mut self.stage[self.staged];
            bar.symbol = symbol;
            bar.frame_ms = frames[row];
            bar.open = open[row];
            bar.high = high[row];
            bar.low = low[row];
            bar.close = close[row];
            bar.volume = volume[row];
            bar.received_ns = received_ns;
            bar.present = 0;
            for (k, column) in optional.iter().enumerate() {
                let present = column.is_valid(row);
                bar.optional[k] = if present { column.value(row) } else { 0.0 };
                bar.present |= u8::from(present) << k;
            }
            match self.stage() {
                Standing::New => ack.accepted += 1,
                Standing::Revision(_) => ack.revised += 1,
                Standing::Duplicate => ack.duplicate += 1,
            }
            row += 1;
        }
        self.symbols.keep(bars.symbols(), ids);
        if ack.accepted + ack.revised > 0 {
            self.publish_staged();
            self.committed(received_ns);
            ack.seq = Some(self.ring.next_seq() - 1);
        }
        // Those that this call came past: a call that found the ring full is followed by another.
        for faults in [&faults[first_fault..next_fault], without_room.as_slice()] {
            if !faults.is_empty() {
                self.keep(incoming, faults, now)?;
                ack.quarantined += faults.len() as u64;
            }
        }
        ack.rows = ack.accepted + ack.duplicate + ack.revised + ack.quarantined;
        self.counts += ack;
        self.rate.count(now.as_second(), ack.accepted + ack.revised);
        Ok(Ingested { ack, next: row, through_seq: self.ring.next_seq() })
    }

    /// Makes ready for a row that ends at `frame_ms`: turns to its day, and sees to a free place in the stage. False where the ring is full.
    #[inline(always)]
    fn ready_for(&mut self, frame_ms: i64) -> Result<bool> {
        let day = self.filing.day(frame_ms);
        if self.staged_day != Some(day) {
            self.turn_to(day)?;
        }
        if self.staged == self.room {
            self.publish_staged();
            if self.ring.block_is_full() {
                // Another block may take the place of one that a book is still read from.
                self.books.finish_loading();
            }
            match self.ring.reserve_rows() {
                Ok(room) => self.room = room.min(STAGE),
                Err(full) => {
                    self.make_room(full);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The ring has no free block: the flusher archives what it can, and spills what it must. Once all of it is archived, and what could be used
    /// again is held by readers, the ring goes on in a new file: nobody waits for a reader.
    #[cold]
    fn make_room(&mut self, full: RingFull) {
        if full.pinned == 0 {
            return self.flusher.press(false);
        }
        self.ring.seal_full_block();
        if !self.ring.all_persisted() {
            return self.flusher.press(true);
        }
        if self.replace_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let mut spec = spec(&self.bus);
        // The symbols keep their ids.
        let old = self.ring.ring().geometry();
        (spec.symbols, spec.symbol_bytes) = (spec.symbols.max(old.symbols), spec.symbol_bytes.max(old.symbol_bytes));
        let replaced = self.ring.replace(&self.bus.ring(), &spec);
        self.replace_at = replaced.is_err().then(|| Instant::now() + REPLACE_PAUSE);
        self.flusher
            .turn_to(self.ring.maintenance(), replaced.map_err(|error| (self.closed_through + 1, error.into())));
        self.current.turn_to(self.ring.maintenance());
    }

    /// Compares the row that was written to the free place with what is there, and stages it where it is new, to be published by
    /// [`Writer::publish_staged`].
    #[inline]
    fn stage(&mut self) -> Standing {
        let row = &mut self.stage[self.staged];
        let print = fingerprint(row);
        let book = self.books.current();
        let standing = book.standing(row.symbol, row.frame_ms, || print);
        row.revision = match standing {
            Standing::Duplicate => return standing,
            Standing::New => 0,
            Standing::Revision(number) => number,
        };
        book.enter(row.symbol, row.frame_ms, print, row.revision);
        self.staged += 1;
        standing
    }

    /// The next row is of another day: what is staged goes first, the first bar of a later day closes the day before it, and the day's book
    /// is opened.
    #[cold]
    fn turn_to(&mut self, day: i64) -> Result<()> {
        self.publish_staged();
        if self.ring.day() != Some(day) && day > self.ring.day().unwrap_or(self.closed_through) {
            self.close_day();
            self.ring.begin_day(day);
            self.closed_through = day - 1;
            self.flusher.close_before(day);
        }
        let Self { books, ring, bus, symbols, .. } = self;
        books.turn_to(day, || crate::loading::book(ring, bus, symbols, day))?;
        self.staged_day = Some(day);
        Ok(())
    }

    /// Publishes what is staged: every reader sees it when this returns.
    #[inline]
    fn publish_staged(&mut self) {
        self.room = 0;
        let rows = &mut self.stage[..std::mem::take(&mut self.staged)];
        let Some(last) = rows.last() else { return };
        let last_frame_ms = last.frame_ms;
        self.ring.append(rows);
        self.appended(last_frame_ms);
    }

    /// Rows of the day that was turned to are in the ring.
    #[inline]
    fn appended(&mut self, last_frame_ms: i64) {
        self.last_frame_ms = Some(last_frame_ms);
        if let Some(day) = self.staged_day.filter(|&day| self.ring.day() != Some(day)) {
            self.flusher.note(day, self.ring.next_seq());
        }
    }

    #[inline]
    fn committed(&mut self, received_ns: i64) {
        self.ring.write_back();
        if self.wakes {
            self.ring.wake();
        }
        self.last_received_ns = Some(received_ns);
    }

    /// When the last bar came.
    fn last_received(&self) -> Option<Timestamp> {
        self.last_received_ns.and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok())
    }

    /// Closes the open trading day: readers see the close, the flusher archives the day. The day, where one with bars was open.
    pub fn close_day(&mut self) -> Option<Date> {
        // The next row looks anew which day it opens.
        self.staged_day = None;
        let Some(day) = self.ring.day() else {
            // Late rows since the last close ride in a block of no day: it need not stay open for more of them.
            self.ring.close_day();
            return None;
        };
        let in_ring = self.ring.close_day();
        let had_bars = in_ring || self.flusher.has_spilled(day);
        if had_bars && !in_ring {
            // Its bars are in parts, and none is in the file that the ring went on in; a full one says nothing.
            self.books.finish_loading();
            let _ = self.ring.close_day_without_rows(day);
        }
        if had_bars {
            self.flusher.note(day, self.ring.next_seq());
        }
        self.closed_through = self.closed_through.max(day);
        self.flusher.close_before(self.closed_through + 1);
        if had_bars && self.wakes {
            self.ring.wake();
        }
        had_bars.then(|| date_from_epoch_days(day))
    }

    /// Closes the open day where its time has come: the grace after its last session, and after the last bar that came.
    pub fn close_by_clock(&mut self, now: Timestamp) -> Option<Date> {
        let day = self.ring.day()?;
        // The last bar may have been a late one: an instant of that date tells the span of the open day.
        let calendar = &self.bus.settings().calendar;
        let noon = date_from_epoch_days(day).at(12, 0, 0, 0).to_zoned(calendar.zone().clone()).ok()?;
        let span = calendar.trading_day(noon.timestamp().as_millisecond());
        let close = Timestamp::from_millisecond(span.close_ms).ok()?;
        let from = close.max(self.last_received().unwrap_or(close)).max(self.reopened.unwrap_or(close));
        let due = now.duration_since(from) >= jiff::SignedDuration::try_from(self.bus.settings().grace).ok()?;
        if due { self.close_day() } else { None }
    }

    /// Waits for the archive, also from another thread.
    pub fn flush_waiter(&self) -> FlushWaiter {
        self.flusher.waiter()
    }

    /// Waits for the disk, also from another thread: what was pushed is durable when [`DurabilityWaiter::wait`] of
    /// [`Writer::next_seq`] says so.
    pub fn durability_waiter(&self) -> DurabilityWaiter {
        self.pulse.waiter()
    }

    /// The sequence number of the next row.
    pub fn next_seq(&self) -> u64 {
        self.ring.next_seq()
    }

    /// Has every closed day archived now, and waits for it: one try.
    pub fn flush(&self) -> Result<()> {
        self.flusher.waiter().flush()
    }

    /// How the bus is.
    pub fn stat(&mut self, now: Timestamp) -> Stat {
        let mut stat = Stat::from_files(self.ring.ring(), &self.bus);
        let flush = self.flusher.status();
        stat.pid = Some(std::process::id());
        stat.day = self.day();
        stat.rate = Some(self.rate.per_second(now.as_second()));
        stat.accepted = Some(self.counts.accepted);
        stat.duplicates = Some(self.counts.duplicate);
        stat.revisions = Some(self.counts.revised);
        stat.quarantined = self.quarantined.iter().map(|(&code, &count)| (code.to_owned(), count)).collect();
        stat.last_frame = self.last_frame_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        stat.last_received = self.last_received();
        stat.last_age_s = stat.last_received.map(|at| now.duration_since(at).as_secs_f64().max(0.0));
        stat.days_waiting = flush.days_waiting;
        stat.last_flush_error_at = flush.last_error.as_ref().map(|failure| failure.at);
        stat.last_flush_error = flush.last_error.map(|failure| failure.to_string());
        let sync = self.pulse.waiter().last_error();
        stat.last_sync_error_at = sync.as_ref().map(|failure| failure.at);
        stat.last_sync_error = sync.map(|failure| failure.to_string());
        stat
    }

    fn wait_for_room(&self) {
        self.flusher.wait_for_room(Duration::from_millis(100));
    }

    fn keep(&mut self, incoming: &NormalizedBatch, faults: &[(usize, Fault)], now: Timestamp) -> Result<()> {
        self.quarantine.keep(&incoming.raw, faults, &incoming.source, incoming.first_row, now)?;
        for (_, fault) in faults {
            self.count_quarantined(fault, 1);
        }
        Ok(())
    }

    fn count_quarantined(&mut self, fault: &Fault, rows: u64) {
        *self.quarantined.entry(fault.code()).or_default() += rows;
    }

    /// A pushed row as a batch, for the quarantine.
    fn as_batch(&self, row: &Row) -> RecordBatch {
        use std::sync::Arc;
        let schema = &self.bus.settings().schema;
        let symbol = self.ring.ring().symbol(row.symbol).unwrap_or_default();
        let frame = arrow::array::TimestampMillisecondArray::from(vec![row.frame_ms]).with_timezone(schema.zone());
        let mut columns: Vec<arrow::array::ArrayRef> =
            vec![Arc::new(arrow::array::StringArray::from(vec![symbol])), Arc::new(frame)];
        let numbers = [row.open, row.high, row.low, row.close, row.volume].map(Some);
        let optional = (0..schema.optional().len()).map(|k| row.optional(k));
        for value in numbers.into_iter().chain(optional) {
            columns.push(Arc::new(arrow::array::Float64Array::from(vec![value])));
        }
        RecordBatch::try_from_iter(schema.column_names().zip(columns)).expect("every column has one row")
    }
}

/// The ring that the settings of `bus` ask for.
fn spec(bus: &Bus) -> Spec {
    use std::hash::{BuildHasher, Hasher};
    let settings = bus.settings();
    Spec {
        zone: settings.schema.zone().to_owned(),
        price: match settings.schema.price() {
            PriceType::Float64 => Price::Float64,
            PriceType::Float32 => Price::Float32,
        },
        optional: settings.schema.optional().to_vec(),
        rows_per_block: settings.rows_per_block,
        symbols: settings.symbols,
        symbol_bytes: settings.symbols.saturating_mul(24),
        tip_rows: settings.tip_rows,
        // A random number: std's hasher is seeded by the system.
        lineage: std::hash::RandomState::new().build_hasher().finish(),
        created_ns: now_ns(),
        ..Spec::default()
    }
    .with_file_bytes(settings.ring_bytes)
}

impl Writer {
    /// The ring, for whoever wants to look at it.
    pub fn ring(&self) -> &Ring<impl barbus_shm::Memory + use<>> {
        self.ring.ring()
    }
}
