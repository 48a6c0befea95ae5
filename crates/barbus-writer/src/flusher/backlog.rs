//! The rows of the ring that are not archived yet, by block and by trading day.

use std::collections::{BTreeMap, BTreeSet};

use barbus_bars::Calendar;
use barbus_ring::{BlockRows, RingMaintenance, Row};

use crate::trading_day::TradingDayCache;

/// Rows `from..to` of a block, all of one day.
#[derive(Debug, Clone, Copy)]
struct Range {
    day: i64,
    from: u32,
    to: u32,
    archived: bool,
}

/// The state of a block that is not persisted.
#[derive(Debug, Default)]
struct Block {
    first_seq: u64,
    scanned: u32,
    sealed: bool,
    /// Its checksum is in the ring.
    checksummed: bool,
    /// Its checksum is on disk.
    checksum_synced: bool,
    ranges: Vec<Range>,
}

impl Block {
    /// Every row of it is archived, and no row will be added.
    fn is_archived(&self) -> bool {
        self.sealed && self.ranges.iter().all(|range| range.archived)
    }

    /// Its slot may be reused. A block without rows needs no checksum.
    fn is_releasable(&self) -> bool {
        self.is_archived() && (self.checksum_synced || self.ranges.is_empty())
    }
}

/// The days with rows that are not archived, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Days {
    pub(crate) open: BTreeSet<i64>,
    /// Days that closed since the last flush.
    pub(crate) closed: BTreeSet<i64>,
    /// Days that closed before: their rows are late.
    pub(crate) late: BTreeSet<i64>,
}

/// The blocks that are not persisted, with the days of their rows.
#[derive(Debug)]
pub(crate) struct Backlog {
    days: TradingDayCache,
    blocks: BTreeMap<u64, Block>,
    /// Every block below this one was seen.
    next_block: u64,
    /// Every row below this sequence number was scanned.
    scanned: u64,
}

impl Backlog {
    /// The backlog of a ring to which no row is appended at this moment.
    pub(crate) fn new(maintenance: &RingMaintenance, calendar: Calendar) -> Self {
        Self {
            days: TradingDayCache::new(calendar),
            blocks: maintenance.unpersisted().into_iter().map(|found| (found.block, Block::default())).collect(),
            next_block: maintenance.ring().status().block + 1,
            scanned: 0,
        }
    }

    /// Assigns the rows that are scanned from here on by another calendar. Those that were scanned
    /// have the same day by both.
    pub(crate) fn set_calendar(&mut self, calendar: Calendar) {
        self.days = TradingDayCache::new(calendar);
    }

    /// Begins anew with a ring that replaced the one before it, whose rows are all archived.
    pub(crate) fn switch_ring(&mut self) {
        self.blocks.clear();
        self.next_block = 1;
    }

    /// Every row below this sequence number was scanned.
    pub(crate) fn scanned(&self) -> u64 {
        self.scanned
    }

    /// The number of blocks that are not persisted.
    pub(crate) fn blocks(&self) -> u32 {
        self.blocks.len() as u32
    }

    /// Assigns the rows that were appended since the last scan to their days.
    ///
    /// It takes rows in the order of their sequence numbers and without a gap, because an archive
    /// file states up to which number it is complete. `blocks` is listed slot by slot while the
    /// writer appends. A block that was filling or missing when its slot was read may therefore be
    /// followed by a newer block. The scan stops at such a block, and the next scan finds both.
    pub(crate) fn scan(&mut self, maintenance: &RingMaintenance, blocks: Vec<BlockRows>) {
        let mut frames = Vec::new();
        for found in blocks {
            if found.block > self.next_block {
                break;
            }
            self.next_block = self.next_block.max(found.block + 1);
            let block = self.blocks.entry(found.block).or_default();
            block.first_seq = found.first_seq;
            frames.clear();
            if !maintenance.frames(found.block, block.scanned, found.rows, &mut frames) {
                break;
            }
            // The seal was read before the rows, so a sealed block has all of its rows.
            block.sealed = found.sealed;
            self.scanned = self.scanned.max(block.first_seq + u64::from(block.scanned) + frames.len() as u64);
            for &frame_ms in &frames {
                let day = self.days.day(frame_ms);
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
    }

    /// The days with rows that are not archived. Days before `closed_before` are closed; days
    /// before `flushed_before` were closed at the last flush.
    pub(crate) fn days(&self, closed_before: i64, flushed_before: i64) -> Days {
        let mut days = Days::default();
        for day in self.waiting() {
            let set = match day {
                day if day >= closed_before => &mut days.open,
                day if day >= flushed_before => &mut days.closed,
                _ => &mut days.late,
            };
            set.insert(day);
        }
        days
    }

    /// The closed days with rows that are not archived.
    pub(crate) fn closed_days(&self, closed_before: i64) -> BTreeSet<i64> {
        self.waiting().filter(|&day| day < closed_before).collect()
    }

    /// The days with rows that are not archived, once for each run of such rows.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = i64> {
        self.blocks.values().flat_map(|block| &block.ranges).filter(|range| !range.archived).map(|range| range.day)
    }

    /// A day of a block that only waits for its checksum to be synced.
    pub(crate) fn day_without_checksum(&self) -> Option<i64> {
        let block = self.blocks.values().find(|block| block.is_archived() && !block.is_releasable())?;
        block.ranges.last().map(|range| range.day)
    }

    /// Computes missing checksums of sealed blocks, `limit` at most. From then on `verify` detects
    /// a flipped bit in them, also while they wait for the close of their day.
    pub(crate) fn checksum(&mut self, maintenance: &RingMaintenance, limit: usize) {
        let missing = self.blocks.iter_mut().filter(|(_, block)| block.sealed && !block.checksummed);
        for (&number, block) in missing.take(limit) {
            maintenance.seal_checksum(number);
            block.checksummed = true;
        }
    }

    /// Records that the ring was synced after [`Backlog::checksum`] without a limit.
    pub(crate) fn mark_synced(&mut self) {
        self.blocks.values_mut().for_each(|block| block.checksum_synced = block.sealed);
    }

    /// Records that all scanned rows of `day` are archived.
    pub(crate) fn mark_archived(&mut self, day: i64) {
        for range in self.blocks.values_mut().flat_map(|block| &mut block.ranges) {
            range.archived |= range.day == day;
        }
    }

    /// Removes the blocks whose slots may be reused, and returns their numbers.
    pub(crate) fn take_releasable(&mut self) -> Vec<u64> {
        let mut released = Vec::new();
        self.blocks.retain(|&number, block| {
            let releasable = block.is_releasable();
            if releasable {
                released.push(number);
            }
            !releasable
        });
        released
    }

    /// The scanned rows of `day`; with `unarchived`, only those that are in no part yet.
    pub(crate) fn rows_of(&self, day: i64, unarchived: bool) -> DayRows {
        let mut pieces = Vec::new();
        for (&block, known) in &self.blocks {
            let wanted = known.ranges.iter().filter(|range| range.day == day && !(unarchived && range.archived));
            pieces.extend(wanted.map(|range| (block, range.from, range.to)));
        }
        DayRows { pieces }
    }
}

/// The rows of a day, as ranges of blocks.
#[derive(Debug)]
pub(crate) struct DayRows {
    /// Block, first row and end.
    pieces: Vec<(u64, u32, u32)>,
}

impl DayRows {
    /// The number of rows.
    pub(crate) fn count(&self) -> usize {
        self.pieces.iter().map(|(_, from, to)| (to - from) as usize).sum()
    }

    /// Copies the rows, `limit` at a time, and calls `add` with each piece.
    ///
    /// # Panics
    /// Panics if a block left the ring: only the flusher releases blocks, so this is a bug, and no
    /// file may be written without the block's rows.
    pub(crate) fn copy(&self, maintenance: &RingMaintenance, limit: u32, mut add: impl FnMut(&[Row])) {
        let mut rows = Vec::with_capacity(limit as usize);
        for &(block, first, end) in &self.pieces {
            for from in (first..end).step_by(limit as usize) {
                rows.clear();
                let complete = maintenance.rows(block, from, end.min(from + limit), &mut rows);
                assert!(complete, "block {block} left the ring before it was archived");
                add(&rows);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barbus::Settings;
    use barbus_ring::{RingWriter, Spec, create};

    /// Promise 7: a listing that read an older block before it was full, and a newer block after
    /// that, must not make a file claim that it is complete up to the newer block.
    #[test]
    fn a_scan_that_races_the_writer_leaves_no_gap() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bars.ring");
        create(&path, &Spec { blocks: 4, rows_per_block: 64, tip_rows: 64, ..Spec::default() }).unwrap();
        let mut writer = RingWriter::open(&path).unwrap();
        let symbol = writer.intern("A").unwrap();
        let settings = Settings::parse("calendar = \"24x7\"\n", "bus.toml".as_ref()).unwrap();
        let maintenance = writer.maintenance();
        let mut backlog = Backlog::new(&maintenance, settings.calendar);
        writer.begin_day(1);
        for minute in 1..=150 {
            writer.push(&Row { symbol, frame_ms: minute * 60_000, ..Row::default() }).unwrap();
        }
        writer.write_back();
        let listing = maintenance.unpersisted();
        let rows = |backlog: &Backlog| backlog.blocks.values().map(|block| block.scanned).collect::<Vec<_>>();

        let mut filling = listing.clone();
        (filling[0].rows, filling[0].sealed) = (10, false);
        backlog.scan(&maintenance, filling);
        assert_eq!(rows(&backlog), [10], "it takes nothing after a block that is not full");
        let mut missing = listing.clone();
        missing.remove(1);
        backlog.scan(&maintenance, missing);
        assert_eq!(rows(&backlog), [64], "it takes nothing after a block that was not seen");
        backlog.scan(&maintenance, listing);
        assert_eq!(rows(&backlog), [64, 64, 22]);
    }
}
