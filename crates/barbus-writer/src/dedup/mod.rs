//! Deduplication: the bars of each trading day that the bus already has, by day.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

mod day_index;
mod fingerprint;
mod frame;
mod load;

pub(crate) use day_index::{BarStatus, DayIndex};
pub(crate) use fingerprint::fingerprint;
pub(crate) use load::load_day;
pub use load::{ArchivedDay, DayLoader, LateDay, LoadedDay};

use crate::background;

/// Limit on the bars of all indexes but that of the latest day: about 100 MB. The current day and
/// one that was just loaded may have more.
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
    /// The loads of closed days that have not ended.
    loads: Vec<Load>,
}

/// A load of a closed day, by another thread.
#[derive(Debug)]
struct Load {
    /// `None` if the index of the day was forgotten since the load began: it is outdated.
    day: Option<i64>,
    /// The oldest block of the ring that the load has yet to read. When the load is gone, only this
    /// list has it.
    unread: Arc<AtomicU64>,
}

impl DedupIndex {
    /// Waits until every index is loaded completely.
    pub(crate) fn finish_loading(&mut self) {
        let current = self.current.iter_mut().map(|(_, index)| index);
        let others = self.others.values_mut().map(|(_, index)| index);
        current.chain(others).for_each(DayIndex::finish_loading);
    }

    /// The oldest block of the ring that is yet to be read; `u64::MAX` if there is none.
    pub(crate) fn oldest_unread(&mut self) -> u64 {
        // It pairs with the drop of the counter: a load that is gone reads no more.
        self.loads.retain_mut(|load| Arc::get_mut(&mut load.unread).is_none());
        // It pairs with the store of the load: the rows of the blocks before were read.
        let loads = self.loads.iter().map(|load| load.unread.load(Ordering::Acquire));
        let current = self.current.iter().map(|(_, index)| index);
        let indexes = current.chain(self.others.values().map(|(_, index)| index)).map(DayIndex::oldest_unread);
        indexes.chain(loads).min().unwrap_or(u64::MAX)
    }

    /// Begins a load of `day`: keeps the blocks of the ring from `unread` on until it is dropped
    /// elsewhere.
    pub(crate) fn begin_load(&mut self, day: i64, unread: &Arc<AtomicU64>) {
        self.loads.push(Load { day: Some(day), unread: Arc::clone(unread) });
    }

    /// Ends a load of `day`: adds its index, unless it is outdated.
    pub(crate) fn end_load(&mut self, day: i64, index: DayIndex, unread: &Arc<AtomicU64>) -> bool {
        let Some(at) = self.loads.iter().position(|load| Arc::ptr_eq(&load.unread, unread)) else { return false };
        if self.loads.swap_remove(at).day != Some(day) {
            return false;
        }
        if !self.has(day) {
            self.clock += 1;
            self.others.insert(day, (self.clock, index));
            self.evict(day);
        }
        true
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

    /// Whether there is an index of `day`.
    pub(crate) fn has(&self, day: i64) -> bool {
        self.current.as_ref().is_some_and(|(current, _)| *current == day) || self.others.contains_key(&day)
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
        let (index, is_new) = match self.others.remove(&day) {
            Some((_, index)) => (index, false),
            None => (load()?, true),
        };
        self.clock += 1;
        if let Some((previous, index)) = self.current.replace((day, index)) {
            self.others.insert(previous, (self.clock, index));
        }
        if is_new {
            self.evict(day);
        }
        Ok(())
    }

    /// Drops the index of `day`: it is loaded again from the archive and the ring.
    pub(crate) fn forget(&mut self, day: i64) {
        self.loads.iter_mut().for_each(|load| load.day = load.day.filter(|&loaded| loaded != day));
        self.others.remove(&day);
        self.dropped.remove(&day);
        self.current.take_if(|(current, _)| *current == day);
    }

    /// Drops all indexes.
    pub(crate) fn forget_all(&mut self) {
        let mut loads = std::mem::take(&mut self.loads);
        loads.iter_mut().for_each(|load| load.day = None);
        *self = Self { loads, ..Self::default() };
    }

    /// Removes the least recently used indexes above the limit, but never the current one, that of
    /// the day that was just `added`, and that of the latest day: it is the open one, and live bars
    /// would wait until it is loaded again.
    fn evict(&mut self, added: i64) {
        let current = self.current.iter().map(|(day, index)| (*day, index.len()));
        let others = self.others.iter().map(|(&day, (_, index))| (day, index.len()));
        let by_day: BTreeMap<i64, usize> = current.chain(others).collect();
        let latest = by_day.last_key_value().map(|(&day, _)| day);
        let mut bars: usize = by_day.iter().filter(|(day, _)| Some(**day) != latest).map(|(_, len)| len).sum();
        let mut evicted = Vec::new();
        while bars > MAX_BARS {
            let may_go = |day: i64, index: &DayIndex| Some(day) != latest && day != added && index.is_loaded();
            let candidates = self.others.iter().filter(|(day, (_, index))| may_go(**day, index));
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
        if !evicted.is_empty() {
            background::drop_later(evicted);
        }
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

    /// Promise 8: an index that lacks the change for which one was forgotten is never used.
    #[test]
    fn what_was_loading_when_its_index_was_forgotten_is_outdated() {
        let mut dedup = DedupIndex::default();
        let unread = Arc::new(AtomicU64::new(7));
        let mut is_used_after = |forget: fn(&mut DedupIndex)| {
            dedup.begin_load(1, &unread);
            forget(&mut dedup);
            let is_used = dedup.end_load(1, DayIndex::default(), &unread);
            assert_eq!(dedup.has(1), is_used);
            is_used
        };
        assert!(!is_used_after(|dedup| dedup.forget(1)));
        assert!(!is_used_after(DedupIndex::forget_all));
        assert!(is_used_after(|dedup| dedup.forget(2)));
    }

    /// Promise 8: the ring keeps what a load has yet to read, until it was read or given up, also
    /// if its result will not be used.
    #[test]
    fn blocks_are_kept_for_each_load_until_it_ends() {
        let mut dedup = DedupIndex::default();
        let loads = [7, 9].map(|block| Arc::new(AtomicU64::new(block)));
        for (day, unread) in (0..).zip(&loads) {
            dedup.begin_load(day, unread);
        }
        dedup.forget(0);
        dedup.forget_all();
        assert_eq!(dedup.oldest_unread(), 7);
        loads[0].store(u64::MAX, Ordering::Release);
        assert_eq!(dedup.oldest_unread(), 9);
        drop(loads);
        assert_eq!(dedup.oldest_unread(), u64::MAX);
    }

    /// However many bars a day has: otherwise its late bars would be loaded again and again.
    #[test]
    fn a_day_that_was_just_loaded_is_not_evicted() {
        let of_bars = |bars: i64| {
            let mut index = DayIndex::default();
            (0..bars).for_each(|bar| index.insert(SymbolId(bar as u32), 0, 0, 0));
            index
        };
        let mut dedup = DedupIndex::default();
        let three_quarters = MAX_BARS as i64 * 3 / 4;
        // The latest day, and a late one in use.
        dedup.switch_to(9, || Ok::<_, ()>(of_bars(10))).unwrap();
        dedup.switch_to(1, || Ok::<_, ()>(of_bars(three_quarters))).unwrap();
        let unread = Arc::default();
        for (day, bars) in [(2, three_quarters), (3, MAX_BARS as i64 + 1)] {
            dedup.begin_load(day, &unread);
            assert!(dedup.end_load(day, of_bars(bars), &unread));
            assert!(dedup.has(day) && dedup.has(1) && dedup.has(9));
        }
        assert!(!dedup.has(2));
    }
}
