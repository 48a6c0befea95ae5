//! Zero-copy reading of many blocks: a reader's rows, block after block.

use std::ops::Range;

use barbus_shm::{Load, Pin, ReadMap, ReaderMemory};

use crate::layout::*;
use crate::{HeldRows, Polled, Position, Ring, RingError, RingReader};

/// The most blocks that one call locks.
const MAX_RUN: u64 = 16;
/// The most blocks that one call locks, as a fraction of the ring: 1 in 8.
const RING_FRACTION: u64 = 8;

impl RingReader {
    /// Holds the next rows: from the position to the last committed row of its block. The position
    /// moves past them. They are pinned, or copied if they are in the reserve or if the limit of
    /// pins is reached.
    ///
    /// `None` if there is no new row in the columns, or if an event precedes it;
    /// [`RingReader::poll`] reports it. A lock takes system calls, which are made only if there are
    /// rows. A row arrives here a little later than by `poll`, which also reads the tip.
    pub fn pin<M: ReaderMemory>(&mut self, ring: &Ring<M>) -> Result<Option<HeldRows<M>>, RingError> {
        self.pin_with(ring, |_, _| Ok(()))
    }

    /// Like repeated calls of [`RingReader::pin`], but it locks adjacent blocks by one call.
    pub fn pin_each<'a, M: ReaderMemory>(&'a mut self, ring: &'a Ring<M>) -> PinnedBlocks<'a, M> {
        PinnedBlocks { reader: self, ring, run: None }
    }

    /// Like [`RingReader::pin`]. It calls `before_lock` with the slot and the block that it is
    /// about to lock.
    fn pin_with<M: ReaderMemory>(
        &mut self,
        ring: &Ring<M>,
        before_lock: impl FnOnce(usize, u64) -> Result<(), RingError>,
    ) -> Result<Option<HeldRows<M>>, RingError> {
        // A copy polls, so that the reader's own poll can still report an event.
        let mut ahead = self.clone();
        if ahead.poll_columns(ring, &mut Vec::new(), 0) != Polled::Empty || ahead.position.block == 0 {
            return Ok(None);
        }
        let Position { block, row, .. } = ahead.position;
        let slot = ahead.current_slot(ring).filter(|&slot| ring.committed_rows(slot, block) > row);
        let Some(slot) = slot else { return Ok(None) };
        before_lock(slot, block)?;
        let Some(rows) = ring.hold_slot(slot, block, row)?.filter(|rows| !rows.is_empty()) else { return Ok(None) };
        // The header of the next slot is loaded after the caller has read these rows, which may
        // have evicted it from the caches.
        let next = ring.geometry.slot(slot) + ring.geometry.slot_bytes;
        [BH_BLOCK, BH_STATE].iter().for_each(|line| ring.map.prefetch(next + line));
        ahead.position.row = rows.to;
        ahead.position.seq = ahead.position.seq.wrapping_add(rows.len() as u64);
        *self = ahead;
        Ok(Some(rows))
    }
}

/// The rows after a reader's position, one block at a time, in place where they can be pinned.
/// [`RingReader::pin_each`] makes it.
///
/// Blocks that are adjacent in the file are locked by one call, at most 16 and an eighth of the
/// ring. That lock is released as a whole: before the next such lock, at the end, or when this is
/// dropped. Each returned block has a pin of its own for as long as it lives.
#[derive(Debug)]
pub struct PinnedBlocks<'a, M: ReaderMemory = ReadMap> {
    reader: &'a mut RingReader,
    ring: &'a Ring<M>,
    run: Option<LockedRun<M>>,
}

/// Adjacent slots that are locked together. While they are, pinning one of them takes no system
/// call.
#[derive(Debug)]
struct LockedRun<M: ReaderMemory> {
    blocks: Range<u64>,
    _pin: Pin<M>,
}

impl<M: ReaderMemory> LockedRun<M> {
    /// Locks the run that starts with `block` in `slot`; `None` if the run is only that block.
    ///
    /// Each block is checked when it is pinned: the writer may have recycled it before the lock.
    fn lock(ring: &Ring<M>, slot: usize, block: u64) -> Result<Option<Self>, RingError> {
        let most = (MAX_RUN.min(u64::from(ring.geometry.slots) / RING_FRACTION) as usize).max(1);
        let most = most.min(ring.geometry.pinnable_slots().end.saturating_sub(slot));
        let directory = ring.map.words64(DIRECTORY + 8 * slot, most);
        let count = (block..).zip(directory).take_while(|(block, word)| *block == word.get()).count();
        if count < 2 {
            return Ok(None);
        }
        let pin = Pin::take(&ring.map, ring.geometry.slot_ranges(slot, count))?;
        Ok(pin.ok().map(|pin| Self { blocks: block..block + count as u64, _pin: pin }))
    }
}

impl<'a, M: ReaderMemory> PinnedBlocks<'a, M> {
    /// The next row to be read.
    pub fn position(&self) -> Position {
        self.reader.position()
    }

    /// The ring.
    pub fn ring(&self) -> &'a Ring<M> {
        self.ring
    }
}

impl<M: ReaderMemory> Iterator for PinnedBlocks<'_, M> {
    type Item = Result<HeldRows<M>, RingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { reader, ring, run } = self;
        let pinned = reader.pin_with(ring, |slot, block| {
            if !run.as_ref().is_some_and(|run| run.blocks.contains(&block)) {
                // The old run is released first: a reader never holds two of them.
                *run = None;
                *run = LockedRun::lock(ring, slot, block)?;
            }
            Ok(())
        });
        if !matches!(pinned, Ok(Some(_))) {
            self.run = None;
        }
        pinned.transpose()
    }
}
