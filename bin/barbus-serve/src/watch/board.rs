//! The newest bar of each symbol, and the course of its day.

use std::collections::HashMap;

use barbus::{Date, Row};
use serde::Serialize;

use super::spark::Spark;

/// The newest bars of a bus.
#[derive(Default)]
pub(crate) struct Board {
    symbols: Vec<SymbolState>,
    index: HashMap<String, usize>,
    /// The newest trading day.
    day: Option<Date>,
    /// Why the ring cannot be followed, while it cannot.
    error: Option<String>,
}

struct SymbolState {
    name: String,
    day: Option<Date>,
    bar: PlainBar,
    /// The last price of the day before; of a symbol without one, the first price of its day.
    base: Option<f64>,
    spark: Spark,
}

/// A bar without what only the ring knows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PlainBar {
    pub(super) frame_ms: i64,
    pub(super) open: f64,
    pub(super) high: f64,
    pub(super) low: f64,
    pub(super) close: f64,
    pub(super) volume: f64,
    /// When it was received; 0 if it comes from the archive.
    pub(super) received_ms: i64,
    pub(super) revision: u8,
}

impl From<&Row> for PlainBar {
    fn from(row: &Row) -> Self {
        Self {
            frame_ms: row.frame_ms,
            open: row.open,
            high: row.high,
            low: row.low,
            close: row.close,
            volume: row.volume,
            received_ms: row.received_ns / 1_000_000,
            revision: row.revision,
        }
    }
}

/// A bar in a message: symbol, frame, open, high, low, close, volume, received, revision, base.
/// Times are milliseconds UTC.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BarRow<'a>(
    pub(crate) &'a str,
    i64,
    f64,
    f64,
    f64,
    f64,
    f64,
    i64,
    u8,
    /// The price that changes are counted from.
    Option<f64>,
);

/// The bar of a symbol with the curve of its day: the lowest price, the highest and the levels.
#[derive(Debug, Serialize)]
pub(crate) struct WatchRow<'a>(BarRow<'a>, f32, f32, String);

/// The whole board as a page reads it.
#[derive(Debug, Serialize)]
pub(crate) struct WatchList<'a> {
    day: Option<Date>,
    error: Option<&'a str>,
    rows: Vec<WatchRow<'a>>,
}

impl Board {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn set_error(&mut self, error: Option<String>) {
        self.error = error;
    }

    /// A bar that was published. Bars older than the newest one of the symbol change nothing.
    /// Returns the number of the symbol.
    pub(super) fn apply(&mut self, symbol: &str, bar: PlainBar, day: Date) -> usize {
        let at = self.number(symbol);
        self.day = self.day.max(Some(day));
        let state = &mut self.symbols[at];
        if state.day.is_some_and(|of| (day, bar.frame_ms) < (of, state.bar.frame_ms)) {
            return at;
        }
        if state.day.is_some_and(|of| of < day) {
            state.base = Some(state.bar.close);
            state.spark.clear();
        }
        match state.day == Some(day) && state.bar.frame_ms == bar.frame_ms {
            true => state.spark.replace(bar.close),
            false => state.spark.push(bar.close),
        }
        (state.day, state.bar) = (Some(day), bar);
        state.base = state.base.or(Some(bar.open));
        at
    }

    fn number(&mut self, symbol: &str) -> usize {
        if let Some(&at) = self.index.get(symbol) {
            return at;
        }
        self.index.insert(symbol.to_owned(), self.symbols.len());
        self.symbols.push(SymbolState {
            name: symbol.to_owned(),
            day: None,
            bar: PlainBar::default(),
            base: None,
            spark: Spark::default(),
        });
        self.symbols.len() - 1
    }

    /// `bar` of the symbol `at` in a message.
    pub(super) fn row(&self, at: usize, bar: &PlainBar) -> BarRow<'_> {
        let state = &self.symbols[at];
        let PlainBar { frame_ms, open, high, low, close, volume, received_ms, revision } = *bar;
        BarRow(&state.name, frame_ms, open, high, low, close, volume, received_ms, revision, state.base)
    }

    /// The newest bar of the symbol `at`.
    pub(super) fn newest(&self, at: usize) -> BarRow<'_> {
        self.row(at, &self.symbols[at].bar)
    }

    /// Everything.
    pub(crate) fn list(&self) -> WatchList<'_> {
        let rows = (0..self.symbols.len()).map(|at| {
            let (low, high, levels) = self.symbols[at].spark.text();
            WatchRow(self.newest(at), low, high, levels)
        });
        WatchList { day: self.day, error: self.error.as_deref(), rows: rows.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Date = Date::constant(2024, 7, 4);
    const NEXT: Date = Date::constant(2024, 7, 5);

    fn bar(minute: i64, open: f64, close: f64) -> PlainBar {
        PlainBar { frame_ms: minute * 60_000, open, close, ..PlainBar::default() }
    }

    fn shown(board: &Board) -> (i64, f64, Option<f64>, String) {
        let WatchRow(BarRow(_, frame_ms, .., close, _, _, _, base), _, _, levels) = &board.list().rows[0];
        (frame_ms / 60_000, *close, *base, levels.clone())
    }

    #[test]
    fn the_newest_bar_is_shown_and_late_ones_change_nothing() {
        let mut board = Board::default();
        board.apply("A", bar(1, 10.0, 11.0), DAY);
        board.apply("A", bar(3, 11.0, 12.0), DAY);
        board.apply("A", bar(2, 11.0, 5.0), DAY);
        assert_eq!(shown(&board), (3, 12.0, Some(10.0), "A/".to_owned()));
    }

    #[test]
    fn a_revision_replaces_its_bar() {
        let mut board = Board::default();
        board.apply("A", bar(1, 10.0, 11.0), DAY);
        board.apply("A", bar(1, 10.0, 13.0), DAY);
        assert_eq!(shown(&board), (1, 13.0, Some(10.0), "A".to_owned()));
    }

    #[test]
    fn changes_are_counted_from_the_last_price_of_the_day_before() {
        let mut board = Board::default();
        board.apply("A", bar(1, 10.0, 11.0), DAY);
        board.apply("A", bar(1441, 20.0, 22.0), NEXT);
        board.apply("A", bar(2, 10.0, 1.0), DAY);
        assert_eq!(shown(&board), (1441, 22.0, Some(11.0), "A".to_owned()));
        assert_eq!(board.list().day, Some(NEXT));
    }
}
