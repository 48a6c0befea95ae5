//! Counts how often each byte range of a file is pinned through one open file description.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;

use crate::fork_guard::ForkGuard;
use crate::range_lock::{ByteRanges, lock_shared, unlock};

/// Learns how many byte ranges a map pins. The thread that pins or unpins calls it.
pub trait PinWatch: Send + Sync + std::fmt::Debug {
    /// `ranges` more are pinned. Returns a ticket, which each of them gives back at its end.
    fn held(&self, ranges: usize) -> u64;
    /// One range for each of `tickets` is unpinned.
    fn released(&self, tickets: &[u64]);
}

/// Why nothing was pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinRefusal {
    /// The writer claims one of the ranges.
    Claimed,
    /// This map has pinned as many ranges as it may.
    LimitReached,
}

/// The pins of one open file, for the process that opened it.
///
/// A forked child shares the description, and so the locks: an unlock there would remove its
/// parent's locks, and locks that it took would end with its parent's. It touches neither the locks
/// nor the mutex, which a thread of the parent may have held at the fork.
#[derive(Debug)]
pub(crate) struct Pins {
    opener: ForkGuard,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    /// The pinned ranges, by their first byte.
    ranges: BTreeMap<usize, PinnedRange>,
    /// The most ranges that may be pinned at once.
    limit: usize,
    watch: Option<Arc<dyn PinWatch>>,
    /// Tickets to give back; a field, so that unpinning does not allocate each time.
    freed: Vec<u64>,
}

#[derive(Debug)]
struct PinnedRange {
    pins: usize,
    ticket: Option<u64>,
}

impl Default for Pins {
    fn default() -> Self {
        let table = Table { ranges: BTreeMap::new(), limit: usize::MAX, watch: None, freed: Vec::new() };
        Self { opener: ForkGuard::new(), table: table.into() }
    }
}

impl Pins {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports each range that is pinned after this call to `watch`.
    pub(crate) fn watch(&self, watch: Arc<dyn PinWatch>) {
        if !self.opener.is_forked() {
            self.table().watch = Some(watch);
        }
    }

    /// Pins at most `ranges` ranges at once from now on.
    pub(crate) fn limit(&self, ranges: usize) {
        if !self.opener.is_forked() {
            self.table().limit = ranges;
        }
    }

    /// Pins all of `ranges` or none.
    ///
    /// It makes no system call where all are pinned already.
    pub(crate) fn pin(&self, file: &File, ranges: ByteRanges) -> Result<Result<(), PinRefusal>, Errno> {
        if self.opener.is_forked() {
            return Ok(Err(PinRefusal::Claimed));
        }
        let table = &mut *self.table();
        if let (1, Some(range)) = (ranges.count, table.ranges.get_mut(&ranges.offset)) {
            range.pins += 1;
            return Ok(Ok(()));
        }
        let new = ranges.offsets().filter(|offset| !table.ranges.contains_key(offset)).count();
        if table.ranges.len().saturating_add(new) > table.limit {
            return Ok(Err(PinRefusal::LimitReached));
        }
        // One call for all ranges costs no more than one for the new ones, and keeps the old locks.
        if new > 0 && !lock_shared(file, ranges.bytes())? {
            return Ok(Err(PinRefusal::Claimed));
        }
        let ticket = table.watch.as_ref().filter(|_| new > 0).map(|watch| watch.held(new));
        for offset in ranges.offsets() {
            table.ranges.entry(offset).or_insert_with(|| PinnedRange { pins: 0, ticket }).pins += 1;
        }
        Ok(Ok(()))
    }

    /// Removes one pin from each of `ranges`.
    ///
    /// One system call unlocks all neighbours that have no pin left.
    pub(crate) fn unpin(&self, file: &File, ranges: ByteRanges) {
        if self.opener.is_forked() {
            return;
        }
        let table = &mut *self.table();
        let mut free = 0..0;
        for offset in ranges.offsets() {
            let Entry::Occupied(mut range) = table.ranges.entry(offset) else { continue };
            range.get_mut().pins -= 1;
            if range.get().pins > 0 {
                continue;
            }
            table.freed.extend(range.remove().ticket);
            if free.end != offset {
                unlock(file, free);
                free = offset..offset;
            }
            free.end = offset + ranges.len;
        }
        unlock(file, free);
        if let Some(watch) = table.watch.as_ref().filter(|_| !table.freed.is_empty()) {
            watch.released(&table.freed);
        }
        table.freed.clear();
    }
}
