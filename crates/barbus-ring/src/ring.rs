use std::path::Path;

use barbus_shm::{Load, Memory, ReadMap};

use crate::layout::*;
use crate::{Geometry, RingError, Row, SymbolId};

/// An attached ring: a map whose superblock was checked, and its geometry.
///
/// Attaching never trusts the file: whatever its bytes are, the result is an error or a ring whose offsets all lie inside of it. A clone is the same
/// map again.
#[derive(Debug, Clone)]
pub struct Ring<M = ReadMap> {
    pub(crate) map: M,
    pub(crate) geometry: Geometry,
}

/// What a ring's superblock says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingStatus {
    /// Number of the newest block; 0 before the first.
    pub block: u64,
    /// Sequence number that the next row will get.
    pub next_seq: u64,
    /// Sequence number of the oldest row that can still be read.
    pub oldest_seq: u64,
    /// Blocks that hold rows.
    pub blocks_used: u32,
    /// Blocks whose rows are all archived.
    pub blocks_persisted: u32,
    /// The trading day of the newest block, days since 1970-01-01.
    pub day: Option<i64>,
    /// True when that day has been closed.
    pub day_closed: bool,
    /// Symbols in the dictionary.
    pub symbols: u32,
    /// Process number of the last writer.
    pub writer_pid: u32,
    /// When the writer last said that it lives, nanoseconds since 1970-01-01 UTC; 0 after a clean end.
    pub heartbeat_ns: u64,
    /// Counts the writers that have opened the ring.
    pub writer_epoch: u64,
    /// True when another file has taken this one's place.
    pub superseded: bool,
}

impl Ring<ReadMap> {
    /// Maps `path` read-only and checks its superblock.
    pub fn attach(path: &Path) -> Result<Self, RingError> {
        Self::new(ReadMap::open(path)?, path)
    }

    /// Sleeps until a commit or a day close may have happened since [`Ring::commits`] returned `seen`, or `timeout` is over.
    pub fn wait(&self, seen: u32, timeout: std::time::Duration) {
        self.map.wait(SB_COMMITS, seen, timeout);
    }
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

impl<M: Memory> Ring<M> {
    pub(crate) fn new(map: M, path: &Path) -> Result<Self, RingError> {
        let geometry = Geometry::read(&map, path)?;
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

    /// Counts commits and day closes, wrapping: to be read before looking for rows, and passed to [`Ring::wait`].
    pub fn commits(&self) -> u32 {
        let commits = self.u32(SB_COMMITS);
        // SYNC POINT: pairs with the release store in `RingWriter::count_commit`: who saw this count finds the rows that it counted, so
        // nobody sleeps on a count that is newer than what he looked at.
        self.map.fence_acquire();
        commits
    }

    /// Symbols in the dictionary.
    pub fn symbol_count(&self) -> u32 {
        let count = self.u32(SB_SYMBOL_COUNT).min(self.geometry.symbols);
        self.map.fence_acquire();
        count
    }

    /// The text of a symbol; `None` for an id that is not in the dictionary, or where the file's bytes are not a symbol.
    pub fn symbol(&self, id: SymbolId) -> Option<String> {
        if id.0 >= self.symbol_count() {
            return None;
        }
        let offsets = self.map.words32(self.geometry.dictionary_offsets + 4 * id.0 as usize, 2);
        let (start, end) = (offsets[0].get(), offsets[1].get());
        if start > end || end > self.geometry.symbol_bytes {
            return None;
        }
        let text = self.map.words8(self.geometry.dictionary_text + start as usize, (end - start) as usize);
        String::from_utf8(text.iter().map(Load::get).collect()).ok()
    }

    /// Whether the last writer ran since the machine was started. Of a ring of another boot only what was synced can be trusted: a writer must
    /// take it over first.
    pub fn is_of_this_boot(&self) -> bool {
        let boot = barbus_shm::boot_id();
        let stored = [self.u64(SB_BOOT_ID).to_le_bytes(), self.u64(SB_BOOT_ID + 8).to_le_bytes()].concat();
        self.u64(SB_WRITER_EPOCH) == 0 || stored == boot
    }

    /// True when another file has taken this one's place at its path: what is committed here is all there will be.
    ///
    /// Who sees it finds every row of this file; the other one may come to the path a moment later.
    #[inline]
    pub fn superseded(&self) -> bool {
        let superseded = self.u64(SB_SUPERSEDED) != 0;
        // SYNC POINT: pairs with the release store in `RingWriter::supersede`.
        self.map.fence_acquire();
        superseded
    }

    /// When the writer last said that it lives, nanoseconds since 1970-01-01 UTC; 0 after a clean end.
    pub fn heartbeat_ns(&self) -> u64 {
        self.u64(SB_HEARTBEAT_NS)
    }

    /// The newest row; `None` before the first one of this file.
    pub fn newest_row(&self) -> Option<Row> {
        let (block, rows) = self.cursor();
        let header = self.header(self.slot_of(block)?).filter(|header| header.block == block)?;
        let counted = header.first_seq.wrapping_add(rows.into());
        let newest = |seq: u64| {
            let mut row = Row::default();
            matches!(self.tip(seq, &mut row), crate::tip::Tip::Row(_)).then_some(row)
        };
        // The tip is ahead of the cursor by a few rows; at most by all of its own.
        let ahead = (0..u64::from(self.geometry.tip_rows)).map_while(|i| newest(counted.wrapping_add(i))).last();
        let last = counted.checked_sub(1)?;
        ahead.or_else(|| newest(last)).or_else(|| {
            let mut found = Vec::new();
            crate::RingReader::new(self, crate::RingStart::Seq(last)).ok()?.poll(self, &mut found, 1);
            found.first().copied().filter(|row| row.seq == last)
        })
    }

    /// The numbers of the blocks that are in the ring, each with its slot.
    pub fn blocks(&self) -> impl Iterator<Item = (u64, u32)> {
        (0..self.geometry.slots).filter_map(|slot| Some((self.block_in(slot as usize)?, slot)))
    }

    /// What the superblock says now. Fields are read one after another, not at one instant.
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

    /// The newest block and the rows committed in it. What those rows hold may be read after it.
    #[inline]
    pub(crate) fn cursor(&self) -> (u64, u32) {
        let cursor = self.u64(SB_CURSOR);
        // SYNC POINT: pairs with the release store of the cursor in `RingWriter`.
        self.map.fence_acquire();
        (cursor >> 32, (cursor as u32).min(self.geometry.rows_per_block))
    }

    /// The number of the block in `slot`; `None` while the slot holds none. What the header holds may be read after it.
    #[inline]
    pub(crate) fn block_in(&self, slot: usize) -> Option<u64> {
        let block = self.u64(self.geometry.slot(slot) + BH_BLOCK);
        // SYNC POINT: pairs with the release store of the block number in `RingWriter::open_block`.
        self.map.fence_acquire();
        (block != 0 && block != RECYCLING).then_some(block)
    }

    /// A slot's header, read whole: `None` while the slot holds no block.
    pub(crate) fn header(&self, slot: usize) -> Option<Header> {
        let at = self.geometry.slot(slot);
        let block = self.block_in(slot)?;
        let header = Header {
            block,
            first_seq: self.u64(at + BH_FIRST_SEQ),
            day: self.u64(at + BH_DAY) as i64,
            state: self.u64(at + BH_STATE),
        };
        self.still(slot, block).then_some(header)
    }

    /// True when `slot` still holds `block`: what was read from the slot before was not overwritten meanwhile.
    #[inline]
    pub(crate) fn still(&self, slot: usize, block: u64) -> bool {
        // SYNC POINT: pairs with the fence after RECYCLING is stored in `RingWriter::open_block`: who has read any of the new block's
        // bytes sees the changed number here.
        self.map.fence_acquire();
        self.u64(self.geometry.slot(slot) + BH_BLOCK) == block
    }

    /// The slot that holds `block`, by the directory.
    pub(crate) fn slot_of(&self, block: u64) -> Option<usize> {
        let directory = self.map.words64(DIRECTORY, self.geometry.slots as usize);
        let slot = directory.iter().position(|word| word.get() == block)?;
        (self.block_in(slot) == Some(block)).then_some(slot)
    }

    /// The same where it is the slot behind `slot`, as it is until the ring has passed one over.
    #[inline]
    pub(crate) fn slot_behind(&self, slot: usize, block: u64) -> Option<usize> {
        let next = Some(slot + 1).filter(|&next| next < self.geometry.slots as usize).unwrap_or(0);
        (self.u64(DIRECTORY + 8 * next) == block && self.block_in(next) == Some(block)).then_some(next)
    }

    /// Rows of a sealed block, or the cursor's where it is the newest.
    pub(crate) fn committed(&self, slot: usize, block: u64) -> u32 {
        let (newest, rows) = self.cursor();
        match block == newest {
            true => rows,
            false if block > newest => 0,
            false => {
                // Sealed before the cursor went on to another block.
                let state = self.u64(self.geometry.slot(slot) + BH_STATE);
                ((state & STATE_ROWS) as u32).min(self.geometry.rows_per_block)
            }
        }
    }
}
