//! The bars of one trading day, as far as deduplication needs them.
//!
//! A bar is stored as a 64-bit fingerprint of its values.
//! Two different sets of values with the same fingerprint would turn a revision into a duplicate,
//! once in 2^64 revisions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use barbus_ring::{Row, SymbolId};

use crate::background::lower_priority;
use crate::dedup::fingerprint::fingerprint;
use crate::dedup::log::AppendLog;
use crate::sources::Rank;

/// A bar compared with the bars that the bus already has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BarStatus {
    New,
    Duplicate,
    /// Other values for a known symbol and frame, with the number of the revision, from 1.
    Revision(u8),
    /// Other values that do not stand, because a source of this rank, which is a higher one, gave
    /// the bar. Only [`crate::sources::Arbiter`] finds it.
    Conflict(Rank),
}

/// Bits of the number of a revision.
const REVISION_BITS: u32 = u8::BITS;
/// Bits below the frame: it has room for 70,000 years before and after 1970.
const FRAME_SHIFT: u32 = REVISION_BITS + Rank::BITS;

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The frame, the rank of the source that gave the bar, and the revision in the lowest byte: 16
    /// bytes for each bar instead of 24.
    frame_giver_revision: i64,
    fingerprint: u64,
}

impl Entry {
    #[inline(always)]
    fn new(frame_ms: i64, fingerprint: u64, revision: u8, giver: Rank) -> Self {
        let giver_revision = i64::from(giver.bits()) << REVISION_BITS | i64::from(revision);
        Self { frame_giver_revision: frame_ms << FRAME_SHIFT | giver_revision, fingerprint }
    }

    fn frame_ms(&self) -> i64 {
        self.frame_giver_revision >> FRAME_SHIFT
    }

    fn giver(&self) -> Rank {
        Rank::of_bits((self.frame_giver_revision >> REVISION_BITS) as u8)
    }

    fn revision(&self) -> u8 {
        self.frame_giver_revision as u8
    }
}

/// The bars of one trading day.
///
/// Bars nearly always arrive in the order of their frames; they are then only appended to a log. At
/// the first bar that is out of order or sent twice, the log is sorted into a list for each symbol.
#[derive(Debug, Default)]
pub(crate) struct DayIndex {
    /// For each symbol its highest frame.
    last_ms: Vec<i64>,
    /// Bars that arrived in order and are not in `symbols` yet.
    log: AppendLog<(SymbolId, Entry)>,
    /// For each symbol its bars, ascending by frame.
    symbols: Vec<Vec<Entry>>,
    len: usize,
    /// The thread that loads the earlier bars; they precede the log.
    loading: Option<Loading>,
    /// The oldest block of the ring that this thread has yet to read.
    unread: Arc<AtomicU64>,
    /// No bar can be compared before that thread has ended: `last_ms` does not cover its bars.
    blocked: bool,
}

/// A thread that loads an index. It reads the ring, so it ends before the writer does: the ring's
/// lock is held as long as anybody has the map.
#[derive(Debug)]
struct Loading(Option<JoinHandle<DayIndex>>);

impl Loading {
    fn start(load: impl FnOnce() -> DayIndex + Send + 'static) -> Self {
        let thread = std::thread::Builder::new().name("barbus-dedup".into()).spawn(load);
        Self(Some(thread.expect("a thread can be started")))
    }

    fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn join(mut self) -> Option<DayIndex> {
        self.0.take().map(|thread| thread.join().expect("an index is loaded without a panic"))
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

impl DayIndex {
    /// An index whose bars are loaded by another thread, which runs `load`.
    ///
    /// `last_ms` has for each symbol the highest frame of those bars, or a higher one.
    /// A bar above it is new and does not wait for the thread; the first other bar does.
    ///
    /// The thread keeps in `unread` the oldest block of the ring that it has yet to read.
    pub(crate) fn loading(
        last_ms: Vec<i64>,
        unread: Arc<AtomicU64>,
        load: impl FnOnce() -> Self + Send + 'static,
    ) -> Self {
        Self { last_ms, loading: Some(Loading::start(load)), unread, ..Self::default() }
    }

    /// An index of a closed day, whose bars another thread loads. Before [`DayIndex::is_usable`],
    /// using it would wait for that thread.
    pub(crate) fn loading_late(unread: Arc<AtomicU64>, load: impl FnOnce() -> Self + Send + 'static) -> Self {
        let load = || {
            lower_priority();
            let mut index = load();
            // The first late bar would do it otherwise, and all producers would wait for it.
            index.sort_log();
            index
        };
        Self { blocked: true, ..Self::loading(Vec::new(), unread, load) }
    }

    /// Whether every thread that loads the index has ended.
    pub(crate) fn is_loaded(&self) -> bool {
        self.loading.as_ref().is_none_or(Loading::is_finished)
    }

    /// The oldest block of the ring that has yet to be read for this index; `u64::MAX` if there is
    /// none.
    pub(crate) fn oldest_unread(&self) -> u64 {
        // It pairs with the store of the thread: the rows of the blocks before were read.
        self.loading.as_ref().map_or(u64::MAX, |_| self.unread.load(Ordering::Acquire))
    }

    /// Whether bars can be compared without waiting for the thread that loads the index.
    pub(crate) fn is_usable(&self) -> bool {
        !self.blocked || self.is_loaded()
    }

    /// Takes the bars of a [`DayIndex::loading_late`] over from its thread: until then every bar
    /// would count as new.
    pub(crate) fn take_late_bars(&mut self) {
        if self.blocked {
            self.finish_loading();
        }
    }

    /// The same bars, of symbols with other ids: `ids` has the id of each symbol.
    /// Bars of a symbol without one are left out.
    pub(crate) fn renumbered(mut self, ids: &[Option<SymbolId>]) -> Self {
        self.sort_log();
        let mut index = Self::default();
        for ((bars, last_ms), id) in self.symbols.into_iter().zip(self.last_ms).zip(ids) {
            let Some(SymbolId(id)) = *id else { continue };
            if id as usize >= index.last_ms.len() {
                index.last_ms.resize(id as usize + 1, i64::MIN);
                index.symbols.resize_with(id as usize + 1, Vec::new);
            }
            index.len += bars.len();
            index.last_ms[id as usize] = last_ms;
            index.symbols[id as usize] = bars;
        }
        index
    }

    /// Waits for the bars that are being loaded, and appends the bars that arrived meanwhile.
    pub(crate) fn finish_loading(&mut self) {
        let Some(mut loaded) = self.loading.take().and_then(Loading::join) else { return };
        for &(symbol, entry) in self.log.iter() {
            loaded.insert_entry(symbol, entry.frame_ms(), entry);
        }
        *self = loaded;
    }

    /// For each symbol its highest frame.
    pub(crate) fn last_frames(&self) -> &[i64] {
        &self.last_ms
    }

    /// The number of bars.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The number of bars; `None` while the earlier ones are being loaded.
    pub(crate) fn loaded_len(&self) -> Option<usize> {
        self.loading.is_none().then_some(self.len)
    }

    /// Compares a bar with the index. `fingerprint` is called only if the frame may be known.
    #[inline]
    pub(crate) fn status(&mut self, symbol: SymbolId, frame_ms: i64, fingerprint: impl FnOnce() -> u64) -> BarStatus {
        match self.last_ms.get(symbol.0 as usize) {
            Some(&last_ms) if last_ms >= frame_ms => self.look_up(symbol, frame_ms, fingerprint()),
            _ => BarStatus::New,
        }
    }

    #[cold]
    fn look_up(&mut self, symbol: SymbolId, frame_ms: i64, fingerprint: u64) -> BarStatus {
        self.finish_loading();
        self.sort_log();
        // The loaded bars may end below the `last_ms` that was assumed for them.
        let Some(entries) = self.symbols.get(symbol.0 as usize) else { return BarStatus::New };
        match entries.binary_search_by_key(&frame_ms, Entry::frame_ms) {
            Err(_) => BarStatus::New,
            Ok(at) if entries[at].fingerprint == fingerprint => BarStatus::Duplicate,
            Ok(at) => BarStatus::Revision(entries[at].revision().saturating_add(1)),
        }
    }

    /// The highest frame of a symbol, or a higher one; `i64::MIN` without a bar.
    pub(crate) fn last_frame(&self, symbol: SymbolId) -> i64 {
        self.last_ms.get(symbol.0 as usize).copied().unwrap_or(i64::MIN)
    }

    /// The rank of the source that gave a bar whose status was asked for just before.
    pub(crate) fn giver(&mut self, symbol: SymbolId, frame_ms: i64) -> Rank {
        self.entry(symbol, frame_ms).map_or(Rank::UNKNOWN, |entry| entry.giver())
    }

    /// Records that such a bar was given by a source of `giver` too.
    pub(crate) fn raise_giver(&mut self, symbol: SymbolId, frame_ms: i64, giver: Rank) {
        // Of a bar whose giver is not known it is known then.
        let is_higher = |entry: &&mut Entry| giver == Rank::FIRST || giver < entry.giver();
        if let Some(entry) = self.entry(symbol, frame_ms).filter(is_higher) {
            *entry = Entry::new(frame_ms, entry.fingerprint, entry.revision(), giver);
        }
    }

    fn entry(&mut self, symbol: SymbolId, frame_ms: i64) -> Option<&mut Entry> {
        let entries = self.symbols.get_mut(symbol.0 as usize)?;
        let at = entries.binary_search_by_key(&frame_ms, Entry::frame_ms).ok()?;
        Some(&mut entries[at])
    }

    /// Inserts a bar, or replaces the bar of the same symbol and frame.
    #[inline]
    pub(crate) fn insert(&mut self, symbol: SymbolId, frame_ms: i64, fingerprint: u64, revision: u8) {
        self.insert_given(symbol, frame_ms, fingerprint, revision, Rank::UNKNOWN);
    }

    /// The same for a bar that a source of rank `giver` gave.
    #[inline]
    pub(crate) fn insert_given(
        &mut self,
        symbol: SymbolId,
        frame_ms: i64,
        fingerprint: u64,
        revision: u8,
        giver: Rank,
    ) {
        self.insert_entry(symbol, frame_ms, Entry::new(frame_ms, fingerprint, revision, giver));
    }

    #[inline(always)]
    fn insert_entry(&mut self, symbol: SymbolId, frame_ms: i64, entry: Entry) {
        if symbol.0 as usize >= self.last_ms.len() {
            self.last_ms.resize(symbol.0 as usize + 1, i64::MIN);
        }
        let last_ms = &mut self.last_ms[symbol.0 as usize];
        if *last_ms < frame_ms {
            *last_ms = frame_ms;
            self.log.push((symbol, entry));
            self.len += 1;
        } else {
            self.insert_out_of_order(symbol, entry);
        }
    }

    #[cold]
    fn insert_out_of_order(&mut self, symbol: SymbolId, entry: Entry) {
        if self.loading.is_some() {
            self.finish_loading();
            return self.insert_entry(symbol, entry.frame_ms(), entry);
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

    /// Moves the log into the lists. Each entry of the log is above all entries of its list.
    pub(crate) fn sort_log(&mut self) {
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

    pub(crate) fn insert_row(&mut self, row: &Row) {
        self.insert(row.symbol, row.frame_ms, fingerprint(row), row.revision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(frame_ms: i64, close: f64) -> Row {
        Row { frame_ms, close, ..Row::default() }
    }

    /// Promise 8: the same bar again is a duplicate, other values are a revision, in any order of
    /// frames.
    #[test]
    fn a_bar_is_new_then_duplicate_then_revised() {
        let mut index = DayIndex::default();
        for frame in [5, 3, 9, 4] {
            let row = bar(frame, 1.0);
            assert_eq!(index.status(row.symbol, frame, || fingerprint(&row)), BarStatus::New);
            index.insert_row(&row);
            assert_eq!(index.status(row.symbol, frame, || fingerprint(&row)), BarStatus::Duplicate);
            let other = bar(frame, 2.0);
            assert_eq!(index.status(row.symbol, frame, || fingerprint(&other)), BarStatus::Revision(1));
        }
        let revised = Row { revision: 1, ..bar(3, 2.0) };
        index.insert_row(&revised);
        assert_eq!(index.status(SymbolId(0), 3, || fingerprint(&bar(3, 1.0))), BarStatus::Revision(2));
        assert_eq!(index.len(), 4);
        // Symbols without a bar of this day: one above all known ids, one between them.
        for symbol in [7, 3] {
            assert_eq!(index.status(SymbolId(symbol), 9, || 0), BarStatus::New);
            index.insert(SymbolId(symbol), 9, 0, 0);
            assert_eq!(index.status(SymbolId(symbol), 9, || 0), BarStatus::Duplicate);
        }
        let null = Row { present: 0, ..bar(3, 2.0) };
        let zero = Row { present: 1, ..bar(3, 2.0) };
        assert_ne!(fingerprint(&null), fingerprint(&zero));
    }

    #[test]
    fn an_entry_keeps_a_frame_a_rank_and_a_revision() {
        let year_9999_ms = 253_402_300_740_000;
        for frame_ms in [-year_9999_ms, -60_000, 0, 1_720_056_660_000, year_9999_ms] {
            for (giver, revision) in [(Rank::UNKNOWN, 0), (Rank::FIRST, u8::MAX), (Rank::UNLISTED, 1)] {
                let entry = Entry::new(frame_ms, 7, revision, giver);
                assert_eq!((entry.frame_ms(), entry.giver(), entry.revision()), (frame_ms, giver, revision));
            }
        }
        assert_eq!(size_of::<Entry>(), 16);
    }

    #[test]
    fn a_renumbered_index_has_the_same_bars() {
        let mut index = DayIndex::default();
        for (symbol, frame) in [(0, 5), (0, 3), (1, 4), (2, 9)] {
            index.insert_row(&Row { symbol: SymbolId(symbol), ..bar(frame, 1.0) });
        }
        let mut index = index.renumbered(&[Some(SymbolId(7)), None, Some(SymbolId(2))]);
        let mut status = |symbol, frame| index.status(SymbolId(symbol), frame, || fingerprint(&bar(frame, 1.0)));
        let found = [status(7, 5), status(7, 3), status(2, 9)];
        assert_eq!(found, [BarStatus::Duplicate; 3]);
        assert_eq!([status(7, 4), status(1, 4), status(0, 5), status(8, 5)], [BarStatus::New; 4]);
        assert_eq!(index.len(), 3);
    }
}
