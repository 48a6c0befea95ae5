//! The bars of a minute that is not closed.

use std::ops::Range;

use barbus_ring::{Row, SymbolId};

use super::universe::{Expected, UNKNOWN, Universe};

/// A minute with bars that is not closed.
#[derive(Debug, Default)]
pub(super) struct PendingMinute {
    pub(super) frame_ms: i64,
    /// When its first bar was received.
    pub(super) first_received_ms: i64,
    /// One for each symbol, in the order of arrival.
    /// A revision has the place of the bar that it revises.
    rows: Vec<Row>,
    /// How many of `rows` are bars of this minute; those behind were appended and not looked at.
    taken: usize,
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
        self.taken = 0;
        self.places.fill(0);
        self.count(universe);
    }

    /// How many expected symbols have no bar yet.
    pub(super) fn waits_for(&self) -> usize {
        self.expected.count.saturating_sub(self.present)
    }

    /// Where bars are appended, for [`PendingMinute::accept_appended`].
    pub(super) fn rows_mut(&mut self) -> &mut Vec<Row> {
        &mut self.rows
    }

    /// Takes the memory of `rows`, whose first row is the only bar of this minute, for its bars;
    /// the others count as appended.
    pub(super) fn adopt(&mut self, rows: &mut Vec<Row>) {
        debug_assert_eq!(self.rows.len(), 1);
        rows[0] = self.rows[0];
        std::mem::swap(&mut self.rows, rows);
    }

    /// The next bar that was appended and not looked at.
    #[inline(always)]
    pub(super) fn next_appended(&self) -> Option<&Row> {
        self.rows.get(self.taken)
    }

    /// Accepts appended bars until the minute may be complete, or until one is not of this minute,
    /// was not received in `received_ns`, is of a symbol that `universe` does not know by the id of
    /// the feed, or is a revision. Returns whether it has accepted one.
    pub(super) fn accept_appended(&mut self, received_ns: Range<i64>, universe: &Universe) -> bool {
        self.places.resize(universe.symbols().max(self.places.len()), 0);
        let Self { frame_ms, rows, taken, places, expected, present, .. } = self;
        let (ids, first) = (universe.ids_of_feed(), *taken);
        for row in &mut rows[first..] {
            let id = ids.get(row.symbol.0 as usize).copied().unwrap_or(UNKNOWN);
            let Some(place) = places.get_mut(id as usize) else { break };
            let is_open = row.frame_ms == *frame_ms && received_ns.contains(&row.received_ns);
            if !is_open || *place > 0 {
                break;
            }
            *taken += 1;
            *place = *taken as u32;
            row.symbol = SymbolId(id);
            *present += usize::from(expected.has(SymbolId(id)));
            if *present >= expected.count {
                break;
            }
        }
        *taken > first
    }

    /// Moves the bars that were appended and not accepted to `rows`.
    pub(super) fn move_rest(&mut self, rows: &mut Vec<Row>) {
        rows.extend_from_slice(&self.rows[self.taken..]);
        self.rows.truncate(self.taken);
    }

    /// Whether every expected symbol may have its bar: see [`PendingMinute::is_complete`].
    #[inline]
    pub(super) fn may_be_complete(&self) -> bool {
        self.present >= self.expected.count
    }

    /// Adds a bar of the symbol with this id, or replaces the one that it revises.
    #[inline]
    pub(super) fn insert(&mut self, row: &Row, symbol: SymbolId, universe: &Universe) {
        let id = symbol.0 as usize;
        if id >= self.places.len() {
            self.places.resize(universe.symbols().max(id + 1), 0);
        }
        if let Some(place) = self.places[id].checked_sub(1) {
            self.rows[place as usize] = Row { symbol, ..*row };
            return;
        }
        self.rows.push(Row { symbol, ..*row });
        self.taken = self.rows.len();
        self.places[id] = self.taken as u32;
        self.present += usize::from(self.expected.has(symbol));
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
        universe.update_expected(&mut self.expected, self.frame_ms);
        self.present = self.rows.iter().filter(|row| self.expected.has(row.symbol)).count();
    }

    pub(super) fn has(&self, symbol: SymbolId) -> bool {
        self.places.get(symbol.0 as usize).is_some_and(|place| *place > 0)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The ids of the symbols that have a bar.
    pub(super) fn symbols(&self) -> impl Iterator<Item = SymbolId> {
        self.places.iter().enumerate().filter(|(_, place)| **place > 0).map(|(id, _)| SymbolId(id as u32))
    }

    /// Takes the bars in the order of `symbols`, which has all of them; `memory` is used for them
    /// or for the bars of a later minute.
    pub(super) fn take_rows(&mut self, symbols: &[SymbolId], mut memory: Vec<Row>) -> Vec<Row> {
        let place = |symbol: &SymbolId| self.places.get(symbol.0 as usize)?.checked_sub(1);
        let places = || symbols.iter().filter_map(place);
        memory.clear();
        if places().zip(0..).all(|(place, next)| place == next) {
            // They arrived in this order.
            return std::mem::replace(&mut self.rows, memory);
        }
        memory.extend(places().map(|place| self.rows[place as usize]));
        memory
    }

    /// Removes bars.
    pub(super) fn remove(&mut self, is_removed: impl Fn(&Row) -> bool, universe: &mut Universe) {
        self.rows.retain(|row| !is_removed(row));
        self.taken = self.rows.len();
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
