//! Appending rows: to the tip, which publishes them, then to the columns of the open block.

use barbus_shm::{Store, WriterMemory};

use super::blocks::SlotChoice;
use super::{OpenBlock, RingWriter};
use crate::columns::{FIRST_OPTIONAL, GROUP};
use crate::layout::*;
use crate::{MAX_OPTIONAL, RingFull, Row};

/// Rows whose tip slots are claimed at once. Together with the rows of a group they are fewer than
/// the smallest tip has: a row leaves the tip only after its columns are stored.
const CLAIM: u64 = 32;
/// Rows that [`RingWriter::append`] stores to the tip before it stores their columns. They fit the
/// first-level cache.
const CHUNK: usize = 64;

impl<M: WriterMemory> RingWriter<M> {
    /// The number of rows that can be appended at once: what fits into the open block, at most half
    /// the tip. It is at least 1; a block is opened if needed.
    #[inline]
    pub fn reserve_rows(&mut self) -> Result<usize, RingFull> {
        self.reserve_rows_in(SlotChoice::Any)
    }

    /// The same, but a block is opened in the ring's reserve, which no reader can keep from the
    /// writer: for a ring whose other slots are all pinned.
    #[cold]
    pub fn reserve_rows_despite_pins(&mut self) -> Result<usize, RingFull> {
        self.reserve_rows_in(SlotChoice::Reserve)
    }

    #[inline]
    fn reserve_rows_in(&mut self, choice: SlotChoice) -> Result<usize, RingFull> {
        let geometry = &self.ring.geometry;
        let (capacity, tip) = (geometry.rows_per_block, geometry.tip_rows as usize / 2);
        let open = match self.open {
            Some(open) if open.rows < capacity => open,
            _ => self.open_block(choice)?,
        };
        Ok(((capacity - open.rows) as usize).min(tip))
    }

    /// Appends a row, which every reader can see when this returns, and returns its sequence
    /// number. `row.seq` is ignored.
    ///
    /// Readers find the row in the tip; so does recovery after a crash. Its columns are stored with
    /// those of the next rows, eight at a time, or by [`RingWriter::write_back`]: call that before
    /// a pause and before a sync. Call [`RingWriter::wake`] once after a batch, for readers that
    /// sleep.
    #[inline(always)]
    pub fn push(&mut self, row: &Row) -> Result<u64, RingFull> {
        let open = match &mut self.open {
            Some(open) if open.rows < self.ring.geometry.rows_per_block => open,
            _ => {
                self.open_block(SlotChoice::Any)?;
                self.open.as_mut().expect("opened")
            }
        };
        if self.next_seq >= self.tip_claimed {
            self.tip_claimed = self.next_seq + CLAIM;
            self.ring.claim_tip(self.tip_claimed);
        }
        self.ring.store_tip(self.next_seq, row, open.block << 32 | u64::from(open.rows));
        self.next_seq += 1;
        open.rows += 1;
        if open.rows.is_multiple_of(GROUP as u32) {
            self.write_columns();
        }
        Ok(self.next_seq - 1)
    }

    /// Appends rows and sets their `seq`. There must be at most [`RingWriter::reserve_rows`] of
    /// them.
    ///
    /// # Panics
    /// If there are more.
    #[inline]
    pub fn append(&mut self, rows: &mut [Row]) {
        self.write_columns();
        let Some(open) = &mut self.open else {
            assert!(rows.is_empty(), "no rows were reserved");
            return;
        };
        let ring = &*self.ring;
        let first = open.rows as usize;
        assert!(
            first + rows.len() <= ring.geometry.rows_per_block as usize
                && rows.len() <= ring.geometry.tip_rows as usize / 2
        );
        let end = self.next_seq + rows.len() as u64;
        if end > self.tip_claimed {
            self.tip_claimed = end;
            ring.claim_tip(end);
        }
        for rows in rows.chunks_mut(CHUNK) {
            for row in &mut *rows {
                row.seq = self.next_seq;
                // This publishes the row. After a crash, recovery completes the columns from the
                // tip, which still holds all of these rows.
                ring.store_tip(row.seq, row, open.block << 32 | u64::from(open.rows));
                self.next_seq += 1;
                open.rows += 1;
            }
            let (first, seq) = (open.rows as usize - rows.len(), self.next_seq - rows.len() as u64);
            ring.store_columns(open.slot, first, seq, rows.len(), &mut self.null_counts);
        }
        let open = *open;
        self.commit(open);
    }

    /// Stores the columns of the rows that are in the tip only.
    fn write_columns(&mut self) {
        let Some(open) = self.open.filter(|open| open.rows > self.column_rows) else { return };
        let (first, count) = (self.column_rows as usize, open.rows - self.column_rows);
        let seq = self.next_seq - u64::from(count);
        self.ring.store_columns(open.slot, first, seq, count as usize, &mut self.null_counts);
        self.commit(open);
    }

    /// Moves the cursor past the rows whose columns are stored.
    #[inline]
    fn commit(&mut self, open: OpenBlock) {
        self.column_rows = open.rows;
        // SYNC POINT: pairs with `ring.rs`::`cursor`. A reader that finds this cursor also finds
        // the columns of every row that it counts.
        self.ring.map.words64(SB_CURSOR, 1)[0].set_release(open.block << 32 | u64::from(open.rows));
    }

    /// Stores the columns of every row that was pushed, then the lengths in the open slot's
    /// metadata, which make the rows visible to Arrow readers.
    ///
    /// barbus's own readers do not use those lengths, so once per batch is enough.
    pub fn write_back(&mut self) {
        self.write_columns();
        let Some(open) = self.open else { return };
        if self.arrow_rows != open.rows {
            // SYNC POINT: pairs with an Arrow reader. If it finds the lengths, it also finds the
            // rows that they count.
            self.ring.map.fence_release();
            self.patch_lengths(open.slot, open.rows, self.null_counts);
            self.arrow_rows = open.rows;
        }
    }

    /// Patches the lengths in a slot's Arrow message.
    pub(super) fn patch_lengths(&self, slot: usize, rows: u32, null_counts: [u32; MAX_OPTIONAL]) {
        let (at, message) = (self.ring.geometry.slot(slot), &self.slot_message);
        // Each node has the length of its column, then the number of nulls.
        let nodes = self.ring.map.words64(at + message.nodes[0], 2 * message.nodes.len()).as_chunks::<2>().0;
        for (k, nulls) in null_counts.iter().enumerate().take(self.ring.geometry.optional) {
            nodes[FIRST_OPTIONAL + k][1].set((*nulls).into());
        }
        for node in nodes {
            node[0].set(rows.into());
        }
        self.ring.map.words64(at + message.length, 1)[0].set(rows.into());
    }
}
