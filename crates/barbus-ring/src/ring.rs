//! [`Ring`]: an attached ring file, and the words that every reader and the writer load from it.
//!
//! `impl Ring` lies in several files, one for each part of the protocol:
//!
//! - `ring.rs`: attaching, the superblock's words, block headers, the number of committed rows.
//! - `tip.rs`: reading and storing rows of the tip.
//! - `columns.rs`: copying rows out of a slot's columns, and storing them there.
//! - `symbols.rs`: the dictionary of symbols.
//! - `lookup.rs`: single rows at known locations.
//! - `checksum.rs`: the checksums of blocks and their headers.
//! - `held_rows.rs`: holding a block in place, or as a copy.
//! - `verify.rs`: a check of the whole file.

use std::path::Path;

use barbus_shm::{Load, Memory, ReadMap};

use crate::layout::*;
use crate::{Geometry, RingError};

/// An attached ring: a map whose superblock was checked, and its geometry.
///
/// Attaching does not trust the file. Whatever bytes it holds, the result is an error, or a ring
/// whose offsets all lie inside the file. A clone shares the map.
#[derive(Debug, Clone)]
pub struct Ring<M = ReadMap> {
    pub(crate) map: M,
    pub(crate) geometry: Geometry,
}

/// A run of a writer. Each writer that opens a ring has another one, also if it opens a file that
/// was put back from a backup, and so has a file that replaces another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterRun {
    lineage: u64,
    /// Counts the writers of the file.
    epoch: u64,
    inode: u64,
    pid: u32,
}

/// The state of a ring at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingStatus {
    /// Number of the newest block; 0 before the first.
    pub block: u64,
    /// Sequence number of the next row.
    pub next_seq: u64,
    /// Sequence number of the oldest row that can still be read.
    pub oldest_seq: u64,
    /// Blocks that hold rows.
    pub blocks_used: u32,
    /// Blocks whose rows are all archived.
    pub blocks_persisted: u32,
    /// The trading day of the newest block, days since 1970-01-01.
    pub day: Option<i64>,
    /// True if that day is closed.
    pub day_closed: bool,
    /// Symbols in the dictionary.
    pub symbols: u32,
    /// Process number of the last writer.
    pub writer_pid: u32,
    /// The writer's last heartbeat, nanoseconds since 1970-01-01 UTC; 0 after a clean shutdown.
    pub heartbeat_ns: u64,
    /// Number of writers that have opened the ring so far.
    pub writer_epoch: u64,
    /// True if another file has taken this one's place.
    pub superseded: bool,
}

/// A block's header, read at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) block: u64,
    pub(crate) first_seq: u64,
    pub(crate) day: i64,
    pub(crate) state: u64,
}

impl Header {
    pub(crate) fn sealed(&self) -> bool {
        self.state & STATE_SEALED != 0
    }
    pub(crate) fn last_of_day(&self) -> bool {
        self.state & STATE_LAST_OF_DAY != 0
    }
    pub(crate) fn day(&self) -> Option<i64> {
        (self.day != NO_DAY).then_some(self.day)
    }
}

impl Ring<ReadMap> {
    /// Maps `path` read-only and checks its superblock.
    pub fn attach(path: &Path) -> Result<Self, RingError> {
        Self::attach_to(ReadMap::open(path)?)
    }

    /// Checks the superblock of the file in `map`.
    pub fn attach_to(map: ReadMap) -> Result<Self, RingError> {
        let path = map.path().to_owned();
        Self::new(map, &path)
    }

    /// Sleeps until [`Ring::commits`] differs from `seen`, or until `timeout` has passed.
    ///
    /// It may return early; the caller polls again in any case. True if a signal that has a handler
    /// ended the sleep.
    pub fn wait(&self, seen: u32, timeout: std::time::Duration) -> bool {
        self.map.wait(SB_COMMITS, seen, timeout)
    }

    /// Whether the path that the ring was attached by still names this file.
    pub fn is_at_its_path(&self) -> bool {
        self.map.is_at_its_path()
    }

    /// Checks that the file is not shorter than its superblock states.
    ///
    /// After the file was truncated, a load from one of its missing pages raises `SIGBUS`.
    pub fn check_length(&self) -> Result<(), RingError> {
        let (found, expected) = (self.map.file_len()?, self.geometry.file_bytes);
        match found >= expected {
            true => Ok(()),
            false => Err(RingError::Truncated { path: self.map.path().to_owned(), found, expected }),
        }
    }
}

impl<M: Memory> Ring<M> {
    pub(crate) fn new(map: M, path: &Path) -> Result<Self, RingError> {
        let geometry = crate::superblock::read_geometry(&map, path)?;
        Ok(Self { map, geometry })
    }

    /// Sizes of the ring.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The Schema message's flatbuffer, for an Arrow library to decode.
    pub fn schema_flatbuffer(&self) -> Vec<u8> {
        self.map
            .words8(SCHEMA_MESSAGE + MESSAGE_PREFIX, self.geometry.schema_bytes as usize)
            .iter()
            .map(Load::get)
            .collect()
    }

    /// Whether the ring's columns are those of `spec`.
    pub fn has_schema(&self, spec: &crate::Spec) -> bool {
        self.schema_flatbuffer() == crate::arrow_messages::schema_flatbuffer(&spec.schema())
    }

    /// The count of commits and day closes, wrapping. Load it before polling, and pass it to
    /// [`Ring::wait`] if the poll finds nothing.
    pub fn commits(&self) -> u32 {
        let commits = self.u32(SB_COMMITS);
        // SYNC POINT: pairs with `writer/mod.rs`::`count_commit`. A poll after this load finds the
        // rows that are counted; otherwise a reader could sleep although it has not read them.
        self.map.fence_acquire();
        commits
    }

    /// Whether the last writer ran in the current boot of the machine.
    ///
    /// After a reboot only the synced part of the file can be trusted: a writer must take it over
    /// first.
    pub fn is_of_this_boot(&self) -> bool {
        let boot = barbus_shm::boot_id();
        let stored = [self.u64(SB_BOOT_ID).to_le_bytes(), self.u64(SB_BOOT_ID + 8).to_le_bytes()].concat();
        self.u64(SB_WRITER_EPOCH) == 0 || stored == boot
    }

    /// True if another file has taken this one's place at its path, or is about to.
    ///
    /// This ring gets no more rows. A poll after this call finds every row that it has; the other
    /// file may appear at the path a moment later.
    #[inline]
    pub fn superseded(&self) -> bool {
        let superseded = self.u64(SB_SUPERSEDED) != 0;
        // SYNC POINT: pairs with `writer/replace.rs`::`set_superseded`. A poll after this load
        // finds the last row of this ring.
        self.map.fence_acquire();
        superseded
    }

    /// The number of withdrawals of bars from the bus. The caller keeps a record of them; it must
    /// be on disk before [`RingWriter::set_withdrawals`](crate::RingWriter::set_withdrawals).
    #[inline]
    pub fn withdrawals(&self) -> u64 {
        self.u64(SB_WITHDRAWALS)
    }

    /// The end of the newest minute of which producers send no more rows, milliseconds since
    /// 1970-01-01 UTC; 0 if none has said so. A poll after this call finds every row of that minute
    /// and of earlier ones.
    #[inline]
    pub fn watermark_ms(&self) -> i64 {
        let watermark_ms = self.u64(SB_WATERMARK_MS) as i64;
        // SYNC POINT: pairs with `writer/replace.rs`::`set_watermark_ms`. A poll after this load
        // finds the rows that were stored before the watermark.
        self.map.fence_acquire();
        watermark_ms
    }

    /// The writer's last heartbeat, nanoseconds since 1970-01-01 UTC; 0 after a clean shutdown.
    pub fn heartbeat_ns(&self) -> u64 {
        self.u64(SB_HEARTBEAT_NS)
    }

    /// The writer's last heartbeat, nanoseconds since the boot; 0 if it did not store that.
    pub fn heartbeat_boot_ns(&self) -> u64 {
        self.u64(SB_HEARTBEAT_BOOT_NS)
    }

    /// When the newest row was received, nanoseconds since the boot; 0 if that is unknown.
    pub fn received_boot_ns(&self) -> u64 {
        self.u64(SB_RECEIVED_BOOT_NS)
    }

    /// The numbers of the blocks that are in the ring, each with its slot.
    pub fn blocks(&self) -> impl Iterator<Item = (u64, u32)> {
        (0..self.geometry.slots).filter_map(|slot| Some((self.block_in(slot as usize)?, slot)))
    }

    /// The run of the ring's present or last writer.
    pub fn writer_run(&self) -> WriterRun {
        WriterRun {
            lineage: self.geometry.lineage,
            epoch: self.u64(SB_WRITER_EPOCH),
            inode: self.u64(SB_INODE),
            pid: self.u32(SB_WRITER_PID),
        }
    }

    /// The number of the first row of the oldest block that is not marked as persisted; `None` if
    /// all blocks are. The archive has every row of the ring before it.
    pub fn first_unpersisted_seq(&self) -> Option<u64> {
        let is_unpersisted = |slot: &usize| self.u64(self.geometry.slot(*slot) + BH_PERSISTED) != 1;
        let headers = (0..self.geometry.slots as usize).filter(is_unpersisted).filter_map(|slot| self.header(slot));
        headers.map(|header| header.first_seq).min()
    }

    /// The number of the newest block, from 1; 0 before the first.
    pub fn newest_block(&self) -> u64 {
        self.cursor().0
    }

    /// The trading day of the newest block (days since 1970-01-01), and whether it is closed.
    /// `None` without a block, and if the newest one has rows of closed days only.
    pub fn day_of_newest_block(&self) -> Option<(i64, bool)> {
        let header = self.header_of(self.newest_block())?;
        Some((header.day()?, header.last_of_day()))
    }

    /// The trading day that is open, days since 1970-01-01.
    pub fn open_day(&self) -> Option<i64> {
        self.day_of_newest_block().filter(|(_, is_closed)| !is_closed).map(|(day, _)| day)
    }

    /// The present state of the ring. Its fields are loaded one after another, not at one instant.
    pub fn status(&self) -> RingStatus {
        let cursor = self.cursor();
        let mut status = RingStatus {
            block: cursor.0,
            next_seq: self.geometry.first_seq,
            oldest_seq: u64::MAX,
            blocks_used: 0,
            blocks_persisted: 0,
            day: None,
            day_closed: false,
            symbols: self.symbol_count(),
            writer_pid: self.u32(SB_WRITER_PID),
            heartbeat_ns: self.u64(SB_HEARTBEAT_NS),
            writer_epoch: self.u64(SB_WRITER_EPOCH),
            superseded: self.superseded(),
        };
        for slot in 0..self.geometry.slots as usize {
            let Some(header) = self.header(slot) else { continue };
            status.blocks_used += 1;
            status.blocks_persisted += u32::from(self.u64(self.geometry.slot(slot) + BH_PERSISTED) == 1);
            status.oldest_seq = status.oldest_seq.min(header.first_seq);
            if header.block == cursor.0 {
                status.next_seq = header.first_seq.wrapping_add(cursor.1.into());
                status.day = header.day();
                status.day_closed = header.last_of_day();
            }
        }
        status.oldest_seq = status.oldest_seq.min(status.next_seq);
        status
    }

    #[inline(always)]
    pub(crate) fn u64(&self, offset: usize) -> u64 {
        self.map.words64(offset, 1)[0].get()
    }

    #[inline(always)]
    pub(crate) fn u32(&self, offset: usize) -> u32 {
        self.map.words32(offset, 1)[0].get()
    }

    /// The newest block and the number of rows committed in it.
    #[inline]
    pub(crate) fn cursor(&self) -> (u64, u32) {
        let cursor = self.u64(SB_CURSOR);
        // SYNC POINT: pairs with `writer/append.rs`::`commit`, `writer/blocks.rs`::`open_block`,
        // `writer/recover.rs`::`complete_from_tip`. After this load, the columns of every counted
        // row and the seals of all earlier blocks can be read.
        self.map.fence_acquire();
        (cursor >> 32, (cursor as u32).min(self.geometry.rows_per_block))
    }

    /// The number of the block in `slot`; `None` while the slot holds none.
    #[inline]
    pub(crate) fn block_in(&self, slot: usize) -> Option<u64> {
        let block = self.u64(self.geometry.slot(slot) + BH_BLOCK);
        // SYNC POINT: pairs with `writer/blocks.rs`::`open_block`. After this load, the block's
        // other header words can be read.
        self.map.fence_acquire();
        (block != 0 && block != RECYCLING).then_some(block)
    }

    /// The header of `block`; `None` if the ring does not hold it.
    pub(crate) fn header_of(&self, block: u64) -> Option<Header> {
        self.header(self.slot_of(block)?).filter(|header| header.block == block)
    }

    /// The header in `slot`, read as a whole; `None` while the slot holds no block.
    pub(crate) fn header(&self, slot: usize) -> Option<Header> {
        let at = self.geometry.slot(slot);
        let block = self.block_in(slot)?;
        let header = Header {
            block,
            first_seq: self.u64(at + BH_FIRST_SEQ),
            day: self.u64(at + BH_DAY) as i64,
            state: self.u64(at + BH_STATE),
        };
        self.is_current(slot, block).then_some(header)
    }

    /// Whether `slot` still holds `block`. If so, nothing that was loaded from the slot before this
    /// call belongs to a later block.
    #[inline]
    pub(crate) fn is_current(&self, slot: usize, block: u64) -> bool {
        // SYNC POINT: pairs with `writer/blocks.rs`::`claim_slot`. A reader that has loaded any
        // word of a later block finds a changed number below.
        self.map.fence_acquire();
        self.u64(self.geometry.slot(slot) + BH_BLOCK) == block
    }

    /// The slot that holds `block`, found in the directory and confirmed by the block's header.
    pub(crate) fn slot_of(&self, block: u64) -> Option<usize> {
        let directory = self.map.words64(DIRECTORY, self.geometry.slots as usize);
        let slot = directory.iter().position(|word| word.get() == block)?;
        (self.block_in(slot) == Some(block)).then_some(slot)
    }

    /// The slot after `slot`, if it holds `block`. It usually does: the writer fills slots in order
    /// and skips only pinned ones.
    #[inline]
    pub(crate) fn next_slot(&self, slot: usize, block: u64) -> Option<usize> {
        let next = Some(slot + 1).filter(|&next| next < self.geometry.slots as usize).unwrap_or(0);
        (self.u64(DIRECTORY + 8 * next) == block && self.block_in(next) == Some(block)).then_some(next)
    }

    /// The number of committed rows of `block` in `slot`: the cursor's if it is the newest block,
    /// otherwise that of its seal.
    pub(crate) fn committed_rows(&self, slot: usize, block: u64) -> u32 {
        let (newest, rows) = self.cursor();
        match block == newest {
            true => rows,
            false if block > newest => 0,
            false => {
                // This load needs no fence of its own. The block was sealed before the cursor named
                // a later one, so the fence after the cursor's load orders its seal and its rows.
                // The caller finds with `is_current` whether the slot was recycled since.
                let state = self.u64(self.geometry.slot(slot) + BH_STATE);
                ((state & STATE_ROWS) as u32).min(self.geometry.rows_per_block)
            }
        }
    }
}
