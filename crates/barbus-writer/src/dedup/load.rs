//! Loads the bars of a day from the archive and the ring into an index.
//!
//! The ring is read by threads, while the writer already takes new bars. So is the archive, for a
//! day that is closed: a big day takes longer to read than a live bar may wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, Scope};

use barbus::internal::ArchivedRows;
use barbus::protocol::Stat;
use barbus::{Bus, RemovedDay, Result};
use barbus_archive::{Archive, DayVersion};
use barbus_bars::{Calendar, Date, date_from_epoch_days, epoch_days};
use barbus_ring::{BlockRows, RingMaintenance, RingWriter, Row, SymbolId};

use crate::background;
use crate::dedup::DedupIndex;
use crate::dedup::day_index::{BarStatus, DayIndex};
use crate::dedup::fingerprint::fingerprint;
use crate::recalendar::renumbered;
use crate::symbols::SymbolIds;
use crate::trading_day::{CurrentCalendar, TradingDayCache};
use crate::withdrawals::{DayFilter, Withdrawals};

/// Limit on the threads that read the ring for one index.
const MAX_THREADS: usize = 4;
/// Blocks that such a thread reads ahead.
const BLOCKS_AHEAD: usize = 4;
/// Rows that are copied at once: few enough to stay in the L1 cache.
const ROWS_AT_ONCE: u32 = 256;

/// Makes the index of `day` from the archive and the ring.
///
/// The archive is read first.
/// A row that is archived meanwhile is still in the ring, because only the writer reuses blocks,
/// and none that an index has yet to read ([`crate::dedup::DedupIndex::oldest_unread`]).
pub(crate) fn load_day(
    ring: &mut RingWriter,
    bus: &Bus,
    symbols: &mut SymbolIds,
    withdrawals: &Withdrawals,
    day: i64,
) -> Result<DayIndex> {
    let loader = DayLoader::new(bus, CurrentCalendar::new(bus.settings().calendar.clone()));
    let late = loader.load(date_from_epoch_days(day)).with_ring(ring, bus, symbols, withdrawals);
    let (index, source) = late.into_parts();
    if source.blocks.is_empty() {
        return Ok(index);
    }
    // A bar above its symbol's highest frame is new, whatever the threads find.
    // Rows of other days only raise that frame, which is safe.
    let mut last_ms = index.last_frames().to_vec();
    last_ms.resize(last_ms.len().max(ring.ring().symbol_count() as usize), i64::MIN);
    for block in &source.blocks {
        source.maintenance.raise_last_frames(block.block, block.rows, &mut last_ms);
    }
    Ok(DayIndex::loading(last_ms, source.unread.clone(), move || source.load_with_threads(index)))
}

/// Reads the bars of closed days from the archive. It may be used in another thread than the
/// writer, which meanwhile publishes other bars.
#[derive(Debug, Clone)]
pub struct DayLoader {
    bus: Bus,
    calendar: CurrentCalendar,
}

/// The archived bars of a day, for [`crate::Writer::begin_late_day`].
#[derive(Debug)]
pub struct ArchivedDay {
    pub(crate) day: i64,
    /// Which files were read; `None` for a date whose files cannot be listed.
    versions: Vec<Option<DayVersion>>,
    /// The bars, by the index of their symbol in `symbols`.
    index: DayIndex,
    symbols: Vec<String>,
    /// The archive has every row of this lineage below this number.
    lineage: u64,
    through: u64,
}

/// The archived bars of a day, and the part of the day that is to be read from the ring.
#[derive(Debug)]
pub struct LateDay {
    archived: ArchivedDay,
    /// The id that each of its symbols has in the ring.
    ids: Vec<Option<SymbolId>>,
    ring: RingSource,
}

/// The bars of a closed day that the bus has, for [`crate::Writer::end_late_day`].
#[derive(Debug)]
pub struct LoadedDay {
    pub(crate) day: i64,
    pub(crate) index: DayIndex,
    pub(crate) unread: Arc<AtomicU64>,
}

impl DayLoader {
    pub(crate) fn new(bus: &Bus, calendar: CurrentCalendar) -> Self {
        Self { bus: bus.clone(), calendar }
    }

    /// Reads the day's bars.
    ///
    /// An unreadable archive does not stop the bus: the ring's rows are known, and the archive
    /// itself keeps each bar once. The flusher meets the same failure and reports it.
    pub(crate) fn load(&self, day: Date) -> ArchivedDay {
        let day = epoch_days(day);
        let (index, symbols) = (DayIndex::default(), Vec::new());
        let versions = self.versions(day);
        let mut archived = ArchivedDay { day, versions, index, symbols, lineage: 0, through: 0 };
        let mut known = HashMap::new();
        for date in self.dates(day) {
            if let Ok(Some((meta, rows))) = self.archive().read(date_from_epoch_days(date)) {
                archived.insert(&ArchivedRows::new(&rows, &self.bus.settings().schema), &mut known);
                if date == day {
                    (archived.lineage, archived.through) = (meta.lineage, meta.through_seq);
                }
            }
        }
        archived
    }

    /// Reads the day's bars on a thread of low priority: live bars of other threads go first.
    pub fn load_in_background(&self, day: Date) -> ArchivedDay {
        background::run(|| self.load(day))
    }

    /// The dates whose files have bars of `day`: itself, and those that have them by an older
    /// calendar. Dates before it were trading days and are none by now; the trading day after it
    /// has its bars if the day was a holiday.
    fn dates(&self, day: i64) -> impl Iterator<Item = i64> {
        let calendar = self.calendar.get();
        let after = self.file_after(&calendar, date_from_epoch_days(day));
        let before = (1..).map(move |days| day - days).take_while(move |&date| renumbered(&calendar, date) == day);
        std::iter::once(day).chain(after).chain(before)
    }

    /// The trading day after `day` if its file begins with bars of `day` or an earlier one.
    fn file_after(&self, calendar: &Calendar, day: Date) -> Option<i64> {
        if !calendar.days_begin_in_evening() {
            return None;
        }
        let next = calendar.next_trading_day(day.tomorrow().ok()?);
        let (first_ms, _) = self.archive().frames_ms(next).ok()??;
        (first_ms <= calendar.span_of_date(day).1).then(|| epoch_days(next))
    }

    /// Adds to the state of the bus what the files of its archive and of its quarantine show.
    pub fn add_folders(&self, stat: &mut Stat) {
        stat.add_folders(&self.bus);
        // Such a day lacks nothing.
        let removed = RemovedDay::without_file(&self.bus).unwrap_or_default();
        stat.days.retain(|day| !removed.contains(&day.day));
        let archive = self.archive();
        for day in &mut stat.days {
            let dates = self.dates(epoch_days(day.day)).map(date_from_epoch_days);
            // A file that cannot be read has no bars that anybody could use.
            day.archived = dates.map(|date| archive.meta(date).ok().flatten().map_or(0, |meta| meta.rows)).sum();
        }
    }

    /// Which files the day has.
    fn versions(&self, day: i64) -> Vec<Option<DayVersion>> {
        let archive = self.archive();
        self.dates(day).map(|date| archive.version(date_from_epoch_days(date)).ok()).collect()
    }

    fn archive(&self) -> Archive {
        self.bus.open_archive()
    }
}

impl ArchivedDay {
    /// Whether the archive still has what was read.
    pub(crate) fn is_current(&self, bus: &Bus) -> bool {
        let calendar = CurrentCalendar::new(bus.settings().calendar.clone());
        DayLoader::new(bus, calendar).versions(self.day) == self.versions
    }

    /// Inserts the bars of a file. `known` has the index of each symbol.
    fn insert(&mut self, rows: &ArchivedRows, known: &mut HashMap<String, u32>) {
        let frames_ms = rows.frames_ms();
        self.index.reserve(frames_ms);
        let mut row = Row::default();
        let mut last = None;
        for number in 0..frames_ms.len() {
            let symbol = rows.symbol(number);
            // A file is sorted by symbol.
            if last != Some(symbol) {
                row.symbol = SymbolId(*known.entry(symbol.to_owned()).or_insert_with(|| {
                    self.symbols.push(symbol.to_owned());
                    self.symbols.len() as u32 - 1
                }));
                last = Some(symbol);
            }
            rows.copy_row(number, &mut row);
            self.index.insert_row(&row);
        }
    }

    /// Finds the part of the day that is to be read from the ring, and gives the symbols of the
    /// archived bars their ids.
    pub(crate) fn with_ring(
        self,
        ring: &mut RingWriter,
        bus: &Bus,
        symbols: &mut SymbolIds,
        withdrawals: &Withdrawals,
    ) -> LateDay {
        let intern = |symbol: &String| {
            symbols.get(symbol).or_else(|| {
                let id = ring.intern(symbol).ok();
                match id {
                    Some(id) => symbols.insert(symbol, id),
                    None => symbols.is_missing = true,
                }
                id
            })
        };
        // If the symbol table is full, new bars of further symbols are quarantined anyway. When the
        // table is enlarged, the index is loaded again.
        let ids = self.symbols.iter().map(intern).collect();
        let (maintenance, day, calendar) = (ring.maintenance(), self.day, &bus.settings().calendar);
        let mut blocks = maintenance.blocks();
        // A row is appended while its day is open, or late: to a block of a later day or of no day.
        // So there is nothing to read for a day that has just begun.
        // After a change of the calendar, a block may have the date of a day that is now a holiday.
        let is_late = |of: i64| of >= day || renumbered(calendar, of) >= day;
        blocks.retain(|block| block.rows > 0 && block.day.is_none_or(is_late));
        let lineage = ring.ring().geometry().lineage;
        let through = if self.lineage == lineage { self.through } else { 0 };
        let withdrawn = withdrawals.of_day(lineage, day, |symbol| symbols.get(symbol));
        let unread = Arc::new(AtomicU64::new(oldest(&blocks)));
        let ring = RingSource { maintenance, blocks, unread, calendar: calendar.clone(), day, through, withdrawn };
        LateDay { archived: self, ids, ring }
    }
}

impl LateDay {
    /// Keeps the blocks of the ring that are to be read.
    pub(crate) fn begin(self, dedup: &mut DedupIndex) -> Self {
        dedup.begin_load(self.archived.day, &self.ring.unread);
        self
    }

    /// The index of the archived bars, and the part that is to be read from the ring.
    fn into_parts(self) -> (DayIndex, RingSource) {
        (self.archived.index.renumbered(&self.ids), self.ring)
    }

    /// Reads the part of the day that is in the ring.
    pub(crate) fn load(self) -> LoadedDay {
        let day = self.archived.day;
        let (index, source) = self.into_parts();
        LoadedDay { day, index: source.load(index), unread: source.unread }
    }

    /// Reads the part of the day that is in the ring on a thread of low priority: live bars of
    /// other threads go first.
    pub fn load_in_background(self) -> LoadedDay {
        background::run(|| self.load())
    }
}

/// The part of a day that is read from the ring.
#[derive(Debug)]
struct RingSource {
    maintenance: RingMaintenance,
    /// Oldest first.
    blocks: Vec<BlockRows>,
    /// The oldest of them that has yet to be read; `u64::MAX` if there is none.
    unread: Arc<AtomicU64>,
    calendar: Calendar,
    day: i64,
    /// The archive has every row below this sequence number.
    through: u64,
    withdrawn: DayFilter,
}

/// What the index stores of a row, and the row's sequence number.
struct LoadedRow {
    seq: u64,
    symbol: SymbolId,
    frame_ms: i64,
    fingerprint: u64,
    revision: u8,
}

/// The number of the first of `blocks`; `u64::MAX` without one.
fn oldest(blocks: &[BlockRows]) -> u64 {
    blocks.first().map_or(u64::MAX, |block| block.block)
}

impl RingSource {
    /// Inserts the day's rows in the order of the ring.
    fn load(&self, mut index: DayIndex) -> DayIndex {
        let mut days = TradingDayCache::new(self.calendar.clone());
        for number in 0..self.blocks.len() {
            let rows = self.rows_of(&self.blocks[number], &mut days);
            self.insert(number, rows, &mut index);
        }
        index
    }

    /// The same for a day whose bars are waited for. Several threads read the ring, each every n-th
    /// block, and this thread inserts their rows.
    fn load_with_threads(&self, mut index: DayIndex) -> DayIndex {
        let processors = thread::available_parallelism().map_or(1, |count| count.get());
        let threads = processors.min(MAX_THREADS).min(self.blocks.len());
        thread::scope(|scope| {
            let loaded: Vec<_> = (0..threads).map(|first| self.spawn(scope, first, threads)).collect();
            for number in 0..self.blocks.len() {
                let rows = loaded[number % threads].recv().expect("a thread sends all of its blocks");
                self.insert(number, rows, &mut index);
            }
        });
        index
    }

    /// Inserts the rows of a block, which may be reused from now on.
    fn insert(&self, number: usize, rows: Vec<LoadedRow>, index: &mut DayIndex) {
        self.unread.store(oldest(&self.blocks[number + 1..]), Ordering::Release);
        for LoadedRow { seq, symbol, frame_ms, fingerprint, revision } in rows {
            if seq >= self.through || index.status(symbol, frame_ms, || fingerprint) == BarStatus::Duplicate {
                index.insert(symbol, frame_ms, fingerprint, revision);
            }
        }
    }

    /// Reads in a thread every `threads`-th block from the `first` one on.
    fn spawn<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        first: usize,
        threads: usize,
    ) -> Receiver<Vec<LoadedRow>> {
        let (sender, receiver) = sync_channel(BLOCKS_AHEAD);
        scope.spawn(move || {
            let mut days = TradingDayCache::new(self.calendar.clone());
            for block in self.blocks.iter().skip(first).step_by(threads) {
                if sender.send(self.rows_of(block, &mut days)).is_err() {
                    return;
                }
            }
        });
        receiver
    }

    fn rows_of(&self, block: &BlockRows, days: &mut TradingDayCache) -> Vec<LoadedRow> {
        let mut loaded = Vec::with_capacity(block.rows as usize);
        let mut rows = Vec::with_capacity(ROWS_AT_ONCE as usize);
        for from in (0..block.rows).step_by(ROWS_AT_ONCE as usize) {
            rows.clear();
            self.maintenance.rows(block.block, from, block.rows.min(from + ROWS_AT_ONCE), &mut rows);
            // The archive does not store the number of a revision: it is known for an archived bar
            // only while the ring has that bar too.
            let wanted = rows.iter().filter(|row| row.seq >= self.through || row.revision > 0);
            let wanted = wanted.filter(|row| days.day(row.frame_ms) == self.day && !self.withdrawn.covers(row));
            loaded.extend(wanted.map(|row| LoadedRow {
                seq: row.seq,
                symbol: row.symbol,
                frame_ms: row.frame_ms,
                fingerprint: fingerprint(row),
                revision: row.revision,
            }));
        }
        loaded
    }
}
