//! Where the bars of each symbol are: built by the first question, kept up by the later ones.
//!
//! Of every bar in the ring there are 4 bytes: how far before it its symbol's previous bar is. To build them only the symbols and the frames are
//! read. Of the symbols that were asked for there are also copies of their last bars, as many as were asked for, side by side: in the ring they
//! lie a minute apart.

use std::collections::VecDeque;

use barbus_ring::{Polled, Ring, RingReader, Row, RowLocation, SymbolId};

/// Rows that a symbol's copies may outgrow what was asked for, before the oldest are given up.
const SLACK: usize = 16;

/// Rows whose symbols are read together: they stay in the caches until they are entered.
const RUN: usize = 8_192;

/// The previous bar is farther away than 32 bits can say, or not known.
const FAR: u32 = u32::MAX;

/// Walks that the writer may spoil by a new block, one after the other.
const WALKS: usize = 8;

/// The rows of a block.
#[derive(Debug)]
struct Block {
    number: u64,
    slot: Option<u32>,
    first_seq: u64,
    /// The highest frame in this block and in those before it.
    through_ms: i64,
    /// For each row how many rows before it its symbol's previous one is; 0 where there is none.
    back: Vec<u32>,
}

/// The last bars of a symbol that was asked for.
#[derive(Debug, Default)]
// One cache line, however many symbols there are.
#[repr(align(64))]
struct Bars {
    /// Ascending by frame, the last revision of each, without a gap up to the newest.
    copies: Vec<Row>,
    /// Most bars that were asked for; 0: none.
    wanted: usize,
    /// Whether `copies` are all that there are in the ring.
    all: bool,
    /// The newest block when it was last looked which of them are still there.
    checked: u64,
}

/// For each symbol its bars.
#[derive(Debug)]
pub(crate) struct Index {
    ring_reader: RingReader,
    /// For each symbol behind which sequence number its newest bar is; 0 where there is none.
    heads: Vec<u64>,
    /// Ascending by number, those that were in the ring when it was last looked, and newer ones.
    blocks: VecDeque<Block>,
    asked: Vec<Bars>,
    /// The newest block that was seen: if an older one is gone a newer one than this will tell.
    newest: u64,
    /// The newest block when it was last looked which ones are still there.
    renewed: u64,
    /// From this row on `blocks` have no gap.
    whole_from: u64,
    rows: Vec<Row>,
}

/// Where the bars of a symbol are.
struct Found {
    /// With their frames, ascending, the last revision of each.
    places: Vec<(i64, RowLocation)>,
    /// Whether there are no others.
    all: bool,
    /// Whether one was overwritten while it was looked at.
    gone: bool,
}

impl Bars {
    fn enter(&mut self, row: &Row) {
        if self.wanted == 0 {
            return;
        }
        let newer = match self.copies.last() {
            Some(last) => last.frame_ms < row.frame_ms,
            None => self.all,
        };
        if newer {
            self.copies.push(*row);
        } else {
            match self.copies.binary_search_by_key(&row.frame_ms, |row| row.frame_ms) {
                Ok(found) => self.copies[found] = *row,
                // Of what is before the copies nothing is known.
                Err(0) if !self.all => {}
                Err(found) => self.copies.insert(found, *row),
            }
        }
        if self.copies.len() > self.wanted.saturating_mul(2).saturating_add(SLACK) {
            self.copies.drain(..self.copies.len() - self.wanted);
            self.all = false;
        }
    }
}

impl Index {
    /// Enters what is in the ring from the ring reader's position on; `None` where the ring is corrupt.
    pub(crate) fn build(ring: &Ring, ring_reader: RingReader) -> Option<Self> {
        let mut index = Self {
            ring_reader,
            heads: vec![0; ring.geometry().symbols as usize],
            blocks: VecDeque::new(),
            asked: Vec::new(),
            newest: 0,
            renewed: 0,
            whole_from: 0,
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

    /// Enters what came since the last time; false where the ring is corrupt.
    #[inline]
    pub(crate) fn catch_up(&mut self, ring: &Ring) -> bool {
        loop {
            self.rows.clear();
            match self.ring_reader.poll(ring, &mut self.rows, RUN) {
                Polled::Empty => return true,
                Polled::Corrupt => return false,
                Polled::DayClosed(_) | Polled::Lapped { .. } => continue,
                Polled::Rows(_) => self.enter(ring),
            }
        }
    }

    fn enter(&mut self, ring: &Ring) {
        let rows = std::mem::take(&mut self.rows);
        let last_ms = rows.iter().map(|row| row.frame_ms).max().unwrap_or(i64::MIN);
        self.link(ring, rows.iter().map(|row| row.symbol), last_ms);
        for row in &rows {
            if let Some(bars) = self.asked.get_mut(row.symbol.0 as usize) {
                bars.enter(row);
            }
        }
        self.rows = rows;
    }

    /// Enters the rows just before the ring reader's position, which are of one block, `last_ms` the highest of their frames.
    fn link(&mut self, ring: &Ring, symbols: impl ExactSizeIterator<Item = SymbolId>, last_ms: i64) {
        let (position, count) = (self.ring_reader.position(), symbols.len() as u32);
        let first_row = position.row.wrapping_sub(count);
        let first_seq = position.seq.wrapping_sub(position.row.into());
        self.newest = position.block;
        let before = match self.blocks.back() {
            Some(last) if last.number == position.block && last.back.len() == first_row as usize => None,
            last => Some(last.map_or(i64::MIN, |last| last.through_ms)),
        };
        if let Some(through_ms) = before {
            let mut back = Vec::with_capacity(ring.geometry().rows_per_block as usize);
            // Rows that were not seen: who comes upon one looks for himself.
            back.resize(first_row.min(ring.geometry().rows_per_block) as usize, FAR);
            self.blocks.push_back(Block { number: position.block, slot: None, first_seq, through_ms, back });
            // Its slot is looked up with the next renewal, of which there was one already where the block had begun before it had a row.
            self.renewed = 0;
        }
        let block = self.blocks.back_mut().expect("pushed where none was");
        block.through_ms = block.through_ms.max(last_ms);
        let first = position.seq.wrapping_sub(count.into());
        block.back.extend(symbols.zip(0..).map(|(symbol, i)| {
            // An id that no dictionary of this ring can have: nobody can ask for it.
            let Some(head) = self.heads.get_mut(symbol.0 as usize) else { return 0 };
            let behind = first.wrapping_add(i).wrapping_add(1);
            match std::mem::replace(head, behind) {
                0 => 0,
                before => u32::try_from(behind.wrapping_sub(before)).unwrap_or(FAR),
            }
        }));
    }

    /// Forgets the blocks that are gone, where a newer one was begun since: only then can one be.
    fn renew(&mut self, ring: &Ring) {
        self.blocks.iter_mut().for_each(|block| block.slot = None);
        for (number, slot) in ring.blocks() {
            if let Ok(found) = self.blocks.binary_search_by_key(&number, |block| block.number) {
                self.blocks[found].slot = Some(slot);
            }
        }
        self.blocks.retain(|block| block.slot.is_some());
        self.renewed = self.newest;
        // Blocks that are kept longer than others leave gaps.
        let pairs = (1..self.blocks.len()).rev().map(|i| (&self.blocks[i - 1], &self.blocks[i]));
        let gap = pairs.take_while(|(before, block)| before.number.wrapping_add(1) == block.number).count();
        let oldest_whole = self.blocks.len().checked_sub(1 + gap).map(|i| self.blocks[i].first_seq);
        self.whole_from = oldest_whole.unwrap_or(u64::MAX);
    }

    /// Whether the row is in the ring, by what was found there last.
    fn holds(&self, seq: u64) -> bool {
        if seq >= self.whole_from {
            return true;
        }
        let i = self.blocks.partition_point(|block| block.first_seq <= seq);
        i > 0 && seq - self.blocks[i - 1].first_seq < self.blocks[i - 1].back.len() as u64
    }

    /// The last `count` bars of a symbol that are in the ring.
    #[inline]
    pub(crate) fn last(&mut self, ring: &Ring, symbol: SymbolId, count: usize) -> &[Row] {
        // A block without a row may have been begun: an older one is gone for it.
        self.newest = self.newest.max(self.ring_reader.block().unwrap_or_default());
        let known = self.asked.get(symbol.0 as usize);
        let ready = |bars: &Bars| bars.checked == self.newest && (bars.copies.len() >= count || bars.all);
        if !known.is_some_and(ready) {
            self.look(ring, symbol, count);
        }
        let copies = self.asked.get(symbol.0 as usize).map_or(&[][..], |bars| &bars.copies);
        &copies[copies.len().saturating_sub(count)..]
    }

    /// Sees to a symbol's copies.
    #[cold]
    fn look(&mut self, ring: &Ring, symbol: SymbolId, count: usize) {
        self.look_while(ring, symbol, count, || ());
    }

    /// The same; what the writer does between the finding and the copying of bars is a test's.
    fn look_while(&mut self, ring: &Ring, symbol: SymbolId, count: usize, mut meanwhile: impl FnMut()) {
        let id = symbol.0 as usize;
        if id >= self.asked.len() {
            self.asked.resize_with(id + 1, Bars::default);
        }
        if self.renewed != self.newest {
            self.renew(ring);
        }
        let mut bars = std::mem::take(&mut self.asked[id]);
        if bars.checked != self.newest {
            bars.checked = self.newest;
            // Late bars leave gaps, so it may be any.
            bars.copies.retain(|row| self.holds(row.seq));
        }
        if bars.copies.len() < count && !bars.all {
            // Who asks for more and more is not read for anew each time.
            bars.wanted = count.max(bars.wanted.saturating_mul(2));
            for walk in 0..WALKS {
                // While it was looked for the writer took the place of a bar: newer ones are there. They come before the walk, as what comes behind the last
                // one would be in no copy.
                if walk > 0 {
                    self.catch_up(ring);
                    self.newest = self.newest.max(self.ring_reader.block().unwrap_or_default());
                    self.renew(ring);
                    bars.checked = self.newest;
                }
                if self.copy(ring, symbol, &mut bars, &mut meanwhile) {
                    break;
                }
            }
        }
        self.asked[id] = bars;
    }

    /// Copies a symbol's bars anew, as many as are wanted; false where one was overwritten meanwhile.
    fn copy(&self, ring: &Ring, symbol: SymbolId, bars: &mut Bars, meanwhile: &mut impl FnMut()) -> bool {
        let Found { places, all, gone } = self.find(ring, symbol, bars.wanted);
        meanwhile();
        let from = places.len().saturating_sub(bars.wanted);
        bars.all = all && from == 0;
        // No more than there is: what is kept of a symbol is at most twice as much.
        bars.wanted = bars.wanted.min(places.len().max(1));
        bars.copies.clear();
        bars.copies.extend(places[from..].iter().filter_map(|(_, place)| ring.row(*place)));
        !gone && bars.copies.len() == places.len() - from
    }

    /// At least the last `count` bars of a symbol.
    fn find(&self, ring: &Ring, symbol: SymbolId, count: usize) -> Found {
        let (mut found, mut gone): (Vec<(i64, RowLocation)>, bool) = (Vec::new(), false);
        // Whether each bar's frame was before that of the bar after it.
        let mut ordered = true;
        let mut next = self.heads.get(symbol.0 as usize).and_then(|head| head.checked_sub(1));
        let mut all = next.is_none();
        // False where a block is gone through which the way to the older ones led: those are searched.
        let mut linked = true;
        for block in self.blocks.iter().rev() {
            if all || ordered && count > 0 && found.len() >= count && found[count - 1].0 >= block.through_ms {
                // No older bar can be among the last ones.
                break;
            }
            let Some(slot) = block.slot else { continue };
            let mut enter = |row: u32| {
                let place =
                    RowLocation { seq: block.first_seq.wrapping_add(row.into()), block: block.number, slot, row };
                let Some(frame_ms) = ring.frame_ms(place) else { return gone = true };
                ordered &= found.last().is_none_or(|(after, _)| *after > frame_ms);
                found.push((frame_ms, place));
            };
            let mut to = block.back.len() as u32;
            while linked {
                let Some(seq) = next.filter(|seq| *seq >= block.first_seq) else { break };
                let row = seq - block.first_seq;
                if row >= to.into() {
                    linked = false;
                    break;
                }
                to = row as u32;
                enter(to);
                match block.back[to as usize] {
                    0 => (next, all) = (None, true),
                    FAR => linked = false,
                    back => next = seq.checked_sub(back.into()),
                }
            }
            if !linked {
                ring.rows_of(symbol, block.number, slot, to).into_iter().rev().for_each(&mut enter);
            }
        }
        let all = all || !ordered || found.len() < count;
        found.reverse();
        if !ordered {
            found.sort_by_key(|(frame_ms, _)| *frame_ms);
            // The later revision of two.
            found.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    *kept = *later;
                }
                same
            });
        }
        Found { places: found, all, gone }
    }
}

#[cfg(test)]
mod tests {
    use barbus_ring::{RingStart, RingWriter, Spec, create};

    use super::*;

    /// Promise 4: a writer that takes the place of a bar during every walk costs the oldest bars, and none of those that came meanwhile.
    #[test]
    fn a_writer_that_spoils_every_walk_leaves_no_gap() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bars.ring");
        let spec =
            Spec { blocks: 4, rows_per_block: 64, tip_rows: 64, symbols: 4, symbol_bytes: 64, ..Spec::default() };
        create(&path, &spec).unwrap();
        let mut writer = RingWriter::open(&path).unwrap();
        let symbol = writer.intern("A").unwrap();
        writer.begin_day(1);
        let mut push_block = || {
            for block in writer.maintenance().unpersisted() {
                writer.maintenance().mark_persisted(block.block);
            }
            for _ in 0..64 {
                writer.push(&Row { symbol, frame_ms: writer.next_seq() as i64, ..Row::default() }).unwrap();
            }
            writer.next_seq()
        };
        let ring = Ring::attach(&path).unwrap();
        for _ in 0..4 {
            push_block();
        }
        let mut index = Index::build(&ring, RingReader::new(&ring, RingStart::Oldest).unwrap()).unwrap();
        assert!(index.catch_up(&ring));
        let (mut walks, mut next) = (0, 0);
        index.look_while(&ring, symbol, 1_000, || (walks, next) = (walks + 1, push_block()));
        assert_eq!(walks, WALKS);
        assert!(index.catch_up(&ring));
        for count in [1, 100, 256] {
            let found: Vec<u64> = index.last(&ring, symbol, count).iter().map(|row| row.seq).collect();
            assert_eq!(found, (next - count as u64..next).collect::<Vec<_>>());
        }
    }
}
