use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use barbus_shm::{Memory, Store, WriteMap, WriterMemory};

use crate::geometry::crc_of;
use crate::layout::*;
use crate::{Ring, RingError, Row};

/// A block and how much of it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRows {
    /// Its number.
    pub block: u64,
    /// Sequence number of its first row.
    pub first_seq: u64,
    /// Rows committed.
    pub rows: u32,
    /// True when it will get no more.
    pub sealed: bool,
    /// True when its trading day closed at its end.
    pub last_of_day: bool,
    /// The trading day that was open, days since 1970-01-01.
    pub day: Option<i64>,
}

/// Access for whoever archives: the rows that are not archived, and the marks that let their slots be used again.
///
/// A block without the mark is never reused, so its committed rows do not change while they are read here.
#[derive(Debug)]
pub struct RingMaintenance<M = WriteMap> {
    ring: Arc<Ring<M>>,
    syncing: Arc<Mutex<Unsynced>>,
}

/// What a sync has to put on disk besides the file: the path whose directory does not have its name yet.
pub(crate) type Unsynced = Option<PathBuf>;

impl<M> Clone for RingMaintenance<M> {
    fn clone(&self) -> Self {
        Self { ring: Arc::clone(&self.ring), syncing: Arc::clone(&self.syncing) }
    }
}

impl<M: WriterMemory> RingMaintenance<M> {
    pub(crate) fn new(ring: Arc<Ring<M>>, syncing: Arc<Mutex<Unsynced>>) -> Self {
        Self { ring, syncing }
    }

    /// The ring.
    pub fn ring(&self) -> &Ring<M> {
        &self.ring
    }

    /// Whether both are of one file.
    pub fn is_same_ring(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ring, &other.ring)
    }

    /// The blocks that are not marked persisted, oldest first, with the rows committed now.
    pub fn unpersisted(&self) -> Vec<BlockRows> {
        self.listed(|slot| self.ring.u64(self.ring.geometry.slot(slot) + BH_PERSISTED) != 1)
    }

    fn listed(&self, wanted: impl Fn(usize) -> bool) -> Vec<BlockRows> {
        let mut blocks: Vec<_> = (0..self.ring.geometry.slots as usize)
            .filter_map(|slot| {
                let header = self.ring.header(slot)?;
                wanted(slot).then(|| BlockRows {
                    block: header.block,
                    first_seq: header.first_seq,
                    rows: self.ring.committed(slot, header.block),
                    sealed: header.sealed(),
                    last_of_day: header.last_of_day(),
                    day: header.day(),
                })
            })
            .collect();
        blocks.sort_by_key(|block| block.block);
        blocks
    }

    /// Appends the rows `from..to` of an unpersisted block; `false` where the ring does not hold it.
    pub fn rows(&self, block: u64, from: u32, to: u32, rows: &mut Vec<Row>) -> bool {
        let Some(slot) = self.ring.slot_of(block) else { return false };
        let to = to.min(self.ring.committed(slot, block));
        self.ring.copy_rows(slot, from.min(to), to, rows);
        self.ring.still(slot, block)
    }

    /// Appends the frames (end of bar, UTC ms) of the rows `from..to` of an unpersisted block.
    pub fn frames(&self, block: u64, from: u32, to: u32, frames: &mut Vec<i64>) -> bool {
        let Some(slot) = self.ring.slot_of(block) else { return false };
        let to = to.min(self.ring.committed(slot, block));
        self.ring.copy_frames(slot, from.min(to), to, frames);
        self.ring.still(slot, block)
    }

    /// Raises the frame (end of bar, UTC ms) of each symbol in `last_ms`, by id, to the highest that the first `rows` rows of a block have.
    pub fn raise_last_frames(&self, block: u64, rows: u32, last_ms: &mut [i64]) {
        if let Some(slot) = self.ring.slot_of(block) {
            self.ring.raise_last_frames(slot, rows.min(self.ring.committed(slot, block)), last_ms);
        }
    }

    /// Marks a sealed block persisted: from now on its slot may be used again.
    ///
    /// Its checksum must have been there before the last sync: after a loss of power nothing else tells the block from a slot that was
    /// being used again.
    pub fn mark_persisted(&self, block: u64) {
        if let Some(slot) = self.ring.slot_of(block) {
            // SYNC POINT: pairs with the fence in `RingWriter::claim_slot`: what was read for the archive was read before (loads before a
            // store: loom cannot show it).
            self.ring.map.words64(self.ring.geometry.slot(slot) + BH_PERSISTED, 1)[0].set_release(1);
        }
    }

    /// Computes and stores the checksums of a sealed block that has none. Off the writer's path: it reads the whole block.
    pub fn seal_checksum(&self, block: u64) {
        let Some(slot) = self.ring.slot_of(block) else { return };
        let at = self.ring.geometry.slot(slot);
        let set = |offset: usize, crc: u32| self.ring.map.words64(at + offset, 1)[0].set(CRC_VALID | u64::from(crc));
        let state = self.ring.u64(at + BH_STATE);
        if state & STATE_SEALED != 0 && self.ring.u64(at + BH_CRC) == 0 {
            let rows = ((state & STATE_ROWS) as u32).min(self.ring.geometry.rows_per_block);
            set(BH_CRC, self.ring.block_crc(slot, rows));
            loop {
                let state = self.ring.u64(at + BH_STATE);
                set(BH_HEADER_CRC, self.ring.header_crc(slot));
                // SYNC POINT: pairs with the fence in `RingWriter::close_day`: a day that closes meanwhile is seen here, or its writer's checksum of
                // the header is the later one.
                self.ring.map.fence_full();
                if self.ring.u64(at + BH_STATE) == state {
                    break;
                }
            }
        }
    }

    /// Every block in the ring, persisted or not, oldest first.
    pub fn blocks(&self) -> Vec<BlockRows> {
        self.listed(|_| true)
    }

    /// Says that the writer lives, as [`crate::RingWriter::heartbeat`] does.
    pub fn heartbeat(&self, now_ns: u64) {
        self.ring.map.words64(SB_HEARTBEAT_NS, 1)[0].set(now_ns);
    }

    /// Puts everything committed so far on disk, then the durable cursor that names it, then that.
    ///
    /// After an error it may be called again: what the disk did not take is written anew.
    pub fn sync(&self) -> Result<(), RingError> {
        self.sync_by(|| Ok(self.ring.map.sync()?))
    }

    /// As [`RingMaintenance::sync`], with another way to put the file on disk: tests take a picture of it there.
    #[doc(hidden)]
    pub fn sync_by(&self, to_disk: impl FnMut() -> Result<(), RingError>) -> Result<(), RingError> {
        // One sync after the other: a slower one would take the durable cursor back, under a file of the archive that relies on it.
        let mut unsynced = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &*unsynced {
            crate::create::sync_name(path)?;
            *unsynced = None;
        }
        let cursor = self.announce_sync();
        self.sync_announced(cursor, to_disk)
    }

    /// The first half of a sync: the cursor that will be durable; from here on the writer keeps its block.
    pub(crate) fn announce_sync(&self) -> u64 {
        let map = &self.ring.map;
        loop {
            let cursor = self.ring.u64(SB_CURSOR);
            // Release: who sees it has seen what the sync before left in the other two words.
            map.words64(SB_DURABLE_NEXT, 1)[0].set_release(cursor);
            // SYNC POINT: pairs with the fence in `RingWriter::kept_blocks`: while its block is the newest the writer does not reuse it,
            // and who has gone on from it sees it named here. It also lets every symbol be seen that a row below the cursor has.
            map.fence_full();
            if self.ring.u64(SB_CURSOR) >> 32 == cursor >> 32 {
                return cursor;
            }
        }
    }

    /// The second half.
    pub(crate) fn sync_announced(
        &self,
        cursor: u64,
        mut to_disk: impl FnMut() -> Result<(), RingError>,
    ) -> Result<(), RingError> {
        let map = &self.ring.map;
        let word = |offset: usize| &map.words64(offset, 1)[0];
        // A symbol is counted before a row of it is: this count covers every row below the cursor.
        let symbols = self.ring.symbol_count();
        // What an earlier sync stored and could not put on disk is stored again: a page that could not be written may be clean by now.
        let durable = self.ring.u64(SB_DURABLE_CURSOR);
        word(SB_DURABLE_CURSOR).set(durable);
        to_disk()?;
        // From here on either of two may be on disk, and the blocks of both stay.
        word(SB_DURABLE_BEFORE).set(durable);
        // The page may reach the disk between the two: symbols without a row do no harm, rows without their symbols would.
        map.words32(SB_DURABLE_SYMBOLS, 1)[0].set(symbols);
        // Release: who sees it sees the one before beside it (no scenario fails without this and its fence; the rules of memory ask for them).
        word(SB_DURABLE_CURSOR).set_release(cursor);
        to_disk()?;
        word(SB_DURABLE_BEFORE).set(cursor);
        Ok(())
    }
}

impl<M: Memory> Ring<M> {
    /// Whether the rows of the block in `slot` fit its checksum, where it is sealed and has one.
    pub(crate) fn checksum_fits(&self, slot: usize) -> bool {
        let at = self.geometry.slot(slot);
        let (state, crc) = (self.u64(at + BH_STATE), self.u64(at + BH_CRC));
        let rows = ((state & STATE_ROWS) as u32).min(self.geometry.rows_per_block);
        state & STATE_SEALED == 0 || crc & CRC_VALID == 0 || self.block_crc(slot, rows) == crc as u32
    }

    /// CRC-32C over the words of a block's header that say which rows it has, of which day.
    pub(crate) fn header_crc(&self, slot: usize) -> u32 {
        let at = self.geometry.slot(slot);
        let words = [BH_FIRST_SEQ, BH_DAY, BH_STATE].map(|offset| self.u64(at + offset).to_le_bytes());
        crc32c::crc32c(words.as_flattened())
    }

    /// CRC-32C over the first `rows` rows of a slot: every column's values, and the bitmaps up to their last whole byte and the bits of the rest.
    pub(crate) fn block_crc(&self, slot: usize, rows: u32) -> u32 {
        use barbus_shm::Load;
        let at = self.geometry.slot(slot);
        let rows = rows as usize;
        let mut crc = 0u32;
        for column in &self.geometry.columns {
            if column.validity != 0 {
                let words = self.map.words64(at + column.validity, rows.div_ceil(64));
                for (i, word) in words.iter().enumerate() {
                    let bits = (rows - 64 * i).min(64);
                    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
                    crc = crc32c::crc32c_append(crc, &(word.get() & mask).to_le_bytes());
                }
            }
            let part = crc_of(&self.map, at + column.values, at + column.values + rows * column.width);
            crc = crc32c::crc32c_append(crc, &part.to_le_bytes());
        }
        crc
    }
}
