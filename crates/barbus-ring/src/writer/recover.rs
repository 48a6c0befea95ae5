//! Taking a ring over: what the last writer left is checked, completed or cut off.

use std::path::Path;

use barbus_shm::{Load, Store, WriterMemory, boot_id};

use crate::layout::*;
use crate::tip::Tip;
use crate::writer::Open;
use crate::{MAX_OPTIONAL, RingError, RingWriter, Row};

/// What was found when a ring was opened for writing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Rows that were stamped in the tip and had to be completed in the columns.
    pub completed_rows: u64,
    /// True when the last writer ran in another boot: the durable cursor was gone back to.
    pub other_boot: bool,
    /// Rows behind the durable cursor that were dropped, as far as the cursor or the tip that came to the disk tell of them.
    pub dropped_rows: u64,
    /// Lowest and highest frame (end of bar, UTC ms) of those dropped rows that could still be read in the tip.
    pub dropped_frames_ms: Option<(i64, i64)>,
    /// Blocks that were dropped because their rows do not fit their checksum: another boot's writer had begun to use their slots again,
    /// and not all of that came to the disk. They were archived.
    pub torn_blocks: u32,
}

impl<M: WriterMemory> RingWriter<M> {
    /// In the same boot the cursor and the tip are the truth. In another only what was synced is: the durable cursor.
    pub(crate) fn recover(&mut self, path: &Path) -> Result<Recovery, RingError> {
        let corrupt = |what: String| RingError::Corrupt { path: path.to_owned(), what };
        let map = &self.ring.map;
        let set = |offset: usize, value: u64| map.words64(offset, 1)[0].set(value);
        let mut recovery = Recovery::default();

        let boot = boot_id();
        let [low, high] = [0, 8].map(|i| u64::from_le_bytes(boot[i..i + 8].try_into().expect("8 bytes")));
        let epoch = self.ring.u64(SB_WRITER_EPOCH);
        let mut cursor = self.ring.u64(SB_CURSOR);
        let mut symbols = self.ring.u32(SB_SYMBOL_COUNT);
        recovery.other_boot = epoch != 0 && (self.ring.u64(SB_BOOT_ID), self.ring.u64(SB_BOOT_ID + 8)) != (low, high);
        if recovery.other_boot {
            let durable = self.ring.u64(SB_DURABLE_CURSOR);
            let seq_at = |cursor: u64| {
                let slot = self.ring.slot_of(cursor >> 32)?;
                Some(self.ring.header(slot)?.first_seq.wrapping_add((cursor as u32).into()))
            };
            let kept = seq_at(durable).unwrap_or(self.ring.geometry.first_seq);
            let mut seen = seq_at(cursor).unwrap_or(kept);
            for row in self.ring.tip_from(kept) {
                seen = seen.max(row.seq + 1);
                let (low, high) = recovery.dropped_frames_ms.unwrap_or((row.frame_ms, row.frame_ms));
                recovery.dropped_frames_ms = Some((low.min(row.frame_ms), high.max(row.frame_ms)));
            }
            recovery.dropped_rows = seen.saturating_sub(kept);
            cursor = durable;
            symbols = self.ring.u32(SB_DURABLE_SYMBOLS);
            set(SB_CURSOR, cursor);
            set(SB_DURABLE_BEFORE, durable);
        }
        // Nobody is in the middle of a sync.
        set(SB_DURABLE_NEXT, 0);
        let (block, rows) = (cursor >> 32, cursor as u32);
        if rows > self.ring.geometry.rows_per_block {
            return Err(corrupt(format!("the cursor counts {rows} rows in block {block}")));
        }
        if symbols > self.ring.geometry.symbols {
            return Err(corrupt(format!(
                "{symbols} symbols, the dictionary has room for {}",
                self.ring.geometry.symbols
            )));
        }

        // Slots that were being prepared, or opened but never named by the cursor, are free again.
        for slot in 0..self.ring.geometry.slots as usize {
            let at = self.ring.geometry.slot(slot);
            let found = self.ring.u64(at + BH_BLOCK);
            let torn = recovery.other_boot && found != RECYCLING && found < block && !self.ring.checksum_fits(slot);
            recovery.torn_blocks += u32::from(torn);
            if found == RECYCLING || found > block || torn {
                self.patch(slot, 0, [0; MAX_OPTIONAL]);
                set(at + BH_BLOCK, 0);
                set(DIRECTORY + 8 * slot, 0);
            } else {
                set(DIRECTORY + 8 * slot, found);
            }
        }

        self.newest = block;
        self.next_seq = self.ring.geometry.first_seq;
        if block > 0 {
            let slot = self.ring.slot_of(block).ok_or_else(|| corrupt(format!("block {block} is in no slot")))?;
            let at = self.ring.geometry.slot(slot);
            let header = self.ring.header(slot).ok_or_else(|| corrupt(format!("block {block} has no header")))?;
            let mut open = Open { block, slot, rows };
            let mut sealed = header.sealed();
            if recovery.other_boot && sealed && (header.state & STATE_ROWS) as u32 != rows {
                // Sealed after the durable cursor: the rows behind it are gone, and with them the seal.
                set(at + BH_STATE, 0);
                set(at + BH_CRC, 0);
                set(at + BH_PERSISTED, 0);
                set(at + BH_HEADER_CRC, 0);
                sealed = false;
            }
            self.next_seq = header.first_seq.wrapping_add(rows.into());
            if self.next_seq >= SEQ_LIMIT - (1 << 32) || self.next_seq < self.ring.geometry.first_seq {
                return Err(corrupt(format!("block {block} begins with row {}", header.first_seq)));
            }
            // In another boot the tip's stamps say nothing about what is on disk.
            let done = sealed || recovery.other_boot;
            let mut row = Row::default();
            while let (false, Tip::Row(position)) = (done, self.ring.tip(self.next_seq, &mut row)) {
                if position != block << 32 | u64::from(open.rows) || open.rows == self.ring.geometry.rows_per_block {
                    break;
                }
                // The null counts are taken anew by who opens the ring.
                self.ring.put_columns(slot, open.rows as usize, self.next_seq, 1, &mut [0; MAX_OPTIONAL]);
                open.rows += 1;
                self.next_seq += 1;
                recovery.completed_rows += 1;
                map.words64(SB_CURSOR, 1)[0].set_release(block << 32 | u64::from(open.rows));
            }
            let last = sealed && header.last_of_day();
            self.day = (header.day != NO_DAY && !last).then_some(header.day);
            self.open = (!sealed).then_some(open);
        }

        if recovery.other_boot {
            self.ring.clear_tip(self.next_seq);
        }

        self.symbols = symbols;
        map.words32(SB_SYMBOL_COUNT, 1)[0].set(symbols);
        self.text_bytes = map.words32(self.ring.geometry.dictionary_offsets + 4 * symbols as usize, 1)[0].get();
        if self.text_bytes > self.ring.geometry.symbol_bytes {
            return Err(corrupt("the dictionary's text leaves its room".into()));
        }

        set(SB_BOOT_ID, low);
        set(SB_BOOT_ID + 8, high);
        map.words32(SB_WRITER_PID, 1)[0].set(std::process::id());
        set(SB_WRITER_EPOCH, epoch.wrapping_add(1));
        if epoch == 0 || recovery.other_boot {
            // Before the first row: neither a superblock that says that nobody ever wrote here, nor what another boot left behind the
            // durable cursor may be found on the disk beside rows of this one.
            map.sync()?;
        }
        Ok(recovery)
    }
}
