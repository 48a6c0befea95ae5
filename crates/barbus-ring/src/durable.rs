//! Syncing a ring to disk, and the durable cursor, which records for recovery after a power loss
//! what was synced.

use std::sync::PoisonError;

use barbus_shm::{Store, WriterMemory};

use crate::layout::*;
use crate::{RingError, RingMaintenance};

impl<M: WriterMemory> RingMaintenance<M> {
    /// Writes everything that is committed so far to disk, then the durable cursor that names it.
    ///
    /// After an error it may be called again: everything that did not reach the disk is written
    /// again.
    pub fn sync(&self) -> Result<(), RingError> {
        self.sync_by(|| Ok(self.ring.map.sync()?))
    }

    /// Like [`RingMaintenance::sync`], with another way to write the file to disk. A test passes
    /// one that copies the file, to see what a power loss would leave.
    #[doc(hidden)]
    pub fn sync_by(&self, to_disk: impl FnMut() -> Result<(), RingError>) -> Result<(), RingError> {
        // Syncs must not overlap: the slower one would move the durable cursor back, below the rows
        // that an archive file relies on.
        let mut state = self.sync_state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &state.unsynced_name {
            crate::create::sync_name(path)?;
            state.unsynced_name = None;
        }
        let cursor = self.announce_sync();
        self.sync_announced(cursor, to_disk)
    }

    /// The first half of a sync: announces the cursor that will be durable and returns it. From
    /// here on the writer keeps that cursor's block.
    pub(crate) fn announce_sync(&self) -> u64 {
        let map = &self.ring.map;
        loop {
            let cursor = self.ring.u64(SB_CURSOR);
            // SYNC POINT: pairs with `writer/blocks.rs`::`kept_blocks`. A writer that finds this
            // announcement also finds the durable cursor that the previous sync has stored.
            map.words64(SB_DURABLE_NEXT, 1)[0].set_release(cursor);
            // SYNC POINT: pairs with `writer/blocks.rs`::`kept_blocks`. Either the writer finds the
            // announcement, or the load below finds that the cursor has entered another block. The
            // fence also orders the load of the symbol count after that of the cursor.
            map.fence_full();
            if self.ring.u64(SB_CURSOR) >> 32 == cursor >> 32 {
                return cursor;
            }
        }
    }

    /// The second half of a sync: writes to disk, moves the durable cursor to `cursor`, writes
    /// again.
    pub(crate) fn sync_announced(
        &self,
        cursor: u64,
        mut to_disk: impl FnMut() -> Result<(), RingError>,
    ) -> Result<(), RingError> {
        let map = &self.ring.map;
        let word = |offset: usize| &map.words64(offset, 1)[0];
        // A symbol is counted before its first row: this count covers every row below the cursor.
        let symbols = self.ring.symbol_count();
        // An earlier sync may have stored this cursor without the disk taking it. The kernel can
        // have marked that page clean: storing the cursor again makes the next sync write it.
        let durable = self.ring.u64(SB_DURABLE_CURSOR);
        word(SB_DURABLE_CURSOR).set(durable);
        to_disk()?;
        // From here on the disk may hold either of two cursors. The blocks of both are kept.
        word(SB_DURABLE_BEFORE).set(durable);
        // The page may reach the disk between these two stores. Durable symbols without a row do no
        // harm; durable rows without their symbols would be unreadable.
        map.words32(SB_DURABLE_SYMBOLS, 1)[0].set(symbols);
        // SYNC POINT: pairs with `writer/blocks.rs`::`kept_blocks`. A writer that finds this cursor
        // also finds the one before it.
        word(SB_DURABLE_CURSOR).set_release(cursor);
        to_disk()?;
        word(SB_DURABLE_BEFORE).set(cursor);
        Ok(())
    }
}
