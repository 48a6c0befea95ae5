//! Trading days: opening one, and closing it after its last row.

use barbus_shm::{Load, Store, WriterMemory};

use super::RingWriter;
use super::blocks::SlotChoice;
use crate::RingFull;
use crate::layout::*;

impl<M: WriterMemory> RingWriter<M> {
    /// Opens trading day `day` (days since 1970-01-01). Rows pushed from now on lie in blocks of
    /// it.
    ///
    /// Returns whether `day` is open. If another day is open nothing changes: close that one first.
    pub fn begin_day(&mut self, day: i64) -> bool {
        if self.day.is_some() || day == NO_DAY {
            return self.day == Some(day);
        }
        // A block that was opened between two days, for late rows, belongs to neither.
        self.seal(0);
        self.day = Some(day);
        true
    }

    /// Gives the open day another number, after the calendar was changed. Rows pushed from now on
    /// lie in blocks of `day`, and readers see no close.
    pub fn renumber_day(&mut self, day: i64) {
        if self.day.is_some() && day != NO_DAY {
            self.seal(0);
            self.day = Some(day);
        }
    }

    /// Closes the trading day: seals the open block, and readers find the close after its last row.
    ///
    /// `false` if no day is open, or if the open day has no row.
    pub fn close_day(&mut self) -> bool {
        let Some(day) = self.day.take() else {
            // A block of late rows belongs to no day and closes none.
            self.seal(0);
            return false;
        };
        if self.open.is_some() {
            self.seal(STATE_LAST_OF_DAY);
        } else {
            // The day's last block is sealed already, for example by a writer that died then. Its
            // state gets the flag; readers at its end poll it until the next block is open.
            let newest = self.ring.slot_of(self.newest).and_then(|slot| Some((slot, self.ring.header(slot)?)));
            let Some((slot, _)) = newest.filter(|(_, header)| header.day == day) else { return false };
            let at = self.ring.geometry.slot(slot);
            let state = &self.ring.map.words64(at + BH_STATE, 1)[0];
            state.set(state.get() | STATE_LAST_OF_DAY);
            // SYNC POINT: pairs with `maintenance.rs`::`seal_checksum`. Either that thread finds
            // the flag after it has stored its checksum of the old header, or the checksum below is
            // the later store.
            self.ring.map.fence_full();
            let crc = u64::from(self.ring.header_crc(slot)) | CRC_VALID;
            self.ring.map.words64(at + BH_HEADER_CRC, 1)[0].set(crc);
        }
        self.count_commit();
        true
    }

    /// Closes a day of which this file has no row: its rows were in the file that this one
    /// replaced. Readers find the close in a block without rows. Nothing changes if a day is open.
    pub fn close_day_without_rows(&mut self, day: i64) -> Result<(), RingFull> {
        if self.day.is_some() || !self.begin_day(day) {
            return Ok(());
        }
        let opened = self.open_block(SlotChoice::Any).or_else(|_| self.open_block(SlotChoice::Reserve));
        self.close_day();
        opened.map(drop)
    }
}
