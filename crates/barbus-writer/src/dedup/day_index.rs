//! The bars of one trading day, as far as deduplication needs them.
//!
//! A bar is stored as a 64-bit fingerprint of its values.
//! Two different sets of values with the same fingerprint would turn a revision into a duplicate,
//! once in 2^64 revisions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use barbus_ring::{Row, SymbolId};

use crate::dedup::fingerprint::fingerprint;
use crate::dedup::frame::{Frame, IndexedBar};
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

/// The bars of one trading day, by frame and symbol.
///
/// Bars nearly always arrive in the order of their frames, and late ones for one frame after the
/// other. What is compared together is therefore together in memory, and no bar takes longer the
/// more bars the day has.
#[derive(Debug, Default)]
pub(crate) struct DayIndex {
    /// For each symbol its highest frame.
    last_ms: Vec<i64>,
    /// In the order of their first bars.
    frames: Vec<Frame>,
    /// The place of each frame in `frames`.
    places: HashMap<i64, usize, ahash::RandomState>,
    /// The place of the frame that was used last.
    at: usize,
    /// The place of the latest frame.
    latest: usize,
    /// The thread that loads the earlier bars; they precede those of `frames`.
    loading: Option<Loading>,
    /// The oldest block of the ring that this thread has yet to read.
    unread: Arc<AtomicU64>,
}

/// A thread that loads an index of the writer. It reads the ring, so it ends before the writer
/// does: the ring's lock is held as long as anybody has the map.
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

    /// The same bars, of symbols with other ids: `ids` has the id of each symbol.
    /// Bars of a symbol without one are left out.
    pub(crate) fn renumbered(mut self, ids: &[Option<SymbolId>]) -> Self {
        self.frames.iter_mut().for_each(|frame| frame.renumber(ids));
        let last_ms = std::mem::take(&mut self.last_ms);
        for (last_ms, id) in last_ms.into_iter().zip(ids) {
            if let Some(id) = id {
                *self.last_ms_mut(*id) = last_ms;
            }
        }
        self
    }

    /// Waits for the bars that are being loaded, and appends the bars that arrived meanwhile.
    pub(crate) fn finish_loading(&mut self) {
        let Some(mut loaded) = self.loading.take().and_then(Loading::join) else { return };
        for frame in &self.frames {
            frame.bars().iter().for_each(|bar| loaded.insert_bar(frame.frame_ms, *bar));
        }
        *self = loaded;
    }

    /// For each symbol its highest frame.
    pub(crate) fn last_frames(&self) -> &[i64] {
        &self.last_ms
    }

    /// The number of bars.
    pub(crate) fn len(&self) -> usize {
        self.frames.iter().map(|frame| frame.bars().len()).sum()
    }

    /// The number of bars; `None` while the earlier ones are being loaded.
    pub(crate) fn loaded_len(&self) -> Option<usize> {
        self.loading.is_none().then(|| self.len())
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
        // The loaded bars may end below the `last_ms` that was assumed for them.
        match self.find(symbol, frame_ms) {
            None => BarStatus::New,
            Some(bar) if bar.fingerprint == fingerprint => BarStatus::Duplicate,
            Some(bar) => BarStatus::Revision(bar.revision.saturating_add(1)),
        }
    }

    /// The highest frame of a symbol, or a higher one; `i64::MIN` without a bar.
    pub(crate) fn last_frame(&self, symbol: SymbolId) -> i64 {
        self.last_ms.get(symbol.0 as usize).copied().unwrap_or(i64::MIN)
    }

    /// The rank of the source that gave a bar.
    pub(crate) fn giver(&mut self, symbol: SymbolId, frame_ms: i64) -> Rank {
        self.find(symbol, frame_ms).map_or(Rank::UNKNOWN, |bar| bar.giver)
    }

    /// Records that a bar was given by a source of `giver` too.
    pub(crate) fn raise_giver(&mut self, symbol: SymbolId, frame_ms: i64, giver: Rank) {
        // Of a bar whose giver is not known it is known then.
        let is_higher = |bar: &&mut IndexedBar| giver == Rank::FIRST || giver < bar.giver;
        if let Some(bar) = self.find(symbol, frame_ms).filter(is_higher) {
            bar.giver = giver;
        }
    }

    fn find(&mut self, symbol: SymbolId, frame_ms: i64) -> Option<&mut IndexedBar> {
        let at = self.place(frame_ms)?;
        self.at = at;
        self.frames[at].find(symbol)
    }

    /// The place of a frame in `frames`.
    #[inline]
    fn place(&self, frame_ms: i64) -> Option<usize> {
        // Mostly it is the same frame as before, or the next one.
        let mut likely = self.frames.iter().enumerate().skip(self.at).take(2);
        let found = likely.find(|(_, frame)| frame.frame_ms == frame_ms).map(|(at, _)| at);
        found.or_else(|| self.places.get(&frame_ms).copied())
    }

    /// Makes room for bars of these frames.
    pub(crate) fn reserve(&mut self, frames_ms: &[i64]) {
        let mut more = vec![0; self.frames.len()];
        for &frame_ms in frames_ms {
            self.go_to_frame(frame_ms);
            more.resize(self.frames.len(), 0);
            more[self.at] += 1;
        }
        self.frames.iter_mut().zip(more).for_each(|(frame, bars)| frame.reserve(bars));
    }

    /// Goes to a frame, which is new if it has no bar.
    fn go_to_frame(&mut self, frame_ms: i64) {
        self.at = self.place(frame_ms).unwrap_or_else(|| {
            let place = self.frames.len();
            let latest = self.frames.get(self.latest);
            let mut bars = 0;
            if latest.is_none_or(|latest| latest.frame_ms < frame_ms) {
                // It mostly has as many bars as the frame before it, or a few more.
                bars = latest.map_or(0, |latest| latest.bars().len());
                self.latest = place;
            }
            self.frames.push(Frame::with_room(frame_ms, bars + bars / 16));
            self.places.insert(frame_ms, place);
            place
        });
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
        self.insert_bar(frame_ms, IndexedBar { symbol, revision, giver, fingerprint });
    }

    #[inline(always)]
    fn insert_bar(&mut self, frame_ms: i64, bar: IndexedBar) {
        let last_ms = self.last_ms_mut(bar.symbol);
        if *last_ms >= frame_ms {
            return self.insert_out_of_order(frame_ms, bar);
        }
        *last_ms = frame_ms;
        self.push(frame_ms, bar);
    }

    #[cold]
    fn insert_out_of_order(&mut self, frame_ms: i64, bar: IndexedBar) {
        self.finish_loading();
        match self.find(bar.symbol, frame_ms) {
            Some(known) => *known = bar,
            None => self.push(frame_ms, bar),
        }
        // The loaded bars may end below the frame that was assumed for them.
        let last_ms = self.last_ms_mut(bar.symbol);
        *last_ms = frame_ms.max(*last_ms);
    }

    #[inline(always)]
    fn push(&mut self, frame_ms: i64, bar: IndexedBar) {
        match self.frames.get_mut(self.at) {
            Some(frame) if frame.frame_ms == frame_ms => frame.push(bar),
            _ => self.push_to_other_frame(frame_ms, bar),
        }
    }

    #[cold]
    fn push_to_other_frame(&mut self, frame_ms: i64, bar: IndexedBar) {
        self.go_to_frame(frame_ms);
        self.frames[self.at].push(bar);
    }

    #[inline(always)]
    fn last_ms_mut(&mut self, symbol: SymbolId) -> &mut i64 {
        if symbol.0 as usize >= self.last_ms.len() {
            self.last_ms.resize(symbol.0 as usize + 1, i64::MIN);
        }
        &mut self.last_ms[symbol.0 as usize]
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
