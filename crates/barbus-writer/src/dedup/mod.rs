//! Deduplication: the bars of each trading day that the bus already has, by day.

use std::collections::{BTreeMap, HashMap};

mod day_index;
mod fingerprint;
mod load;
mod log;

pub(crate) use day_index::{BarStatus, DayIndex};
pub(crate) use fingerprint::fingerprint;
pub(crate) use load::load_day;
pub use load::{ArchivedDay, DayLoader};

/// Limit on the bars of all indexes but the current one: about 100 MB.
const MAX_BARS: usize = 4_000_000;
/// Days without an index whose number of bars is remembered.
const MAX_COUNTS: usize = 16;

/// The indexes in memory, by day (days since 1970-01-01).
///
/// The least recently used one is dropped first; it is loaded again from the archive and the ring.
#[derive(Debug, Default)]
pub(crate) struct DedupIndex {
    /// The day in use: almost every bar belongs to the same day as the bar before it.
    current: Option<(i64, DayIndex)>,
    /// The other days, each with the `clock` of its last use.
    others: HashMap<i64, (u64, DayIndex)>,
    clock: u64,
    /// The number of bars of the newest days whose index was dropped.
    dropped: BTreeMap<i64, usize>,
}

impl DedupIndex {
    /// Waits until every index is loaded completely.
    pub(crate) fn finish_loading(&mut self) {
        let current = self.current.iter_mut().map(|(_, index)| index);
        let others = self.others.values_mut().map(|(_, index)| index);
        current.chain(others).for_each(DayIndex::finish_loading);
    }

    /// The oldest block of the ring that a thread has yet to read; `u64::MAX` if there is none.
    pub(crate) fn oldest_unread(&self) -> u64 {
        let current = self.current.iter().map(|(_, index)| index);
        let indexes = current.chain(self.others.values().map(|(_, index)| index));
        indexes.map(DayIndex::oldest_unread).min().unwrap_or(u64::MAX)
    }

    /// Whether the bars of `day` are known and can be compared without waiting.
    pub(crate) fn is_usable(&self, day: i64) -> bool {
        match &self.current {
            Some((current, index)) if *current == day => index.is_usable(),
            _ => self.others.get(&day).is_some_and(|(_, index)| index.is_usable()),
        }
    }

    /// Takes the bars over from the threads that have loaded them, so that they are counted.
    pub(crate) fn take_loaded(&mut self) {
        let current = self.current.iter_mut().map(|(_, index)| index);
        let others = self.others.values_mut().map(|(_, index)| index);
        current.chain(others).filter(|index| index.is_loaded()).for_each(DayIndex::finish_loading);
    }

    /// The number of bars of each day that has an index or had one, ascending by day. A day that is
    /// being loaded is left out.
    pub(crate) fn bars_by_day(&self) -> BTreeMap<i64, u64> {
        let current = self.current.iter().map(|(day, index)| (day, index));
        let indexes = current.chain(self.others.iter().map(|(day, (_, index))| (day, index)));
        let mut bars: BTreeMap<i64, u64> = self.dropped.iter().map(|(&day, &bars)| (day, bars as u64)).collect();
        for (&day, index) in indexes {
            match index.loaded_len() {
                Some(len) => bars.insert(day, len as u64),
                None => bars.remove(&day),
            };
        }
        bars
    }

    /// Whether there is an index of `day`, which may still be loading.
    pub(crate) fn has(&self, day: i64) -> bool {
        self.current.as_ref().is_some_and(|(current, _)| *current == day) || self.others.contains_key(&day)
    }

    /// Adds the index of a day that is not the current one. Returns those that were evicted: to
    /// drop a big one takes a while.
    pub(crate) fn add(&mut self, day: i64, index: DayIndex) -> Vec<DayIndex> {
        self.clock += 1;
        self.others.insert(day, (self.clock, index));
        self.evict()
    }

    /// The index of the current day.
    ///
    /// # Panics
    /// Panics if [`DedupIndex::switch_to`] was never called.
    #[inline]
    pub(crate) fn current(&mut self) -> &mut DayIndex {
        &mut self.current.as_mut().expect("a day was switched to").1
    }

    /// Makes `day` the current day. `load` makes its index if it is not in memory.
    pub(crate) fn switch_to<E>(&mut self, day: i64, load: impl FnOnce() -> Result<DayIndex, E>) -> Result<(), E> {
        if self.current.as_ref().is_some_and(|(current, _)| *current == day) {
            return Ok(());
        }
        let mut index = match self.others.remove(&day) {
            Some((_, index)) => index,
            None => load()?,
        };
        index.take_late_bars();
        self.clock += 1;
        if let Some((previous, index)) = self.current.replace((day, index)) {
            self.others.insert(previous, (self.clock, index));
        }
        self.evict();
        Ok(())
    }

    /// Drops the index of `day`: it is loaded again from the archive and the ring.
    pub(crate) fn forget(&mut self, day: i64) {
        self.others.remove(&day);
        self.dropped.remove(&day);
        self.current.take_if(|(current, _)| *current == day);
    }

    /// Removes the least recently used indexes above the limit, but never that of the latest day:
    /// it is the open one, and live bars would wait until it is loaded again.
    fn evict(&mut self) -> Vec<DayIndex> {
        let mut evicted = Vec::new();
        let mut bars = self.others.values().map(|(_, index)| index.len()).sum::<usize>();
        while bars > MAX_BARS {
            let latest = self.others.keys().copied().max();
            let candidates = self.others.iter().filter(|(day, _)| Some(**day) != latest);
            let Some(oldest) = candidates.min_by_key(|(_, (used, _))| *used).map(|(&day, _)| day) else { break };
            let Some((_, index)) = self.others.remove(&oldest) else { break };
            bars -= index.len();
            if let Some(len) = index.loaded_len() {
                self.dropped.insert(oldest, len);
            }
            evicted.push(index);
        }
        while self.dropped.len() > MAX_COUNTS {
            self.dropped.pop_first();
        }
        evicted
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use barbus_ring::SymbolId;

    #[test]
    fn the_least_recently_used_indexes_are_evicted_above_the_limit() {
        let mut dedup = DedupIndex::default();
        let big = || {
            let mut index = DayIndex::default();
            (0..MAX_BARS as i64 / 2).for_each(|frame| index.insert(SymbolId(0), frame, 0, 0));
            Ok::<_, ()>(index)
        };
        for day in 0..4 {
            dedup.switch_to(day, big).unwrap();
        }
        // Two indexes of half the limit each, and the current one.
        let mut kept: Vec<i64> = dedup.others.keys().copied().collect();
        kept.sort_unstable();
        assert_eq!((kept, dedup.current.as_ref().map(|(day, _)| *day)), (vec![1, 2], Some(3)));
        // The number of bars of a dropped day is still known, until the day is forgotten.
        let bars = MAX_BARS as u64 / 2;
        assert_eq!(dedup.bars_by_day(), BTreeMap::from([(0, bars), (1, bars), (2, bars), (3, bars)]));
        dedup.forget(0);
        assert_eq!(dedup.bars_by_day().into_keys().collect::<Vec<_>>(), [1, 2, 3]);
    }

    /// Promise 8: the thread of a late day has ended before anything asks for its bars. A bar that
    /// it has found must not count as new then.
    #[test]
    fn a_late_day_is_known_as_soon_as_it_is_used() {
        let mut dedup = DedupIndex::default();
        let late = || {
            let mut index = DayIndex::default();
            index.insert(SymbolId(0), 60_000, 7, 0);
            index
        };
        assert!(dedup.add(1, DayIndex::loading_late(Arc::default(), late)).is_empty());
        while !dedup.is_usable(1) {
            std::thread::yield_now();
        }
        dedup.switch_to(1, || Err(())).unwrap();
        assert_eq!(dedup.current().status(SymbolId(0), 60_000, || 7), BarStatus::Duplicate);
    }
}
