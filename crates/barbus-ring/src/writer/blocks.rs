//! Blocks: opening one in a free slot, and sealing it.

use barbus_shm::{Store, WriterMemory};

use super::{OpenBlock, RingWriter};
use crate::layout::*;
use crate::{MAX_OPTIONAL, RingFull};

/// The slots that the next block may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotChoice {
    /// Any that is free; but the reserve is not used alone.
    Any,
    /// Those of the reserve, whatever is locked.
    Reserve,
}

impl<M: WriterMemory> RingWriter<M> {
    /// Whether the next row needs another block.
    #[inline]
    pub fn block_is_full(&self) -> bool {
        self.open.is_none_or(|open| open.rows == self.ring.geometry.rows_per_block)
    }

    /// Reuses no slot of block `block` or of a later one, until the next call: somebody still reads
    /// them. The ring is full if it has no other slot; `u64::MAX` keeps none.
    pub fn keep_blocks_from(&mut self, block: u64) {
        self.keep_from = block;
    }

    /// Seals the open block: it gets no more rows and can be archived.
    pub fn seal_block(&mut self) {
        self.seal(0);
    }

    /// Seals the open block if it is full.
    pub fn seal_full_block(&mut self) {
        if self.block_is_full() {
            self.seal(0);
        }
    }

    /// Seals the open block, if there is one, with `flags` in its state.
    pub(super) fn seal(&mut self, flags: u64) {
        let Some(open) = self.open else { return };
        self.write_back();
        let state = STATE_SEALED | flags | u64::from(open.rows);
        // SYNC POINT: pairs with `reader.rs`::`copy_committed`. A reader that finds the seal also
        // finds every row. The release fence is that of `write_back`, which ran after the last row.
        self.ring.map.words64(self.ring.geometry.slot(open.slot) + BH_STATE, 1)[0].set(state);
        self.open = None;
    }

    /// Seals the open block and opens the next one in a free slot.
    #[cold]
    pub(super) fn open_block(&mut self, choice: SlotChoice) -> Result<OpenBlock, RingFull> {
        let slot = self.claim_slot(choice)?;
        self.seal(0);
        let block = self.newest + 1;
        let at = self.ring.geometry.slot(slot);
        let map = &self.ring.map;
        let set = |offset: usize, value: u64| map.words64(at + offset, 1)[0].set(value);
        let directory = &map.words64(DIRECTORY + 8 * slot, 1)[0];
        directory.set(0);
        self.patch_lengths(slot, 0, [0; MAX_OPTIONAL]);
        set(BH_STATE, 0);
        set(BH_CRC, 0);
        set(BH_HEADER_CRC, 0);
        set(BH_PERSISTED, 0);
        set(BH_FIRST_SEQ, self.next_seq);
        set(BH_DAY, self.day.unwrap_or(NO_DAY) as u64);
        // SYNC POINT: pairs with `ring.rs`::`block_in`. A reader that finds this number also finds
        // the header words above.
        map.words64(at + BH_BLOCK, 1)[0].set_release(block);
        directory.set(block);
        // SYNC POINT: pairs with `ring.rs`::`cursor`. A reader that finds this cursor also finds
        // the seal of the block before.
        map.words64(SB_CURSOR, 1)[0].set_release(block << 32);
        // One system call for all pages of the slot; otherwise each page faults while its rows
        // arrive.
        map.prefault(at, self.ring.geometry.slot_bytes);
        self.newest = block;
        self.null_counts = [0; MAX_OPTIONAL];
        self.column_rows = 0;
        self.arrow_rows = 0;
        let open = OpenBlock { block, slot, rows: 0 };
        self.open = Some(open);
        Ok(open)
    }

    /// Claims a slot for the next block and marks it as RECYCLING.
    fn claim_slot(&mut self, choice: SlotChoice) -> Result<usize, RingFull> {
        let (index, locked) = self.find_slot(choice)?;
        let (_, slot) = self.slots.remove(index).expect("it was found");
        self.slots.push_back((self.newest + 1, slot));
        let (map, at) = (&self.ring.map, self.ring.geometry.slot(slot));
        if self.ring.geometry.is_in_reserve(slot) {
            // The lock stays, so that a reader that does not know of the reserve pins nothing
            // there. A lock that another process has cannot keep the writer from the slot.
            map.claim(at);
        }
        map.words64(at + BH_BLOCK, 1)[0].set(RECYCLING);
        // SYNC POINT: pairs with `ring.rs`::`is_current`. A reader that has loaded any word of the
        // new block also finds the mark, or the new number.
        map.fence_release();
        if let Some(locked) = locked {
            // SYNC POINT: pairs with `held_rows.rs`::`hold_slot`, by the slot's lock. A reader that
            // pins the slot after `unclaim` finds the mark.
            map.unclaim(self.ring.geometry.slot(locked));
        }
        Ok(slot)
    }

    /// The index of a slot that was never used, otherwise of the one with the oldest block that is
    /// archived, not kept and not pinned. Also returns the slot that is locked now.
    ///
    /// Slots of the reserve take their turn like others. But when readers have pinned all others,
    /// the ring would consist of the reserve alone: it counts as full, unless `choice` allows that.
    fn find_slot(&self, choice: SlotChoice) -> Result<(usize, Option<usize>), RingFull> {
        let (map, geometry) = (&self.ring.map, &self.ring.geometry);
        let kept = self.kept_blocks();
        let is_archived = |slot| self.ring.u64(geometry.slot(slot) + BH_PERSISTED) == 1;
        let is_unread = |&&(block, slot): &&(u64, usize)| block >= self.keep_from && is_archived(slot);
        let unread = self.slots.iter().filter(is_unread).count() as u32;
        let mut full = RingFull { blocks: geometry.slots, pinned: 0, unread };
        let is_free = |&(block, slot): &(u64, usize)| block == 0 || (block < self.keep_from && is_archived(slot));
        let newest = self.slots.iter().rposition(is_free).ok_or(full)?;
        // SYNC POINT: pairs with `maintenance.rs`::`mark_persisted`. The rows were read for the
        // archive before they are overwritten. And blocks are marked in their order: with the mark
        // of the newest one, those of all before it are found, so the oldest block is reused first.
        map.fence_acquire();
        let mut found = None;
        for (index, entry) in self.slots.iter().enumerate().take(newest + 1) {
            let &(block, slot) = entry;
            if !is_free(entry) || (block != 0 && kept.contains(&block)) {
                continue;
            }
            if geometry.is_in_reserve(slot) {
                found = found.or(Some(index));
                if full.pinned == 0 {
                    break;
                }
            } else if choice == SlotChoice::Any {
                if block == 0 || map.claim(geometry.slot(slot)) {
                    // A slot of the reserve with an older block has its turn before this one.
                    return Ok((found.unwrap_or(index), (block != 0).then_some(slot)));
                }
                full.pinned += 1;
            }
        }
        match found {
            Some(index) if full.pinned as usize != geometry.pinnable_slots().len() => Ok((index, None)),
            _ => Err(full),
        }
    }

    /// Blocks whose slots are not reused even if they are archived.
    ///
    /// The newest is kept because the cursor names it until the next block is open. The others are
    /// kept because a durable cursor on disk may name them: after a power loss such a block is the
    /// newest. During a sync that can be any of three.
    fn kept_blocks(&self) -> [u64; 4] {
        // SYNC POINT: pairs with `durable.rs`::`announce_sync`. If a sync has loaded the cursor
        // before it entered the newest block, its announcement is found below.
        self.ring.map.fence_full();
        let block = |cursor: usize| self.ring.u64(cursor) >> 32;
        // A sync moves its cursor from the first of these words to the second and the third, and
        // always stores it in the next word before it overwrites the one before. Loaded in this
        // order, no cursor is missed.
        let next = block(SB_DURABLE_NEXT);
        // SYNC POINT: pairs with `durable.rs`::`announce_sync`. After the announcement, the loads
        // below find what the previous sync has stored.
        self.ring.map.fence_acquire();
        let durable = block(SB_DURABLE_CURSOR);
        // SYNC POINT: pairs with `durable.rs`::`sync_announced`. After the durable cursor, the load
        // below finds the one before it.
        self.ring.map.fence_acquire();
        [self.newest, next, durable, block(SB_DURABLE_BEFORE)]
    }
}
