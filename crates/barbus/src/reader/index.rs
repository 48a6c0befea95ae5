//! Where the bars of each symbol are: built by the first question, kept up by the later ones.
//!
//! Of every bar in the ring there are 16 bytes, its place. Of the symbols that were asked for there are also copies of their last bars,
//! as many as were asked for, side by side: in the ring they lie a minute apart.

use barbus_ring::{Follower, Polled, Ring, Row, SymbolId};

/// Rows that a symbol's copies may outgrow what was asked for, before the oldest are given up.
const SLACK: usize = 16;

/// A bar's place in the ring.
#[derive(Debug, Clone, Copy)]
struct Place {
    frame_ms: i64,
    /// A ring's cursor has no room for more.
    block: u32,
    row: u32,
}

/// The bars of a symbol, ascending by frame, the last revision of each.
#[derive(Debug, Default)]
struct Bars {
    places: Vec<Place>,
    /// The bars of the last of `places`, as they lie in the ring.
    copies: Vec<Row>,
    /// Most bars that were asked for.
    wanted: usize,
    /// The newest block when it was last looked which places are still there.
    checked: u64,
}

/// For each symbol the places of its bars.
#[derive(Debug)]
pub(crate) struct Index {
    follower: Follower,
    symbols: Vec<Bars>,
    held: Held,
    /// The newest block that was seen: if an older one is gone a newer one than this will tell.
    newest: u64,
    /// The newest block when all symbols' places were last looked at.
    swept: u64,
    rows: Vec<Row>,
}

/// The blocks that the ring held when it began with a block, and their slots.
#[derive(Debug, Default)]
struct Held {
    newest: u64,
    first: u64,
    slots: Vec<Option<u32>>,
}

impl Held {
    /// Looks again where a newer block was begun since: only then can an older one be gone.
    fn renew(&mut self, ring: &Ring, newest: u64) {
        if self.newest == newest {
            return;
        }
        let blocks: Vec<(u64, u32)> = ring.blocks().collect();
        self.newest = newest;
        self.first = blocks.iter().map(|(block, _)| *block).min().unwrap_or_default();
        self.slots.clear();
        for (block, slot) in blocks {
            // Blocks that are kept longer than others leave gaps; a file that lies could ask for any number.
            let at = (block - self.first) as usize;
            if at < 64 * ring.geometry().slots as usize {
                self.slots.resize(self.slots.len().max(at + 1), None);
                self.slots[at] = Some(slot);
            }
        }
    }

    fn slot(&self, block: u64) -> Option<u32> {
        *self.slots.get(block.checked_sub(self.first)? as usize)?
    }
}

impl Bars {
    fn enter(&mut self, place: Place, row: &Row) {
        let uncopied = self.places.len() - self.copies.len();
        if self.places.last().is_none_or(|last| last.frame_ms < place.frame_ms) {
            self.places.push(place);
            if self.wanted > 0 {
                self.copies.push(*row);
                if self.copies.len() > 2 * self.wanted + SLACK {
                    self.copies.drain(..self.copies.len() - self.wanted);
                }
            }
            return;
        }
        match self.places.binary_search_by_key(&place.frame_ms, |place| place.frame_ms) {
            Ok(found) => {
                self.places[found] = place;
                if found >= uncopied {
                    self.copies[found - uncopied] = *row;
                }
            }
            Err(found) => {
                self.places.insert(found, place);
                if found > uncopied {
                    self.copies.insert(found - uncopied, *row);
                }
            }
        }
    }

    /// Forgets what is no longer in the ring: late bars leave gaps, so it may be any.
    fn forget(&mut self, held: &Held) {
        if self.checked == held.newest {
            return;
        }
        self.checked = held.newest;
        let gone = |place: &Place| held.slot(place.block.into()).is_none();
        if self.places.iter().any(gone) {
            let mut copied = self.places[self.places.len() - self.copies.len()..].iter();
            self.copies.retain(|_| copied.next().is_some_and(|place| !gone(place)));
            self.places.retain(|place| !gone(place));
        }
    }

    /// Copies the last `count` bars anew.
    fn copy(&mut self, ring: &Ring, held: &Held, count: usize) {
        self.wanted = self.wanted.max(count.min(self.places.len()));
        self.copies.clear();
        for i in (0..self.places.len()).rev() {
            if self.copies.len() >= self.wanted {
                break;
            }
            let Place { block, row, .. } = self.places[i];
            let block = u64::from(block);
            match held.slot(block).and_then(|slot| ring.row_in(slot as usize, block, row)) {
                Some(row) => self.copies.push(row),
                // Overwritten at this moment.
                None => drop(self.places.remove(i)),
            }
        }
        self.copies.reverse();
    }
}

impl Index {
    pub(crate) fn new(follower: Follower) -> Self {
        let swept = follower.position().block;
        Self { follower, symbols: Vec::new(), held: Held::default(), newest: 0, swept, rows: Vec::new() }
    }

    /// Enters what came since the last time; false where the ring is corrupt.
    #[inline]
    pub(crate) fn catch_up(&mut self, ring: &Ring) -> bool {
        loop {
            self.rows.clear();
            match self.follower.poll(ring, &mut self.rows, 8_192) {
                Polled::Empty => return true,
                Polled::Corrupt => return false,
                Polled::DayClosed(_) | Polled::Lapped { .. } => continue,
                Polled::Rows(_) => self.enter(ring),
            }
        }
    }

    fn enter(&mut self, ring: &Ring) {
        // A poll's rows are of one block, the one that the position is in now.
        let position = self.follower.position();
        self.newest = position.block;
        let first = position.row.wrapping_sub(self.rows.len() as u32);
        for (row, at) in self.rows.iter().zip((0..).map(|i| first.wrapping_add(i))) {
            let place = Place { frame_ms: row.frame_ms, block: position.block as u32, row: at };
            // An id that no dictionary of this ring can have costs no memory: nobody can ask for it either.
            if row.symbol.0 >= ring.geometry().symbols {
                continue;
            }
            let symbol = row.symbol.0 as usize;
            if symbol >= self.symbols.len() {
                self.symbols.resize_with(symbol + 1, Bars::default);
            }
            self.symbols[symbol].enter(place, row);
        }
        // Nobody may ever ask for most symbols: once in a ring's length all are looked at.
        if position.block.wrapping_sub(self.swept) > ring.geometry().slots.into() {
            self.swept = position.block;
            self.held.renew(ring, position.block);
            self.symbols.iter_mut().for_each(|bars| bars.forget(&self.held));
        }
    }

    /// The last `count` bars of a symbol that are in the ring.
    #[inline]
    pub(crate) fn last(&mut self, ring: &Ring, symbol: SymbolId, count: usize) -> &[Row] {
        // A block without a row may have been begun: an older one is gone for it.
        self.newest = self.newest.max(self.follower.block().unwrap_or_default());
        let Some(bars) = self.symbols.get_mut(symbol.0 as usize) else { return &[] };
        if bars.checked != self.newest {
            self.held.renew(ring, self.newest);
            bars.forget(&self.held);
        }
        if bars.copies.len() < count && bars.copies.len() < bars.places.len() {
            self.held.renew(ring, self.newest);
            bars.copy(ring, &self.held, count);
        }
        &bars.copies[bars.copies.len().saturating_sub(count)..]
    }
}
