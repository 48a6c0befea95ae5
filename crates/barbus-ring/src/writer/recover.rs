//! Taking over a ring: what the last writer has left is checked, completed or rolled back.

use std::path::Path;

use barbus_shm::{Load, Store, WriterMemory, boot_id};

use super::{OpenBlock, Recovery, RingWriter};
use crate::layout::*;
use crate::tip::TipRead;
use crate::{MAX_OPTIONAL, RingError, Row};

impl Recovery {
    /// Whether the file may have only a part of what the last writer stored.
    fn may_be_torn(&self) -> bool {
        self.other_boot || self.copied
    }
}

impl<M: WriterMemory> RingWriter<M> {
    /// Restores the writer's state from the file.
    ///
    /// In the boot of the last writer, the cursor and the tip are right: the page cache has every
    /// store. In another boot only what was synced is certain: the ring is rolled back to its
    /// durable cursor. A copy of the file was read from its start, so it has every row that its
    /// cursor counts; of later ones it may have any part.
    pub(super) fn recover(&mut self, path: &Path) -> Result<Recovery, RingError> {
        let corrupt = |what: String| RingError::Corrupt { path: path.to_owned(), what };
        let boot = boot_id();
        let boot = [0, 8].map(|i| u64::from_le_bytes(boot[i..i + 8].try_into().expect("8 bytes")));
        let epoch = self.ring.u64(SB_WRITER_EPOCH);
        let mut recovery = Recovery {
            other_boot: epoch != 0 && [SB_BOOT_ID, SB_BOOT_ID + 8].map(|word| self.ring.u64(word)) != boot,
            ..Recovery::default()
        };
        if recovery.other_boot {
            self.roll_back_cursor(&mut recovery);
        }
        let inode = self.ring.map.inode();
        recovery.copied = inode != 0 && ![0, inode].contains(&self.ring.u64(SB_INODE));
        // No sync is under way.
        self.set(SB_DURABLE_NEXT, 0);

        let cursor = self.ring.u64(SB_CURSOR);
        let (block, rows) = (cursor >> 32, cursor as u32);
        if rows > self.ring.geometry.rows_per_block {
            return Err(corrupt(format!("the cursor counts {rows} rows in block {block}")));
        }
        let symbols = self.ring.u32(if recovery.other_boot { SB_DURABLE_SYMBOLS } else { SB_SYMBOL_COUNT });
        let capacity = self.ring.geometry.symbols;
        if symbols > capacity {
            return Err(corrupt(format!("{symbols} symbols in a dictionary of at most {capacity}")));
        }

        recovery.torn_blocks = self.clear_unnamed_slots(block, &recovery);
        self.newest = block;
        self.next_seq = self.ring.geometry.first_seq;
        if block > 0 {
            self.reopen_block(block, rows, &mut recovery).map_err(corrupt)?;
        }
        if recovery.may_be_torn() {
            self.ring.clear_tip(self.next_seq);
        }
        self.restore_dictionary(symbols).map_err(corrupt)?;

        if epoch == 0 || recovery.other_boot {
            // These are times of another boot's clock.
            self.set(SB_RECEIVED_BOOT_NS, 0);
            self.set(SB_HEARTBEAT_BOOT_NS, 0);
        }
        self.set(SB_INODE, inode);
        self.set(SB_BOOT_ID, boot[0]);
        self.set(SB_BOOT_ID + 8, boot[1]);
        self.ring.map.words32(SB_WRITER_PID, 1)[0].set(std::process::id());
        self.set(SB_WRITER_EPOCH, epoch.wrapping_add(1));
        if epoch == 0 || recovery.may_be_torn() {
            // Rows of this writer must not reach the disk before this superblock: one that records
            // no writer, or that still names rows after the durable cursor, would be wrong.
            self.ring.map.sync()?;
        }
        Ok(recovery)
    }

    fn set(&self, offset: usize, value: u64) {
        self.ring.map.words64(offset, 1)[0].set(value);
    }

    /// Moves the cursor back to the durable cursor and counts the rows that are dropped by it.
    fn roll_back_cursor(&self, recovery: &mut Recovery) {
        let durable = self.ring.u64(SB_DURABLE_CURSOR);
        let seq_at = |cursor: u64| {
            let slot = self.ring.slot_of(cursor >> 32)?;
            Some(self.ring.header(slot)?.first_seq.wrapping_add((cursor as u32).into()))
        };
        let kept = seq_at(durable).unwrap_or(self.ring.geometry.first_seq);
        let mut end = seq_at(self.ring.u64(SB_CURSOR)).unwrap_or(kept);
        for row in self.ring.tip_rows_from(kept) {
            end = end.max(row.seq + 1);
            let (low, high) = recovery.dropped_frames_ms.unwrap_or((row.frame_ms, row.frame_ms));
            recovery.dropped_frames_ms = Some((low.min(row.frame_ms), high.max(row.frame_ms)));
        }
        recovery.dropped_rows = end.saturating_sub(kept);
        self.set(SB_CURSOR, durable);
        self.set(SB_DURABLE_BEFORE, durable);
    }

    /// Frees the slots that were being recycled, or opened but never named by the cursor, and where
    /// blocks may be torn those whose rows do not match their checksum or, in a copy, that have no
    /// seal. Returns the number of the torn ones.
    ///
    /// The directory is stored again from the headers.
    fn clear_unnamed_slots(&self, newest: u64, recovery: &Recovery) -> u32 {
        let mut torn_blocks = 0;
        for slot in 0..self.ring.geometry.slots as usize {
            let at = self.ring.geometry.slot(slot);
            let block = self.ring.u64(at + BH_BLOCK);
            let is_torn = || {
                let unsealed = recovery.copied && self.ring.u64(at + BH_STATE) & STATE_SEALED == 0;
                unsealed || !self.ring.matches_checksum(slot)
            };
            let torn = recovery.may_be_torn() && block != RECYCLING && block < newest && is_torn();
            torn_blocks += u32::from(torn);
            if block == RECYCLING || block > newest || torn {
                self.patch_lengths(slot, 0, [0; MAX_OPTIONAL]);
                self.set(at + BH_BLOCK, 0);
                self.set(DIRECTORY + 8 * slot, 0);
            } else {
                self.set(DIRECTORY + 8 * slot, block);
            }
        }
        torn_blocks
    }

    /// Restores the writer's state from the newest block, of which the cursor counts `rows` rows.
    fn reopen_block(&mut self, block: u64, rows: u32, recovery: &mut Recovery) -> Result<(), String> {
        let slot = self.ring.slot_of(block).ok_or_else(|| format!("block {block} is in no slot"))?;
        let header = self.ring.header(slot).ok_or_else(|| format!("block {block} has no header"))?;
        let mut sealed = header.sealed();
        if recovery.may_be_torn() && sealed && (header.state & STATE_ROWS) as u32 != rows {
            // The seal was stored after the cursor: the rows after that are lost, and the seal with
            // them.
            let at = self.ring.geometry.slot(slot);
            for word in [BH_STATE, BH_CRC, BH_PERSISTED, BH_HEADER_CRC] {
                self.set(at + word, 0);
            }
            sealed = false;
        }
        self.next_seq = header.first_seq.wrapping_add(rows.into());
        if self.next_seq >= SEQ_LIMIT - (1 << 32) || self.next_seq < self.ring.geometry.first_seq {
            return Err(format!("block {block} begins with row {}", header.first_seq));
        }
        let mut open = OpenBlock { block, slot, rows };
        // The stamps of the tip do not show what is on disk or in a copy.
        if !sealed && !recovery.may_be_torn() {
            recovery.completed_rows = self.complete_from_tip(&mut open);
        }
        let closed = sealed && header.last_of_day();
        self.day = (header.day != NO_DAY && !closed).then_some(header.day);
        self.open = (!sealed).then_some(open);
        Ok(())
    }

    /// Stores the columns of the rows that the last writer has published in the tip only. Readers
    /// may have seen them. Returns their number.
    fn complete_from_tip(&mut self, open: &mut OpenBlock) -> u64 {
        let mut completed = 0;
        let mut row = Row::default();
        while let TipRead::Row(position) = self.ring.read_tip(self.next_seq, &mut row) {
            let expected = open.block << 32 | u64::from(open.rows);
            if position != expected || open.rows == self.ring.geometry.rows_per_block {
                break;
            }
            // These null counts are not used: `from_map` counts the nulls of the whole block.
            self.ring.store_columns(open.slot, open.rows as usize, self.next_seq, 1, &mut [0; MAX_OPTIONAL]);
            open.rows += 1;
            self.next_seq += 1;
            completed += 1;
            // SYNC POINT: pairs with `ring.rs`::`cursor`. A reader that finds this cursor also
            // finds the columns of every row that it counts.
            self.ring.map.words64(SB_CURSOR, 1)[0].set_release(open.block << 32 | u64::from(open.rows));
        }
        completed
    }

    fn restore_dictionary(&mut self, symbols: u32) -> Result<(), String> {
        let (map, geometry) = (&self.ring.map, &self.ring.geometry);
        self.symbols = symbols;
        map.words32(SB_SYMBOL_COUNT, 1)[0].set(symbols);
        self.text_bytes = map.words32(geometry.dictionary_offsets + 4 * symbols as usize, 1)[0].get();
        if self.text_bytes > geometry.symbol_bytes {
            return Err("the dictionary's text is longer than its space".into());
        }
        Ok(())
    }
}
