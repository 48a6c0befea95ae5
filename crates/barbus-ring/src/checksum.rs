//! The checksums of a block's rows and of its header.

use barbus_shm::{Load, Memory};

use crate::Ring;
use crate::crc::crc_of;
use crate::layout::*;

impl<M: Memory> Ring<M> {
    /// Whether the rows of the block in `slot` match its checksum. True if it has none.
    pub(crate) fn matches_checksum(&self, slot: usize) -> bool {
        let at = self.geometry.slot(slot);
        let (state, crc) = (self.u64(at + BH_STATE), self.u64(at + BH_CRC));
        let rows = ((state & STATE_ROWS) as u32).min(self.geometry.rows_per_block);
        state & STATE_SEALED == 0 || crc & CRC_VALID == 0 || self.block_crc(slot, rows) == crc as u32
    }

    /// CRC-32C over the header words that record which rows a block has, and of which day.
    pub(crate) fn header_crc(&self, slot: usize) -> u32 {
        let at = self.geometry.slot(slot);
        let words = [BH_FIRST_SEQ, BH_DAY, BH_STATE].map(|offset| self.u64(at + offset).to_le_bytes());
        crc32c::crc32c(words.as_flattened())
    }

    /// CRC-32C over the first `rows` rows of a slot: the values of every column, and the validity
    /// bitmaps in whole words, with the bits of all other rows as 0.
    pub(crate) fn block_crc(&self, slot: usize, rows: u32) -> u32 {
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
            let values = crc_of(&self.map, at + column.values, at + column.values + rows * column.width);
            crc = crc32c::crc32c_append(crc, &values.to_le_bytes());
        }
        crc
    }
}
