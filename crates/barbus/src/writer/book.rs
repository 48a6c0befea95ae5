//! What the bus has already for a trading day: enough to tell a new bar from a duplicate and from a revision.
//!
//! A bar is remembered by a 64-bit fingerprint of its values, not by the values: a revision would be taken for a duplicate only
//! if two different sets of values had the same one, once in 2^64 revisions.

use std::collections::HashMap;

use barbus_ring::{Row, SymbolId};
use xxhash_rust::xxh3::xxh3_64;

/// What a bar is, next to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    New,
    Duplicate,
    /// With the number of the revision, from 1.
    Revision(u8),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The frame, with the revision in the lowest byte: 16 bytes a bar instead of 24.
    frame_and_revision: i64,
    fingerprint: u64,
}

impl Entry {
    fn frame_ms(&self) -> i64 {
        self.frame_and_revision >> 8
    }

    fn revision(&self) -> u8 {
        self.frame_and_revision as u8
    }
}

/// The bars of one trading day.
#[derive(Debug, Default)]
pub(crate) struct DayBook {
    /// For each symbol its bars, ascending by frame.
    symbols: Vec<Vec<Entry>>,
    len: usize,
}

/// The values of a bar as 64 bits: what two equal bars share.
#[inline]
pub(crate) fn fingerprint(row: &Row) -> u64 {
    let mut bytes = [0u8; 8 * 12];
    let values = [row.open, row.high, row.low, row.close, row.volume, f64::from_bits(row.present.into())];
    for (at, value) in bytes.chunks_exact_mut(8).zip(values.iter().chain(&row.optional)) {
        at.copy_from_slice(&value.to_bits().to_le_bytes());
    }
    // What follows the last optional value that is present is zero: it says nothing.
    let optional = 8 - row.present.leading_zeros() as usize;
    xxh3_64(&bytes[..8 * (6 + optional)])
}

impl DayBook {
    /// Bars in the book.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What a bar with these values would be.
    #[inline]
    pub(crate) fn standing(&self, symbol: SymbolId, frame_ms: i64, fingerprint: u64) -> Standing {
        let Some(entries) = self.symbols.get(symbol.0 as usize) else { return Standing::New };
        // Bars nearly always come in order.
        if entries.last().is_none_or(|last| last.frame_ms() < frame_ms) {
            return Standing::New;
        }
        match entries.binary_search_by_key(&frame_ms, Entry::frame_ms) {
            Err(_) => Standing::New,
            Ok(at) if entries[at].fingerprint == fingerprint => Standing::Duplicate,
            Ok(at) => Standing::Revision(entries[at].revision().saturating_add(1)),
        }
    }

    /// Enters a bar, in the place of what was there for its frame.
    #[inline]
    pub(crate) fn enter(&mut self, symbol: SymbolId, frame_ms: i64, fingerprint: u64, revision: u8) {
        let symbol = symbol.0 as usize;
        if symbol >= self.symbols.len() {
            self.symbols.resize_with(symbol + 1, Vec::new);
        }
        let entries = &mut self.symbols[symbol];
        let entry = Entry { frame_and_revision: frame_ms << 8 | i64::from(revision), fingerprint };
        if entries.last().is_none_or(|last| last.frame_ms() < frame_ms) {
            entries.push(entry);
            self.len += 1;
            return;
        }
        match entries.binary_search_by_key(&frame_ms, Entry::frame_ms) {
            Ok(at) => entries[at] = entry,
            Err(at) => {
                entries.insert(at, entry);
                self.len += 1;
            }
        }
    }

    pub(crate) fn enter_row(&mut self, row: &Row) {
        self.enter(row.symbol, row.frame_ms, fingerprint(row), row.revision);
    }
}

/// The books that are in memory, by day (days since 1970-01-01); those least recently asked for are given up first.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// The book asked for last: nearly every bar is for the same day as the one before it.
    current: Option<(i64, DayBook)>,
    /// The others, with when they were asked for last.
    books: HashMap<i64, (u64, DayBook)>,
    clock: u64,
}

/// Bars that are remembered, over all days but the one just asked for: about 100 MB.
const MOST_BARS: usize = 4_000_000;

impl Books {
    /// The book of `day`, made by `load` where it is not in memory.
    #[inline]
    pub(crate) fn of<E>(&mut self, day: i64, load: impl FnOnce() -> Result<DayBook, E>) -> Result<&mut DayBook, E> {
        if self.current.as_ref().is_none_or(|(current, _)| *current != day) {
            self.turn_to(day, load)?;
        }
        Ok(&mut self.current.as_mut().expect("it was just turned to").1)
    }

    #[cold]
    fn turn_to<E>(&mut self, day: i64, load: impl FnOnce() -> Result<DayBook, E>) -> Result<(), E> {
        let book = match self.books.remove(&day) {
            Some((_, book)) => book,
            None => load()?,
        };
        self.clock += 1;
        if let Some((before, book)) = self.current.replace((day, book)) {
            self.books.insert(before, (self.clock, book));
        }
        let mut bars = self.books.values().map(|(_, book)| book.len()).sum::<usize>();
        while bars > MOST_BARS {
            let Some(oldest) = self.books.iter().min_by_key(|(_, (used, _))| *used).map(|(&day, _)| day) else { break };
            bars -= self.books.remove(&oldest).map_or(0, |(_, book)| book.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(frame_ms: i64, close: f64) -> Row {
        Row { frame_ms, close, ..Row::default() }
    }

    /// Promise 8: the same again is a duplicate, other values are a revision, in any order of frames.
    #[test]
    fn a_bar_is_new_then_duplicate_then_revised() {
        let mut book = DayBook::default();
        for frame in [5, 3, 9, 4] {
            let row = bar(frame, 1.0);
            assert_eq!(book.standing(row.symbol, frame, fingerprint(&row)), Standing::New);
            book.enter_row(&row);
            assert_eq!(book.standing(row.symbol, frame, fingerprint(&row)), Standing::Duplicate);
            let other = bar(frame, 2.0);
            assert_eq!(book.standing(row.symbol, frame, fingerprint(&other)), Standing::Revision(1));
        }
        let revised = Row { revision: 1, ..bar(3, 2.0) };
        book.enter_row(&revised);
        assert_eq!(book.standing(SymbolId(0), 3, fingerprint(&bar(3, 1.0))), Standing::Revision(2));
        assert_eq!(book.len(), 4);
        let null = Row { present: 0, ..bar(3, 2.0) };
        let zero = Row { present: 1, ..bar(3, 2.0) };
        assert_ne!(fingerprint(&null), fingerprint(&zero));
    }

    #[test]
    fn books_are_given_up_when_there_are_too_many_bars() {
        let mut books = Books::default();
        let big = || {
            let mut book = DayBook::default();
            (0..MOST_BARS as i64 / 2).for_each(|frame| book.enter(SymbolId(0), frame, 0, 0));
            Ok::<_, ()>(book)
        };
        for day in 0..4 {
            books.of(day, big).unwrap();
        }
        // Two of half the limit each, besides the one in use.
        let mut kept: Vec<i64> = books.books.keys().copied().collect();
        kept.sort_unstable();
        assert_eq!((kept, books.current.map(|(day, _)| day)), (vec![1, 2], Some(3)));
    }
}
