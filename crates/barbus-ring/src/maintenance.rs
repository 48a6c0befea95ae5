//! [`RingMaintenance`]: the operations of the archiving side on a ring, while the writer appends to
//! it.
//!
//! `impl RingMaintenance` lies in two files; `durable.rs` has the sync.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use barbus_shm::{Store, WriteMap, WriterMemory};

use crate::layout::*;
use crate::{Ring, RingError, Row};

/// A block and its committed rows, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRows {
    /// The block's number.
    pub block: u64,
    /// Sequence number of its first row.
    pub first_seq: u64,
    /// Number of committed rows.
    pub rows: u32,
    /// True if the block gets no more rows.
    pub sealed: bool,
    /// True if the trading day closed at the end of this block.
    pub last_of_day: bool,
    /// The trading day that was open when the block was, days since 1970-01-01.
    pub day: Option<i64>,
}

/// Reads the rows that are not archived yet, syncs the ring to disk and marks blocks reusable.
///
/// It may be used in another thread than the writer. The writer reuses no block without the mark,
/// so the rows of an unmarked block do not change while they are read here.
#[derive(Debug)]
pub struct RingMaintenance<M = WriteMap> {
    pub(crate) ring: Arc<Ring<M>>,
    pub(crate) sync_state: Arc<Mutex<SyncState>>,
}

/// What one sync leaves for the next. Its lock is held during a sync: two of them never overlap.
#[derive(Debug, Default)]
pub(crate) struct SyncState {
    /// The ring's path, if the directory entry for it is not on disk yet.
    pub(crate) unsynced_name: Option<PathBuf>,
}

impl<M> Clone for RingMaintenance<M> {
    fn clone(&self) -> Self {
        Self { ring: Arc::clone(&self.ring), sync_state: Arc::clone(&self.sync_state) }
    }
}

impl RingMaintenance {
    /// Whether the file is still at its path: not removed, moved or replaced by another one.
    pub fn is_at_its_path(&self) -> bool {
        self.ring.map.is_at_its_path()
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.ring.map.path()
    }

    /// Gives the file disk blocks of its own, see [`WriteMap::unshare`].
    ///
    /// # Errors
    /// As there.
    pub fn unshare(&self) -> Result<bool, RingError> {
        Ok(self.ring.map.unshare()?)
    }

    /// Whether a reader has the file open: after it was replaced, it takes up space until then.
    pub fn is_open_elsewhere(&self) -> bool {
        self.ring.map.is_open_elsewhere()
    }
}

impl<M: WriterMemory> RingMaintenance<M> {
    /// The ring.
    pub fn ring(&self) -> &Ring<M> {
        &self.ring
    }

    /// Whether both are handles of the same file.
    pub fn is_same_ring(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ring, &other.ring)
    }

    /// Every block in the ring, oldest first.
    pub fn blocks(&self) -> Vec<BlockRows> {
        self.list_blocks(|_| true)
    }

    /// The blocks that are not marked as persisted, oldest first.
    pub fn unpersisted(&self) -> Vec<BlockRows> {
        self.list_blocks(|slot| self.ring.u64(self.ring.geometry.slot(slot) + BH_PERSISTED) != 1)
    }

    fn list_blocks(&self, wanted: impl Fn(usize) -> bool) -> Vec<BlockRows> {
        let mut blocks: Vec<_> = (0..self.ring.geometry.slots as usize)
            .filter_map(|slot| {
                let header = self.ring.header(slot)?;
                // The writer may reuse the slot meanwhile: `wanted` must be of this block.
                (wanted(slot) && self.ring.is_current(slot, header.block)).then(|| BlockRows {
                    block: header.block,
                    first_seq: header.first_seq,
                    rows: self.ring.committed_rows(slot, header.block),
                    sealed: header.sealed(),
                    last_of_day: header.last_of_day(),
                    day: header.day(),
                })
            })
            .collect();
        blocks.sort_by_key(|block| block.block);
        blocks
    }

    /// Appends the rows `from..to` of an unpersisted block; `false` if the ring does not hold it.
    pub fn rows(&self, block: u64, from: u32, to: u32, rows: &mut Vec<Row>) -> bool {
        let Some(slot) = self.ring.slot_of(block) else { return false };
        let to = to.min(self.ring.committed_rows(slot, block));
        self.ring.copy_rows(slot, from.min(to), to, rows);
        self.ring.is_current(slot, block)
    }

    /// Appends the frames (end of bar, UTC ms) of the rows `from..to` of an unpersisted block;
    /// `false` if the ring does not hold it.
    pub fn frames(&self, block: u64, from: u32, to: u32, frames: &mut Vec<i64>) -> bool {
        let Some(slot) = self.ring.slot_of(block) else { return false };
        let to = to.min(self.ring.committed_rows(slot, block));
        self.ring.copy_frames(slot, from.min(to), to, frames);
        self.ring.is_current(slot, block)
    }

    /// Raises the frame (end of bar, UTC ms) of each symbol in `last_ms`, which is indexed by
    /// symbol id, to the highest frame of the symbol in the first `rows` rows of a block.
    pub fn raise_last_frames(&self, block: u64, rows: u32, last_ms: &mut [i64]) {
        if let Some(slot) = self.ring.slot_of(block) {
            self.ring.raise_last_frames(slot, rows.min(self.ring.committed_rows(slot, block)), last_ms);
        }
    }

    /// Marks a sealed block as persisted: from now on the writer may reuse its slot.
    ///
    /// Blocks are to be marked in the order of their numbers, so that the writer finds the oldest.
    ///
    /// The block's checksum must have been stored before the last sync. After a power loss only the
    /// checksum distinguishes the block from a slot that was partly overwritten.
    pub fn mark_persisted(&self, block: u64) {
        if let Some(slot) = self.ring.slot_of(block) {
            // SYNC POINT: pairs with `writer/blocks.rs`::`find_slot`. The rows were read before
            // the writer overwrites them, and the blocks before this one were marked before it.
            self.ring.map.words64(self.ring.geometry.slot(slot) + BH_PERSISTED, 1)[0].set_release(1);
        }
    }

    /// Computes and stores the checksums of a sealed block that has none.
    ///
    /// It reads the whole block; therefore the writer does not do it.
    pub fn seal_checksum(&self, block: u64) {
        let Some(slot) = self.ring.slot_of(block) else { return };
        let at = self.ring.geometry.slot(slot);
        let set = |offset: usize, crc: u32| self.ring.map.words64(at + offset, 1)[0].set(CRC_VALID | u64::from(crc));
        let state = self.ring.u64(at + BH_STATE);
        if state & STATE_SEALED == 0 || self.ring.u64(at + BH_CRC) != 0 {
            return;
        }
        let rows = ((state & STATE_ROWS) as u32).min(self.ring.geometry.rows_per_block);
        set(BH_CRC, self.ring.block_crc(slot, rows));
        loop {
            let state = self.ring.u64(at + BH_STATE);
            set(BH_HEADER_CRC, self.ring.header_crc(slot));
            // SYNC POINT: pairs with `writer/days.rs`::`close_day`. If a day closes meanwhile,
            // either the load below finds the changed state, or the writer's header checksum is the
            // later store.
            self.ring.map.fence_full();
            if self.ring.u64(at + BH_STATE) == state {
                break;
            }
        }
    }

    /// Stores the time of a heartbeat: nanoseconds since 1970-01-01 UTC, and since the boot.
    pub fn heartbeat(&self, now_ns: u64, boot_ns: u64) {
        self.ring.map.words64(SB_HEARTBEAT_BOOT_NS, 1)[0].set(boot_ns);
        self.ring.map.words64(SB_HEARTBEAT_NS, 1)[0].set(now_ns);
    }
}
