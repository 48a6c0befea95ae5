//! [`RingReader`]: a position in a ring, and the poll that copies new rows from there.
//!
//! `impl RingReader` lies in several files: `start.rs` finds the first position, `lookup.rs` reads
//! symbols alone, and `pinned_blocks.rs` reads rows in place.

use barbus_shm::Memory;

use crate::burst::BurstDetector;
use crate::layout::*;
use crate::ring::Header;
use crate::tip::TipRead;
use crate::{Ring, Row};

/// What a poll found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// The number of rows that were appended, at least one.
    Rows(usize),
    /// The trading day (days since 1970-01-01) was closed. Every row before the close was returned.
    DayClosed(i64),
    /// The writer has reused blocks that were not read yet. The next poll continues after them.
    Lapped {
        /// The exact number of missed rows.
        missed: u64,
    },
    /// Nothing new.
    Empty,
    /// The parts of the file contradict each other: no row of this ring can be trusted from here
    /// on.
    Corrupt,
}

/// Attempts to read from a changing ring before it is reported as corrupt.
///
/// An attempt fails only if the writer has filled a whole block since the one before.
pub(crate) const MAX_RETRIES: usize = 1_000;

/// A position: the next row to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Sequence number of the next row.
    pub seq: u64,
    /// The block that the row is in, or will be in. 0 if that block is not known.
    pub block: u64,
    /// The row's number in that block.
    pub row: u32,
}

impl Position {
    /// The position as a tip slot stores it.
    #[inline(always)]
    pub(crate) fn in_columns(&self) -> u64 {
        self.block << 32 | u64::from(self.row)
    }
}

/// A position in a ring, from which rows are read. It is private: the writer does not know of it.
#[derive(Debug, Clone)]
pub struct RingReader {
    pub(crate) position: Position,
    /// The slot of the position's block, once it was found.
    pub(crate) slot: Option<usize>,
    /// The trading day of the rows read last, to report its close. `None` once the close is
    /// reported, and between two days.
    day: Option<i64>,
    burst: BurstDetector,
}

/// What a pass over the columns of the position's block found.
struct BlockRead {
    state: u64,
    day: i64,
    committed: u32,
    copied: u32,
}

impl RingReader {
    pub(crate) fn at(block: u64, row: u32, seq: u64, found: Option<(&Header, usize)>) -> Self {
        let day = found.and_then(|(header, _)| header.day());
        let slot = found.map(|(_, slot)| slot);
        Self { position: Position { seq, block, row }, slot, day, burst: BurstDetector::default() }
    }

    /// Moves the position by one row. It can only wrap in a corrupt file.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        self.position.seq = self.position.seq.wrapping_add(1);
        self.position.row = self.position.row.wrapping_add(1);
    }

    /// The next row to be read.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The block of the next row, if it was found in the ring. It may have no row yet, or have left
    /// the ring since.
    #[inline]
    pub fn block(&self) -> Option<u64> {
        self.slot.map(|_| self.position.block)
    }

    /// The trading day (days since 1970-01-01) of the position's block, if the ring still holds it.
    pub fn day<M: Memory>(&mut self, ring: &Ring<M>) -> Option<i64> {
        let slot = self.current_slot(ring)?;
        let header = ring.header(slot).filter(|header| header.block == self.position.block)?;
        header.day()
    }

    /// Appends new rows to `rows`, at most `max` (which is at least 1), in the order of `seq`.
    ///
    /// It makes no system call. Rows are copied, and each copy is validated before it is returned.
    /// During a burst of rows it spins for some microseconds to read a batch at once; otherwise it
    /// does not wait.
    #[inline]
    pub fn poll<M: Memory>(&mut self, ring: &Ring<M>, rows: &mut Vec<Row>, max: usize) -> Polled {
        if let Some(polled) = self.burst.is_active().then(|| self.poll_batch(ring, rows, max)).flatten() {
            return polled;
        }
        let mut count = 0;
        while count < max.min(BurstDetector::MAX_TIP_ROWS) {
            match ring.tip_miss(self.position.seq) {
                None => {
                    let expected = self.position.in_columns();
                    rows.push(Row::default());
                    let copied = ring.copy_tip_row(self.position.seq, rows.last_mut().expect("pushed"));
                    if copied == TipRead::Row(expected) {
                        self.advance();
                        count += 1;
                        continue;
                    }
                    rows.pop();
                }
                Some(TipRead::NotYet) if count == 0 => {
                    self.burst.found_none();
                    ring.prefetch_tip(self.position.seq);
                    return self.poll_seal(ring);
                }
                _ => {}
            }
            if count > 0 {
                break;
            }
            // The tip has overwritten the row, or the row is in the next block: the columns show
            // which, and whether an event lies between the two blocks.
            let block = self.position.block;
            match self.poll_columns(ring, rows, max) {
                // The next block was entered; its first rows are in the tip only.
                Polled::Empty if self.position.block != block => {}
                polled => return polled,
            }
        }
        self.burst.found(count);
        // The block's header has the day. It was stored before the rows.
        self.current_slot(ring);
        Polled::Rows(count)
    }

    /// Reads many rows from the columns; `None` if there are too few, or if they do not arrive in
    /// time during a burst.
    #[inline(never)]
    fn poll_batch<M: Memory>(&mut self, ring: &Ring<M>, rows: &mut Vec<Row>, max: usize) -> Option<Polled> {
        let (seq, tip_rows) = (self.position.seq, u64::from(ring.geometry.tip_rows));
        let count = self.burst.rows_to_read(tip_rows, |rows| ring.tip_reached(seq.wrapping_add(rows)))?;
        let polled = self.poll_columns(ring, rows, max.min(count));
        Some(polled).filter(|polled| *polled != Polled::Empty)
    }

    /// Whether a poll would find something. The position does not change.
    #[inline]
    pub fn is_ready<M: Memory>(&self, ring: &Ring<M>) -> bool {
        match (ring.tip_miss(self.position.seq), self.slot) {
            // Rows and their block stay as they are, so a poll finds at least this row.
            (None, _) => true,
            (Some(TipRead::NotYet), Some(slot)) if self.is_unsealed(ring, slot) => false,
            _ => self.clone().poll(ring, &mut Vec::new(), 1) != Polled::Empty,
        }
    }

    /// Whether the position's block is in `slot` and is not sealed: only a row can come next.
    #[inline(always)]
    fn is_unsealed<M: Memory>(&self, ring: &Ring<M>, slot: usize) -> bool {
        let state = ring.u64(ring.geometry.slot(slot) + BH_STATE);
        state & STATE_SEALED == 0 && ring.is_current(slot, self.position.block)
    }

    /// Polls when the tip has no new row: only the seal of the block can be new.
    ///
    /// It loads one cache line, to which the writer rarely stores.
    #[inline]
    fn poll_seal<M: Memory>(&mut self, ring: &Ring<M>) -> Polled {
        if self.position.block == 0 {
            return self.poll_columns(ring, &mut Vec::new(), 0);
        }
        let Some(slot) = self.current_slot(ring) else {
            return self.poll_columns(ring, &mut Vec::new(), 0);
        };
        if self.is_unsealed(ring, slot) {
            return Polled::Empty;
        }
        self.poll_columns(ring, &mut Vec::new(), 0)
    }

    /// The slot of the position's block, if the ring holds it.
    #[inline]
    pub(crate) fn current_slot<M: Memory>(&mut self, ring: &Ring<M>) -> Option<usize> {
        if self.slot.is_none() && self.position.block != 0 {
            self.enter_block(ring, ring.slot_of(self.position.block));
        }
        self.slot
    }

    /// Takes `slot` as the slot of the position's block if its header has the block's number.
    fn enter_block<M: Memory>(&mut self, ring: &Ring<M>, slot: Option<usize>) {
        let block = self.position.block;
        let header = slot.and_then(|slot| Some((ring.header(slot)?, slot))).filter(|(header, _)| header.block == block);
        self.slot = header.as_ref().map(|&(_, slot)| slot);
        if let Some((header, _)) = header {
            self.day = header.day();
        }
    }

    /// Polls the columns: reads rows, or enters the next block, or reports the event in between.
    pub(crate) fn poll_columns<M: Memory>(&mut self, ring: &Ring<M>, rows: &mut Vec<Row>, max: usize) -> Polled {
        for _ in 0..MAX_RETRIES {
            let (newest, _) = ring.cursor();
            let slot = self.current_slot(ring);
            if slot.is_none() && (newest == 0 || self.position.block > newest) {
                return Polled::Empty;
            }
            let read = slot.and_then(|slot| Some((slot, self.copy_committed(ring, slot, rows, max)?)));
            let Some((slot, read)) = read else {
                self.slot = None;
                match self.skip_missed(ring) {
                    Some(polled) => return polled,
                    None => continue,
                }
            };
            if read.copied > 0 {
                self.position.row += read.copied;
                self.position.seq = self.position.seq.wrapping_add(read.copied.into());
                return Polled::Rows(read.copied as usize);
            }
            if read.state & STATE_SEALED == 0 || self.position.row < read.committed {
                return Polled::Empty;
            }
            let last_of_day = read.state & STATE_LAST_OF_DAY != 0;
            // The writer may still flag a full block as the day's last, but only before it opens
            // the next block. The cursor was loaded before the state: a later block there means
            // that this state is final.
            if !last_of_day && newest <= self.position.block {
                return Polled::Empty;
            }
            self.position.block = self.position.block.wrapping_add(1);
            self.position.row = 0;
            if last_of_day {
                self.day = None;
            }
            self.enter_block(ring, ring.next_slot(slot, self.position.block));
            if last_of_day {
                return Polled::DayClosed(read.day);
            }
        }
        Polled::Corrupt
    }

    /// Copies the committed rows from the position on; `None`, and no rows, if the block is gone.
    #[inline]
    fn copy_committed<M: Memory>(
        &self,
        ring: &Ring<M>,
        slot: usize,
        rows: &mut Vec<Row>,
        max: usize,
    ) -> Option<BlockRead> {
        let Position { block, row, .. } = self.position;
        let at = ring.geometry.slot(slot);
        // The seal is loaded before the number of rows, so that all rows of a sealed block count.
        let state = ring.u64(at + BH_STATE);
        // SYNC POINT: pairs with `writer/blocks.rs`::`seal`. After the seal, the loads below find
        // every row of the block.
        ring.map.fence_acquire();
        let committed = match state & STATE_SEALED {
            0 => ring.committed_rows(slot, block),
            _ => ((state & STATE_ROWS) as u32).min(ring.geometry.rows_per_block),
        };
        let end = committed.min(row.saturating_add(max.min(u32::MAX as usize) as u32));
        let start = rows.len();
        if end > row {
            ring.copy_rows(slot, row, end, rows);
        }
        let day = ring.u64(at + BH_DAY) as i64;
        if !ring.is_current(slot, block) {
            rows.truncate(start);
            return None;
        }
        Some(BlockRead { state, day, committed, copied: end.saturating_sub(row) })
    }

    /// The position's block is gone: moves to the oldest later block.
    ///
    /// `None` if the ring changed meanwhile, or if no row was missed. A reader that had read the
    /// last row of a day, but not its close, gets the close here.
    fn skip_missed<M: Memory>(&mut self, ring: &Ring<M>) -> Option<Polled> {
        let (header, slot) = (0..ring.geometry.slots as usize)
            .filter_map(|slot| Some((ring.header(slot)?, slot)))
            .filter(|(header, _)| header.block >= self.position.block && header.first_seq >= self.position.seq)
            .min_by_key(|(header, _)| header.block)?;
        let missed = header.first_seq - self.position.seq;
        self.position = Position { seq: header.first_seq, block: header.block, row: 0 };
        self.slot = Some(slot);
        match std::mem::replace(&mut self.day, header.day()) {
            _ if missed > 0 => Some(Polled::Lapped { missed }),
            Some(day) if header.day() != Some(day) => Some(Polled::DayClosed(day)),
            _ => None,
        }
    }
}
