//! The index of each symbol's bars, which answers queries for one symbol. The first query builds
//! it, later ones keep it up to date.
//!
//! Each bar in the ring costs 4 bytes: the distance to the previous bar of its symbol. Building the
//! index reads only the columns of symbols and frames. For a symbol that was queried, the index
//! also keeps copies of its last bars side by side: in the ring, bars of other symbols lie between
//! them.

use std::collections::VecDeque;

use barbus_ring::{Polled, Ring, RingReader, Row, RowLocation, SymbolId};

use crate::reader::recent_bars::RecentBars;
use crate::reader::withdrawn_bars::WithdrawnBars;

/// Rows that are read at a time: few enough to stay in the cache until they are indexed.
const RUN: usize = 8_192;

/// The previous bar is unknown, or too far away for 32 bits.
const UNKNOWN: u32 = u32::MAX;

/// Attempts to copy all bars of a symbol. The writer may overwrite one of them during each attempt.
const ATTEMPTS: usize = 8;

/// Attempts to answer a question from a changing ring before it is called corrupt.
///
/// An attempt fails only if the writer has started a block since the one before.
const MAX_RETRIES: usize = 1_000;

/// The indexed rows of a block.
#[derive(Debug)]
struct IndexedBlock {
    number: u64,
    /// Its slot in the ring; `None` until the next [`SymbolIndex::check_blocks`].
    slot: Option<u32>,
    first_seq: u64,
    /// The highest frame in this block and all older ones.
    max_frame_ms: i64,
    /// For each row, how many rows before it the previous row of its symbol is; 0 if there is none.
    distances: Vec<u32>,
}

/// The bars of each symbol.
#[derive(Debug)]
pub(super) struct SymbolIndex {
    ring_reader: RingReader,
    /// For each symbol, the sequence number after its newest bar; 0 if it has none.
    heads: Vec<u64>,
    /// Ascending by number. Blocks that the writer has reused are removed by
    /// [`SymbolIndex::check_blocks`].
    blocks: VecDeque<IndexedBlock>,
    /// The last bars of the symbols that were queried, by id.
    recent: Vec<RecentBars>,
    /// The newest known block. The writer reuses an old block only when it starts a new one.
    newest_block: u64,
    /// The newest block when `blocks` was last checked.
    blocks_checked_at: u64,
    /// From this row on, `blocks` has no gap.
    contiguous_from: u64,
    /// No bar that the ring has lost ends after this time, milliseconds UTC.
    lost_through_ms: i64,
    withdrawn: WithdrawnBars,
    rows: Vec<Row>,
}

/// The bars of a symbol in the ring.
struct FoundBars {
    /// Frame and location of each, ascending by frame, the last revision of each frame.
    locations: Vec<(i64, RowLocation)>,
    /// Whether the ring holds no other bars of the symbol.
    complete: bool,
    /// Whether the writer overwrote one meanwhile.
    overwritten: bool,
}

impl SymbolIndex {
    /// Indexes the ring from the position of `ring_reader` on; `None` if the ring is corrupt.
    pub(super) fn build(ring: &Ring, ring_reader: RingReader) -> Option<Self> {
        let mut index = Self {
            ring_reader,
            heads: vec![0; ring.geometry().symbols as usize],
            blocks: VecDeque::new(),
            recent: Vec::new(),
            newest_block: 0,
            blocks_checked_at: 0,
            contiguous_from: 0,
            lost_through_ms: i64::MIN,
            withdrawn: WithdrawnBars::default(),
            rows: Vec::new(),
        };
        let mut symbols = Vec::with_capacity(RUN);
        loop {
            symbols.clear();
            let mut last_ms = i64::MIN;
            match index.ring_reader.poll_symbols(ring, &mut symbols, &mut last_ms, RUN) {
                Polled::Empty => return Some(index),
                Polled::Corrupt => return None,
                Polled::DayClosed(_) | Polled::Lapped { .. } => {}
                Polled::Rows(_) => index.link(ring, symbols.iter().copied(), last_ms),
            }
        }
    }

    /// Indexes the rows that are new since the last call; false if the ring is corrupt.
    #[inline]
    pub(super) fn catch_up(&mut self, ring: &Ring) -> bool {
        loop {
            self.rows.clear();
            match self.ring_reader.poll(ring, &mut self.rows, RUN) {
                Polled::Empty => return true,
                Polled::Corrupt => return false,
                Polled::DayClosed(_) | Polled::Lapped { .. } => continue,
                Polled::Rows(_) => self.add_rows(ring),
            }
        }
    }

    fn add_rows(&mut self, ring: &Ring) {
        let rows = std::mem::take(&mut self.rows);
        let last_ms = rows.iter().map(|row| row.frame_ms).max().unwrap_or(i64::MIN);
        self.link(ring, rows.iter().map(|row| row.symbol), last_ms);
        for row in &rows {
            if let Some(bars) = self.recent.get_mut(row.symbol.0 as usize) {
                bars.insert(row);
            }
        }
        self.rows = rows;
    }

    /// Links the rows just before the ring reader's position to the previous rows of their
    /// `symbols`. They are rows of one block; `last_ms` is the highest of their frames.
    fn link(&mut self, ring: &Ring, symbols: impl ExactSizeIterator<Item = SymbolId>, last_ms: i64) {
        let (position, count) = (self.ring_reader.position(), symbols.len() as u32);
        let first_row = position.row.wrapping_sub(count);
        let first_seq = position.seq.wrapping_sub(position.row.into());
        self.newest_block = position.block;
        let before = match self.blocks.back() {
            Some(last) if last.number == position.block && last.distances.len() == first_row as usize => None,
            last => Some(last.map_or(i64::MIN, |last| last.max_frame_ms)),
        };
        if let Some(max_frame_ms) = before {
            let mut distances = Vec::with_capacity(ring.geometry().rows_per_block as usize);
            // Rows before the reader's start were not read: a lookup that reaches one scans the
            // block.
            distances.resize(first_row.min(ring.geometry().rows_per_block) as usize, UNKNOWN);
            let number = position.block;
            self.blocks.push_back(IndexedBlock { number, slot: None, first_seq, max_frame_ms, distances });
            // The next check finds its slot. If the block was known before it had a row, that check
            // is not due otherwise.
            self.blocks_checked_at = 0;
        }
        let block = self.blocks.back_mut().expect("pushed above if there was none");
        block.max_frame_ms = block.max_frame_ms.max(last_ms);
        let first = position.seq.wrapping_sub(count.into());
        block.distances.extend(symbols.zip(0..).map(|(symbol, i)| {
            // Only a corrupt ring has an id above its dictionary. It has no text, so no query can
            // find it.
            let Some(head) = self.heads.get_mut(symbol.0 as usize) else { return 0 };
            let after = first.wrapping_add(i).wrapping_add(1);
            match std::mem::replace(head, after) {
                0 => 0,
                previous => u32::try_from(after.wrapping_sub(previous)).unwrap_or(UNKNOWN),
            }
        }));
    }

    /// Removes the blocks that the writer has reused, and finds the slots of the others.
    fn check_blocks(&mut self, ring: &Ring) {
        self.blocks.iter_mut().for_each(|block| block.slot = None);
        for (number, slot) in ring.blocks() {
            if let Ok(found) = self.blocks.binary_search_by_key(&number, |block| block.number) {
                self.blocks[found].slot = Some(slot);
            }
        }
        self.blocks.retain(|block| block.slot.is_some());
        self.blocks_checked_at = self.newest_block;
        // A block that outlives later ones, for example a pinned one, leaves a gap behind it.
        let pairs = (1..self.blocks.len()).rev().map(|i| (&self.blocks[i - 1], &self.blocks[i]));
        let adjacent = pairs.take_while(|(before, block)| before.number.wrapping_add(1) == block.number).count();
        let first_contiguous = self.blocks.len().checked_sub(1 + adjacent).map(|i| self.blocks[i].first_seq);
        self.contiguous_from = first_contiguous.unwrap_or(u64::MAX);
    }

    /// Whether the ring held the row at the last check of the blocks.
    fn holds(&self, seq: u64) -> bool {
        if seq >= self.contiguous_from {
            return true;
        }
        let i = self.blocks.partition_point(|block| block.first_seq <= seq);
        i > 0 && seq - self.blocks[i - 1].first_seq < self.blocks[i - 1].distances.len() as u64
    }

    /// The newest block may have no row yet, and still have replaced an old one.
    #[inline]
    fn note_newest_block(&mut self) {
        self.newest_block = self.newest_block.max(self.ring_reader.block().unwrap_or_default());
    }

    /// Checks which blocks the ring still holds and indexes the rows that have come since, until no
    /// new block is among them; false if the ring is corrupt.
    ///
    /// Without these rows, a symbol whose known bars were overwritten would seem to have none, or
    /// only old ones in a pinned block.
    fn settle(&mut self, ring: &Ring) -> bool {
        for _ in 0..MAX_RETRIES {
            self.note_newest_block();
            if self.blocks_checked_at == self.newest_block {
                return true;
            }
            self.check_blocks(ring);
            if !self.catch_up(ring) {
                return false;
            }
        }
        false
    }

    /// The last `count` bars of a symbol in the ring; `None` if the ring is corrupt.
    #[inline]
    pub(super) fn last(&mut self, ring: &Ring, symbol: SymbolId, count: usize) -> Option<&[Row]> {
        self.note_newest_block();
        let recent = self.recent.get(symbol.0 as usize);
        let ready = |bars: &RecentBars| {
            bars.checked_at_block == self.newest_block && (bars.rows.len() >= count || bars.complete)
        };
        if !recent.is_some_and(ready) && !self.refresh(ring, symbol, count) {
            return None;
        }
        let rows = self.recent.get(symbol.0 as usize).map_or(&[][..], |bars| &bars.rows);
        Some(&rows[rows.len().saturating_sub(count)..])
    }

    /// From this row on, the ring has lost none, as far as it was known when its blocks were last
    /// checked.
    #[cfg(feature = "archive")]
    #[inline]
    pub(super) fn contiguous_from(&self) -> u64 {
        self.contiguous_from
    }

    /// How many withdrawals of the bus the answers take into account.
    #[inline]
    pub(super) fn withdrawals(&self) -> u64 {
        self.withdrawn.number()
    }

    /// Leaves these bars out of the answers from now on, also those that were copied; false if the
    /// ring is corrupt.
    #[cold]
    pub(super) fn leave_out(&mut self, ring: &Ring, withdrawn: WithdrawnBars) -> bool {
        self.withdrawn = withdrawn;
        self.recent.clear();
        // A row that was committed before the withdrawal is not copied as a new one later.
        self.catch_up(ring)
    }

    /// Whether the last `count` bars of a symbol were copied, and the ring has lost none between
    /// them.
    #[inline]
    pub(super) fn has_copied(&self, symbol: SymbolId, count: usize) -> bool {
        let newest = self.newest_block.max(self.ring_reader.block().unwrap_or_default());
        self.recent.get(symbol.0 as usize).is_some_and(|bars| {
            let first = bars.rows.len().checked_sub(count).map(|first| bars.rows.get(first));
            let is_exact = first.is_some_and(|row| row.is_none_or(|row| row.frame_ms > self.lost_through_ms));
            bars.checked_at_block == newest && is_exact
        })
    }

    /// Sets up to which time the ring may have lost bars, milliseconds UTC.
    #[cfg(feature = "archive")]
    pub(super) fn set_lost_through_ms(&mut self, lost_through_ms: i64) {
        self.lost_through_ms = lost_through_ms;
    }

    /// The last `count` of the copies that [`SymbolIndex::last`] made of a symbol's bars.
    #[inline]
    pub(super) fn copied(&self, symbol: SymbolId, count: usize) -> &[Row] {
        let rows = self.recent.get(symbol.0 as usize).map_or(&[][..], |bars| &bars.rows);
        &rows[rows.len() - count..]
    }

    /// Updates the copies of a symbol's last bars, at least `count` if the ring has as many; false
    /// if the ring is corrupt.
    #[cold]
    fn refresh(&mut self, ring: &Ring, symbol: SymbolId, count: usize) -> bool {
        self.refresh_while(ring, symbol, count, || ())
    }

    /// As [`SymbolIndex::refresh`]. A test writes to the ring in `meanwhile`, between the search
    /// and the copying.
    fn refresh_while(&mut self, ring: &Ring, symbol: SymbolId, count: usize, mut meanwhile: impl FnMut()) -> bool {
        let id = symbol.0 as usize;
        if id >= self.recent.len() {
            self.recent.resize_with(id + 1, RecentBars::default);
        }
        if !self.settle(ring) {
            return false;
        }
        self.drop_overwritten(id);
        let bars = &self.recent[id];
        if bars.rows.len() >= count || bars.complete {
            return true;
        }
        // Doubling limits the number of searches of a caller that requests more each time.
        let wanted = count.max(bars.wanted.saturating_mul(2));
        for attempt in 1..=MAX_RETRIES {
            let mut bars = std::mem::take(&mut self.recent[id]);
            bars.wanted = wanted;
            let copied = self.copy(ring, symbol, &mut bars, &mut meanwhile);
            self.recent[id] = bars;
            if copied {
                return true;
            }
            // The writer has overwritten a bar, so there may be newer bars. Some copies may be from
            // a block that is gone, too.
            self.recent[id].checked_at_block = 0;
            self.blocks_checked_at = 0;
            if !self.settle(ring) {
                return false;
            }
            self.drop_overwritten(id);
            // If the writer disturbs every attempt, the oldest bars are lost, but never all.
            if attempt >= ATTEMPTS && !self.recent[id].rows.is_empty() {
                return true;
            }
        }
        false
    }

    /// Removes those copies of a symbol's bars that the ring no longer held at the last check of
    /// the blocks.
    fn drop_overwritten(&mut self, id: usize) {
        let mut bars = std::mem::take(&mut self.recent[id]);
        if bars.checked_at_block != self.newest_block {
            bars.checked_at_block = self.newest_block;
            // Late bars lie in newer blocks than their neighbours, so any of the copies may be
            // gone.
            bars.rows.retain(|row| self.holds(row.seq));
        }
        self.recent[id] = bars;
    }

    /// Copies a symbol's last bars, as many as are wanted; false if one was overwritten meanwhile.
    fn copy(&self, ring: &Ring, symbol: SymbolId, bars: &mut RecentBars, meanwhile: &mut impl FnMut()) -> bool {
        let may_lack_some = self.withdrawn.number() > 0;
        let FoundBars { mut locations, complete, overwritten } =
            self.find(ring, symbol, if may_lack_some { usize::MAX } else { bars.wanted });
        if may_lack_some {
            let symbol = ring.symbol(symbol).unwrap_or_default();
            locations.retain(|(frame_ms, location)| !self.withdrawn.has(&symbol, location.seq, *frame_ms));
        }
        meanwhile();
        let from = locations.len().saturating_sub(bars.wanted);
        bars.complete = complete && from == 0;
        // Copies may grow to twice `wanted`. This limits them to twice what the ring holds.
        bars.wanted = bars.wanted.min(locations.len().max(1));
        bars.rows.clear();
        bars.rows.extend(locations[from..].iter().filter_map(|(_, location)| ring.row(*location)));
        !overwritten && bars.rows.len() == locations.len() - from
    }

    /// Finds at least the last `count` bars of a symbol, if the ring has as many.
    ///
    /// It follows the symbol's rows backwards, from each to the previous one. If it cannot (see
    /// `UNKNOWN`, or because the block of the next row was reused), it scans the older blocks for
    /// the symbol.
    fn find(&self, ring: &Ring, symbol: SymbolId, count: usize) -> FoundBars {
        let (mut found, mut overwritten): (Vec<(i64, RowLocation)>, bool) = (Vec::new(), false);
        // Whether the frames descend from row to row so far.
        let mut ordered = true;
        let mut next = self.heads.get(symbol.0 as usize).and_then(|head| head.checked_sub(1));
        let mut complete = next.is_none();
        let mut linked = true;
        for block in self.blocks.iter().rev() {
            let enough = ordered && count > 0 && found.len() >= count && found[count - 1].0 >= block.max_frame_ms;
            if complete || enough {
                // No older block has a bar that is among the last ones.
                break;
            }
            let Some(slot) = block.slot else { continue };
            let mut add = |row: u32| {
                let location =
                    RowLocation { seq: block.first_seq.wrapping_add(row.into()), block: block.number, slot, row };
                let Some(frame_ms) = ring.frame_ms(location) else { return overwritten = true };
                ordered &= found.last().is_none_or(|(after, _)| *after > frame_ms);
                found.push((frame_ms, location));
            };
            let mut end = block.distances.len() as u32;
            while linked {
                let Some(seq) = next.filter(|seq| *seq >= block.first_seq) else { break };
                let row = seq - block.first_seq;
                if row >= end.into() {
                    linked = false;
                    break;
                }
                end = row as u32;
                add(end);
                match block.distances[end as usize] {
                    0 => (next, complete) = (None, true),
                    UNKNOWN => linked = false,
                    distance => next = seq.checked_sub(distance.into()),
                }
            }
            if !linked {
                match ring.rows_of(symbol, block.number, slot, end) {
                    Some(rows) => rows.into_iter().rev().for_each(&mut add),
                    None => overwritten = true,
                }
            }
        }
        let complete = complete || !ordered || found.len() < count;
        found.reverse();
        if !ordered {
            sort_revisions(&mut found);
        }
        FoundBars { locations: found, complete, overwritten }
    }
}

/// Sorts rows by frame; of two rows with the same frame it keeps the later one, the newer revision.
fn sort_revisions(found: &mut Vec<(i64, RowLocation)>) {
    found.sort_by_key(|(frame_ms, _)| *frame_ms);
    found.dedup_by(|later, kept| {
        let same_frame = later.0 == kept.0;
        if same_frame {
            *kept = *later;
        }
        same_frame
    });
}

#[cfg(test)]
mod tests;
