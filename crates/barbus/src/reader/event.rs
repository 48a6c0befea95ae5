use std::ops::Deref;

use barbus_bars::Date;
use barbus_ring::Row;

/// What a reader is given, in the order in which it happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// New bars, at least one.
    Bars(Bars<'a>),
    /// The trading day was closed; every bar that came before was given out.
    DayClosed(Date),
    /// The reader fell behind the ring: exactly so many bars were missed, and the next ones follow.
    Lapped {
        /// Bars missed.
        missed: u64,
    },
}

/// Some bars, in the order of their sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bars<'a> {
    rows: &'a [Row],
    symbols: &'a [String],
}

/// A bar with its symbol's text; its values are those of the [`Row`] it derefs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar<'a> {
    /// The symbol.
    pub symbol: &'a str,
    row: &'a Row,
}

impl Deref for Bar<'_> {
    type Target = Row;

    fn deref(&self) -> &Row {
        self.row
    }
}

impl<'a> Bars<'a> {
    pub(crate) fn new(rows: &'a [Row], symbols: &'a [String]) -> Self {
        Self { rows, symbols }
    }

    /// Number of bars.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Never true for the bars of an event.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The bars without their symbols' texts.
    pub fn rows(&self) -> &'a [Row] {
        self.rows
    }

    /// The texts of all symbols, by id.
    #[cfg(feature = "stream")]
    pub(crate) fn symbols(&self) -> &'a [String] {
        self.symbols
    }

    /// One bar after the other.
    pub fn iter(&self) -> BarsIter<'a> {
        BarsIter { rows: self.rows.iter(), symbols: self.symbols }
    }
}

impl<'a> IntoIterator for Bars<'a> {
    type Item = Bar<'a>;
    type IntoIter = BarsIter<'a>;

    fn into_iter(self) -> BarsIter<'a> {
        self.iter()
    }
}

/// One bar after the other, of [`Bars`].
#[derive(Debug, Clone)]
pub struct BarsIter<'a> {
    rows: std::slice::Iter<'a, Row>,
    symbols: &'a [String],
}

impl<'a> Iterator for BarsIter<'a> {
    type Item = Bar<'a>;

    fn next(&mut self) -> Option<Bar<'a>> {
        let row = self.rows.next()?;
        Some(Bar { symbol: self.symbols.get(row.symbol.0 as usize).map_or("", String::as_str), row })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}
