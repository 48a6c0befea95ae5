//! The bars that end at one moment, by symbol.

use barbus_ring::SymbolId;

use crate::sources::Rank;

/// Bytes of a memory page. The first write to a page makes the kernel allocate it.
const PAGE: usize = 4_096;
/// Bars that are searched one by one, because sorting them in would take longer.
const MAX_UNSORTED: usize = 64;

/// What the index stores of a bar, besides its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexedBar {
    pub(crate) symbol: SymbolId,
    /// The number of its last revision.
    pub(crate) revision: u8,
    /// The rank of the source that gave it.
    pub(crate) giver: Rank,
    pub(crate) fingerprint: u64,
}

/// The bars of one frame, each symbol once.
///
/// A bar is only appended, because that is what a live bar waits for. The list is sorted when bars
/// are searched in it: mostly it is sorted already, because a producer sends its symbols in the
/// same order each minute, and their ids count up in the order in which they became known.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) frame_ms: i64,
    bars: Vec<IndexedBar>,
    /// As many bars from the first on are known to ascend by symbol.
    sorted: usize,
}

impl Frame {
    /// An empty frame with room for `bars`. The kernel allocates the memory now, and not one page
    /// after the other while bars are appended.
    pub(crate) fn with_room(frame_ms: i64, bars: usize) -> Self {
        let mut list = Vec::with_capacity(bars);
        let nothing = IndexedBar { symbol: SymbolId(0), revision: 0, giver: Rank::UNKNOWN, fingerprint: 0 };
        for place in list.spare_capacity_mut().iter_mut().step_by(PAGE / size_of::<IndexedBar>()) {
            place.write(nothing);
        }
        Self { frame_ms, bars: list, sorted: 0 }
    }

    pub(crate) fn reserve(&mut self, bars: usize) {
        self.bars.reserve_exact(bars);
    }

    pub(crate) fn bars(&self) -> &[IndexedBar] {
        &self.bars
    }

    /// Appends the bar of a symbol that the frame does not have.
    #[inline(always)]
    pub(crate) fn push(&mut self, bar: IndexedBar) {
        self.bars.push(bar);
    }

    /// The bar of a symbol.
    pub(crate) fn find(&mut self, symbol: SymbolId) -> Option<&mut IndexedBar> {
        self.sort();
        let (sorted, unsorted) = self.bars.split_at_mut(self.sorted);
        match sorted.binary_search_by_key(&symbol.0, |bar| bar.symbol.0) {
            Ok(at) => Some(&mut sorted[at]),
            Err(_) => unsorted.iter_mut().rfind(|bar| bar.symbol == symbol),
        }
    }

    /// Sorts the bars, all but a few.
    fn sort(&mut self) {
        let ascends = |pair: &[IndexedBar]| pair[0].symbol.0 < pair[1].symbol.0;
        let unknown = &self.bars[self.sorted.saturating_sub(1)..];
        let more = unknown.windows(2).take_while(|pair| ascends(pair)).count();
        self.sorted = if self.sorted == 0 { (more + 1).min(self.bars.len()) } else { self.sorted + more };
        if self.bars.len() - self.sorted > MAX_UNSORTED {
            // It is fast where both parts are sorted.
            self.bars.sort_by_key(|bar| bar.symbol.0);
            self.sorted = self.bars.len();
        }
    }

    /// Gives each symbol the id that `ids` has for it. Bars of a symbol without one are left out.
    pub(crate) fn renumber(&mut self, ids: &[Option<SymbolId>]) {
        self.bars.retain_mut(|bar| {
            let id = ids.get(bar.symbol.0 as usize).copied().flatten();
            id.map(|id| bar.symbol = id).is_some()
        });
        self.sorted = 0;
        self.sort();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn bar(symbol: u32, fingerprint: u64) -> IndexedBar {
        IndexedBar { symbol: SymbolId(symbol), revision: 0, giver: Rank::UNKNOWN, fingerprint }
    }

    #[test]
    fn a_bar_takes_sixteen_bytes() {
        assert_eq!(size_of::<IndexedBar>(), 16);
    }

    #[test]
    fn a_renumbered_frame_has_the_same_bars() {
        let mut frame = Frame::with_room(0, 0);
        (0..200).for_each(|symbol| frame.push(bar(symbol, symbol.into())));
        let ids: Vec<_> = (0..200).map(|symbol| (symbol != 7).then_some(SymbolId(300 - symbol))).collect();
        frame.renumber(&ids);
        for symbol in 0..200 {
            let found = frame.find(SymbolId(300 - symbol)).map(|bar| bar.fingerprint);
            assert_eq!(found, (symbol != 7).then_some(symbol.into()));
        }
        assert_eq!((frame.bars().len(), frame.find(SymbolId(0))), (199, None));
    }

    proptest! {
        /// Promise 8: a bar is found if and only if it was appended, in whatever order bars are
        /// appended and searched.
        #[test]
        fn a_bar_is_found_whatever_the_order(steps in prop::collection::vec((any::<bool>(), 0u32..400), 0..1_000)) {
            let mut frame = Frame::with_room(0, 10);
            let mut known = HashMap::new();
            for (number, (searches, symbol)) in (0u64..).zip(steps) {
                if searches || known.contains_key(&symbol) {
                    let found = frame.find(SymbolId(symbol)).map(|bar| bar.fingerprint);
                    prop_assert_eq!(found, known.get(&symbol).copied());
                } else {
                    frame.push(bar(symbol, number));
                    known.insert(symbol, number);
                }
            }
        }
    }
}
