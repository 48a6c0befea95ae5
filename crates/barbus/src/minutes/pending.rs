//! The bars of a minute that is not closed.

use barbus_ring::{Row, SymbolId};

use super::universe::{Expected, Universe};

/// A minute with bars that is not closed.
#[derive(Debug, Default)]
pub(super) struct PendingMinute {
    pub(super) frame_ms: i64,
    /// When its first bar was received.
    pub(super) first_received_ms: i64,
    /// One for each symbol, in the order of arrival.
    /// A revision has the place of the bar that it revises.
    rows: Vec<Row>,
    /// For each symbol, one more than the place of its bar in `rows`; 0 without a bar.
    places: Vec<u32>,
    expected: Expected,
    /// Expected symbols that have a bar.
    present: usize,
}

impl PendingMinute {
    /// Empties it for another minute; the memory is used again.
    pub(super) fn begin(&mut self, frame_ms: i64, received_ms: i64, universe: &mut Universe) {
        (self.frame_ms, self.first_received_ms) = (frame_ms, received_ms);
        self.rows.clear();
        self.places.fill(0);
        self.count(universe);
    }

    /// Whether every expected symbol may have its bar: see [`PendingMinute::is_complete`].
    #[inline]
    pub(super) fn may_be_complete(&self) -> bool {
        self.present >= self.expected.count
    }

    /// Adds a bar, or replaces the one that it revises.
    #[inline]
    pub(super) fn insert(&mut self, row: Row, universe: &Universe) {
        let id = row.symbol.0 as usize;
        if id >= self.places.len() {
            self.places.resize(universe.symbols().max(id + 1), 0);
        }
        if let Some(place) = self.places[id].checked_sub(1) {
            self.rows[place as usize] = row;
            return;
        }
        self.rows.push(row);
        self.places[id] = self.rows.len() as u32;
        self.present += usize::from(self.expected.has(universe, row.symbol));
    }

    /// Whether every expected symbol has its bar; false if none is expected.
    pub(super) fn is_complete(&mut self, universe: &mut Universe) -> bool {
        if !self.expected.is_current(universe) {
            self.count(universe);
        }
        self.expected.count > 0 && self.present == self.expected.count
    }

    /// Counts the expected symbols by the present universe.
    fn count(&mut self, universe: &mut Universe) {
        self.expected = universe.expected_at(self.frame_ms);
        self.present = self.rows.iter().filter(|row| self.expected.has(universe, row.symbol)).count();
    }

    pub(super) fn has(&self, symbol: SymbolId) -> bool {
        self.places.get(symbol.0 as usize).is_some_and(|place| *place > 0)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Appends the bars to `rows` in the order of `symbols`.
    pub(super) fn copy_in_order(&self, symbols: &[SymbolId], rows: &mut Vec<Row>) {
        let place = |symbol: &SymbolId| self.places.get(symbol.0 as usize)?.checked_sub(1);
        rows.extend(symbols.iter().filter_map(place).map(|place| self.rows[place as usize]));
    }

    /// Removes bars.
    pub(super) fn remove(&mut self, is_removed: impl Fn(&Row) -> bool, universe: &mut Universe) {
        self.rows.retain(|row| !is_removed(row));
        self.places.fill(0);
        for (place, row) in self.rows.iter().enumerate() {
            self.places[row.symbol.0 as usize] = place as u32 + 1;
        }
        self.count(universe);
    }

    pub(super) fn first_seq(&self) -> Option<u64> {
        self.rows.iter().map(|row| row.seq).min()
    }
}
