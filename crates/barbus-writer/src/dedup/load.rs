//! Loads the bars of a day from the archive and the ring into an index.
//!
//! The ring is read by threads, while the writer already takes new bars.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, Scope};

use barbus::internal::ArchivedRows;
use barbus::{Bus, Result};
use barbus_archive::Archive;
use barbus_bars::{Calendar, date_from_epoch_days};
use barbus_ring::{BlockRows, RingMaintenance, RingWriter, Row, SymbolId};

use crate::dedup::day_index::{BarStatus, DayIndex};
use crate::dedup::fingerprint::fingerprint;
use crate::recalendar::renumbered;
use crate::symbols::SymbolIds;
use crate::trading_day::TradingDayCache;
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
/// and it first waits until every index is loaded
/// ([`crate::dedup::DedupIndex::finish_loading`]).
pub(crate) fn load_day(
    ring: &mut RingWriter,
    bus: &Bus,
    symbols: &mut SymbolIds,
    withdrawals: &Withdrawals,
    day: i64,
) -> Result<DayIndex> {
    let settings = bus.settings();
    let mut index = DayIndex::default();
    let through = load_archive(&mut index, ring, bus, symbols, day);
    // Bars of this day may be in files of dates that were trading days by an older calendar.
    let mut before = day - 1;
    while renumbered(&settings.calendar, before) == day {
        load_archive(&mut index, ring, bus, symbols, before);
        before -= 1;
    }
    let maintenance = ring.maintenance();
    let mut blocks = maintenance.blocks();
    // A row is appended while its day is open, or late: to a block of a later day or of no day. So
    // there is nothing to read for a day that has just begun.
    // After a change of the calendar, a block may have the date of a day that is now a holiday.
    let is_late = |of: i64| of >= day || renumbered(&settings.calendar, of) >= day;
    blocks.retain(|block| block.rows > 0 && block.day.is_none_or(is_late));
    if blocks.is_empty() {
        return Ok(index);
    }
    // A bar above its symbol's highest frame is new, whatever the threads find.
    // Rows of other days only raise that frame, which is safe.
    let mut last_ms = index.last_frames().to_vec();
    last_ms.resize(last_ms.len().max(ring.ring().symbol_count() as usize), i64::MIN);
    for block in &blocks {
        maintenance.raise_last_frames(block.block, block.rows, &mut last_ms);
    }
    let withdrawn = withdrawals.of_day(ring.ring().geometry().lineage, day, |symbol| symbols.get(symbol));
    let calendar = settings.calendar.clone();
    let source = RingSource { maintenance, blocks, calendar, day, through, withdrawn };
    Ok(DayIndex::loading(last_ms, move || source.load_into(index)))
}

/// Inserts the archived bars of `day`. Returns the sequence number below which the file is
/// complete.
fn load_archive(index: &mut DayIndex, ring: &mut RingWriter, bus: &Bus, symbols: &mut SymbolIds, day: i64) -> u64 {
    let schema = &bus.settings().schema;
    let archive = Archive::open_existing(bus.archive(), schema.clone(), bus.settings().calendar.name());
    // An unreadable archive does not stop the bus: the ring's rows are known, and the archive
    // itself keeps each bar once. The flusher meets the same failure and reports it.
    let Ok(Some((meta, rows))) = archive.read(date_from_epoch_days(day)) else { return 0 };
    for (symbol, row) in ArchivedRows::new(&rows, schema).iter() {
        let known = symbols.get(symbol).or_else(|| {
            let id = ring.intern(symbol).ok()?;
            symbols.insert(symbol, id);
            Some(id)
        });
        // If the symbol table is full, new bars of this symbol are quarantined anyway.
        if let Some(symbol) = known {
            index.insert_row(&Row { symbol, ..row });
        }
    }
    if meta.lineage == ring.ring().geometry().lineage { meta.through_seq } else { 0 }
}

/// The part of a day that is read from the ring.
struct RingSource {
    maintenance: RingMaintenance,
    blocks: Vec<BlockRows>,
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

impl RingSource {
    /// Inserts the day's rows in the order of the ring.
    ///
    /// Several threads read the ring, each every n-th block, and this thread inserts their rows.
    fn load_into(&self, mut index: DayIndex) -> DayIndex {
        let processors = thread::available_parallelism().map_or(1, |count| count.get());
        let threads = processors.min(MAX_THREADS).min(self.blocks.len());
        thread::scope(|scope| {
            let loaded: Vec<_> = (0..threads).map(|first| self.spawn(scope, first, threads)).collect();
            for number in 0..self.blocks.len() {
                let rows = loaded[number % threads].recv().expect("a thread sends all of its blocks");
                for LoadedRow { seq, symbol, frame_ms, fingerprint, revision } in rows {
                    if seq >= self.through || index.status(symbol, frame_ms, || fingerprint) == BarStatus::Duplicate {
                        index.insert(symbol, frame_ms, fingerprint, revision);
                    }
                }
            }
        });
        index
    }

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
