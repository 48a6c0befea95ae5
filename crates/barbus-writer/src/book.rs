//! What the bus has already for a trading day: enough to tell a new bar from a duplicate and from a revision.
//!
//! A bar is remembered by a 64-bit fingerprint of its values, not by the values: a revision would be taken for a duplicate only
//! if two different sets of values had the same one, once in 2^64 revisions.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;
use std::thread::JoinHandle;

use barbus_ring::{Row, SymbolId};

use crate::log::Log;

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
///
/// Bars nearly always come in the order of their frames, and are then only written to the end of a log. The first one that does not, or
/// that is sent again, has the log sorted into the symbols' own lists.
#[derive(Debug, Default)]
pub(crate) struct DayBook {
    /// For each symbol the highest frame it has.
    last_ms: Vec<i64>,
    /// Bars that came in order, not yet in `symbols`.
    log: Log<(SymbolId, Entry)>,
    /// For each symbol its bars, ascending by frame.
    symbols: Vec<Vec<Entry>>,
    len: usize,
    /// Reads the bars that were there when the book was opened; they come before the log.
    loading: Option<JoinHandle<DayBook>>,
}

/// The values of a bar as 64 bits: what two equal bars share. It holds for this process only.
///
/// Value by value, not over the row's bytes: the row was written a moment ago, and wide loads over narrow stores wait for them.
#[inline]
pub(crate) fn fingerprint(row: &Row) -> u64 {
    static STATE: LazyLock<ahash::RandomState> = LazyLock::new(ahash::RandomState::new);
    let mut hasher = STATE.build_hasher();
    for value in [row.open, row.high, row.low, row.close, row.volume] {
        hasher.write_u64(value.to_bits());
    }
    hasher.write_u64(row.present.into());
    let optional = 8 - row.present.leading_zeros() as usize;
    for value in &row.optional[..optional.min(row.optional.len())] {
        hasher.write_u64(value.to_bits());
    }
    hasher.finish()
}

impl DayBook {
    /// A book whose bars are being read by another thread; `last_ms` has each symbol's highest frame of them, or a higher one.
    ///
    /// Bars behind those are new and need not wait for it; the first other one does.
    pub(crate) fn loading(last_ms: Vec<i64>, read: impl FnOnce() -> Self + Send + 'static) -> Self {
        let thread = std::thread::Builder::new().name("barbus-book".into()).spawn(read);
        Self { last_ms, loading: Some(thread.expect("a thread can be started")), ..Self::default() }
    }

    /// Waits for the bars that are being read, and puts those that came meanwhile behind them.
    pub(crate) fn finish_loading(&mut self) {
        let Some(thread) = self.loading.take() else { return };
        let mut whole = thread.join().expect("a book is read without panics");
        for &(symbol, entry) in self.log.iter() {
            whole.enter(symbol, entry.frame_ms(), entry.fingerprint, entry.revision());
        }
        *self = whole;
    }

    /// For each symbol the highest frame it has.
    pub(crate) fn last_frames(&self) -> &[i64] {
        &self.last_ms
    }

    /// Bars in the book.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What a bar would be whose values have this fingerprint, which a bar behind its symbol's last one need not be asked for.
    #[inline]
    pub(crate) fn standing(&mut self, symbol: SymbolId, frame_ms: i64, fingerprint: impl FnOnce() -> u64) -> Standing {
        match self.last_ms.get(symbol.0 as usize) {
            Some(&last_ms) if last_ms >= frame_ms => self.standing_of_known(symbol, frame_ms, fingerprint()),
            _ => Standing::New,
        }
    }

    #[cold]
    fn standing_of_known(&mut self, symbol: SymbolId, frame_ms: i64, fingerprint: u64) -> Standing {
        self.finish_loading();
        self.sort_log();
        // What was read may know less than was expected of it.
        let Some(entries) = self.symbols.get(symbol.0 as usize) else { return Standing::New };
        match entries.binary_search_by_key(&frame_ms, Entry::frame_ms) {
            Err(_) => Standing::New,
            Ok(at) if entries[at].fingerprint == fingerprint => Standing::Duplicate,
            Ok(at) => Standing::Revision(entries[at].revision().saturating_add(1)),
        }
    }

    /// Enters a bar, in the place of what was there for its frame.
    #[inline]
    pub(crate) fn enter(&mut self, symbol: SymbolId, frame_ms: i64, fingerprint: u64, revision: u8) {
        let entry = Entry { frame_and_revision: frame_ms << 8 | i64::from(revision), fingerprint };
        if symbol.0 as usize >= self.last_ms.len() {
            self.last_ms.resize(symbol.0 as usize + 1, i64::MIN);
        }
        let last_ms = &mut self.last_ms[symbol.0 as usize];
        if *last_ms < frame_ms {
            *last_ms = frame_ms;
            self.log.push((symbol, entry));
            self.len += 1;
        } else {
            self.enter_between(symbol, entry);
        }
    }

    #[cold]
    fn enter_between(&mut self, symbol: SymbolId, entry: Entry) {
        if self.loading.is_some() {
            self.finish_loading();
            return self.enter(symbol, entry.frame_ms(), entry.fingerprint, entry.revision());
        }
        self.sort_log();
        let entries = &mut self.symbols[symbol.0 as usize];
        match entries.binary_search_by_key(&entry.frame_ms(), Entry::frame_ms) {
            Ok(at) => entries[at] = entry,
            Err(at) => {
                entries.insert(at, entry);
                self.len += 1;
            }
        }
    }

    /// Moves the log into the symbols' lists: what is in it is behind everything there.
    fn sort_log(&mut self) {
        self.symbols.resize_with(self.last_ms.len(), Vec::new);
        if self.log.len() > self.last_ms.len() {
            let mut counts = vec![0; self.last_ms.len()];
            self.log.iter().for_each(|(symbol, _)| counts[symbol.0 as usize] += 1);
            self.symbols.iter_mut().zip(counts).for_each(|(entries, count)| entries.reserve(count));
        }
        for &(symbol, entry) in self.log.iter() {
            self.symbols[symbol.0 as usize].push(entry);
        }
        self.log.clear();
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
    /// Waits for every book that is being read from the ring.
    pub(crate) fn finish_loading(&mut self) {
        let current = self.current.iter_mut().map(|(_, book)| book);
        let others = self.books.values_mut().map(|(_, book)| book);
        current.chain(others).for_each(DayBook::finish_loading);
    }

    /// The book of the day that was turned to last.
    ///
    /// # Panics
    /// When none was.
    #[inline]
    pub(crate) fn current(&mut self) -> &mut DayBook {
        &mut self.current.as_mut().expect("a day was turned to").1
    }

    /// Makes the book of `day` the current one; it is made by `load` where it is not in memory.
    pub(crate) fn turn_to<E>(&mut self, day: i64, load: impl FnOnce() -> Result<DayBook, E>) -> Result<(), E> {
        if self.current.as_ref().is_some_and(|(current, _)| *current == day) {
            return Ok(());
        }
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
            assert_eq!(book.standing(row.symbol, frame, || fingerprint(&row)), Standing::New);
            book.enter_row(&row);
            assert_eq!(book.standing(row.symbol, frame, || fingerprint(&row)), Standing::Duplicate);
            let other = bar(frame, 2.0);
            assert_eq!(book.standing(row.symbol, frame, || fingerprint(&other)), Standing::Revision(1));
        }
        let revised = Row { revision: 1, ..bar(3, 2.0) };
        book.enter_row(&revised);
        assert_eq!(book.standing(SymbolId(0), 3, || fingerprint(&bar(3, 1.0))), Standing::Revision(2));
        assert_eq!(book.len(), 4);
        // A symbol that the day has not seen, also one between two that it has.
        for symbol in [7, 3] {
            assert_eq!(book.standing(SymbolId(symbol), 9, || 0), Standing::New);
            book.enter(SymbolId(symbol), 9, 0, 0);
            assert_eq!(book.standing(SymbolId(symbol), 9, || 0), Standing::Duplicate);
        }
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
            books.turn_to(day, big).unwrap();
        }
        // Two of half the limit each, besides the one in use.
        let mut kept: Vec<i64> = books.books.keys().copied().collect();
        kept.sort_unstable();
        assert_eq!((kept, books.current.map(|(day, _)| day)), (vec![1, 2], Some(3)));
    }
}
