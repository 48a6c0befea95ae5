//! What a feed delivers: bars, closes of trading days, and counts of missed bars.

use std::ops::Deref;

use barbus_bars::Date;
use barbus_ring::Row;

use crate::minutes::MinuteClosed;
use crate::symbol_table::SymbolNames;
use crate::withdrawn::Selection;

/// What a feed delivers, in the order in which it happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// New bars, at least one.
    Bars(Bars<'a>),
    /// The trading day has closed. All its bars up to here were delivered.
    DayClosed(Date),
    /// The reader was too slow: the writer has overwritten bars before they were read. The bars
    /// after them are delivered next.
    Lapped {
        /// The exact number of missed bars.
        missed: u64,
    },
    /// An operator has withdrawn bars, which were delivered or not: they are not bars of the bus
    /// any more. Right ones may follow. The ring keeps withdrawn bars until they are overwritten.
    Withdrawn(&'a Selection),
    /// A minute is complete. Only [`Minutes`](crate::Minutes) deliver it, which
    /// [`Reader::minutes`](crate::Reader::minutes) and `Replay::minutes` make.
    MinuteClosed(&'a MinuteClosed),
}

/// What a poll found that appends bars to memory of its caller.
#[derive(Debug)]
pub enum Appended<'a> {
    /// Bars were appended. The texts of all symbols, by id.
    Bars(&'a [String]),
    /// An event that has appended nothing.
    Event(Event<'a>),
    /// Symbols have other ids from now on: another ring has replaced the one that was read.
    OtherIds,
    /// There is nothing yet.
    Nothing,
}

/// A batch of bars, in the order of their sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bars<'a> {
    rows: &'a [Row],
    names: &'a SymbolNames,
}

/// A bar with the text of its symbol. It derefs to its [`Row`], which has the values.
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
    pub(crate) fn new(rows: &'a [Row], names: &'a SymbolNames) -> Self {
        Self { rows, names }
    }

    /// Number of bars.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Never true for the bars of an event.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The bars as a slice, with the ids of their symbols only.
    pub fn rows(&self) -> &'a [Row] {
        self.rows
    }

    /// The texts of all symbols, by id.
    pub(crate) fn names(&self) -> &'a SymbolNames {
        self.names
    }

    /// Iterates over the bars, each with the text of its symbol.
    pub fn iter(&self) -> BarsIter<'a> {
        BarsIter { rows: self.rows.iter(), names: self.names }
    }
}

impl<'a> IntoIterator for Bars<'a> {
    type Item = Bar<'a>;
    type IntoIter = BarsIter<'a>;

    fn into_iter(self) -> BarsIter<'a> {
        self.iter()
    }
}

/// The iterator over [`Bars`].
#[derive(Debug, Clone)]
pub struct BarsIter<'a> {
    rows: std::slice::Iter<'a, Row>,
    names: &'a SymbolNames,
}

impl<'a> Iterator for BarsIter<'a> {
    type Item = Bar<'a>;

    #[inline]
    fn next(&mut self) -> Option<Bar<'a>> {
        let row = self.rows.next()?;
        Some(Bar { symbol: self.names.get(row.symbol).unwrap_or_default(), row })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}
