//! Narrow reads: the symbols and frames of rows without the rest, and single rows at known
//! locations.

use barbus_shm::{Load, Memory};

use crate::columns::{FRAME, SYMBOL};
use crate::reader::MAX_RETRIES;
use crate::tip::TipRead;
use crate::{Polled, Ring, RingReader, RingStart, Row, SymbolId};

/// Where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowLocation {
    /// The row's sequence number.
    pub seq: u64,
    /// The row's block.
    pub block: u64,
    /// The block's slot, as [`Ring::blocks`] returns it.
    pub slot: u32,
    /// The row's number in the block.
    pub row: u32,
}

impl RingReader {
    /// Like [`RingReader::poll`], but appends only the rows' symbols to `symbols`, and raises
    /// `last_ms` to the highest frame (end of bar, UTC ms) of the rows.
    ///
    /// It reads the columns only. The newest rows may be in the tip alone; `poll` reads them.
    pub fn poll_symbols<M: Memory>(
        &mut self,
        ring: &Ring<M>,
        symbols: &mut Vec<SymbolId>,
        last_ms: &mut i64,
        max: usize,
    ) -> Polled {
        for _ in 0..MAX_RETRIES {
            // Events between the rows of two blocks are reported as by `poll`.
            let polled = self.poll_columns(ring, &mut Vec::new(), 0);
            let (Polled::Empty, Some(slot)) = (polled, self.current_slot(ring)) else { return polled };
            let (block, from) = (self.position.block, self.position.row);
            let to = ring.committed_rows(slot, block).min(from.saturating_add(max.min(u32::MAX as usize) as u32));
            let (start, count) = (symbols.len(), to.saturating_sub(from) as usize);
            symbols.extend(ring.symbol_words(slot, from, to).iter().map(|word| SymbolId(word.get())));
            let at = ring.geometry.slot(slot) + ring.geometry.columns[FRAME].values + 8 * from as usize;
            let frames = ring.map.words64(at, count).iter().map(|word| word.get() as i64);
            let highest_ms = frames.fold(*last_ms, i64::max);
            if ring.is_current(slot, block) {
                *last_ms = highest_ms;
                self.position.row = from.wrapping_add(count as u32);
                self.position.seq = self.position.seq.wrapping_add(count as u64);
                return if count > 0 { Polled::Rows(count) } else { Polled::Empty };
            }
            symbols.truncate(start);
            self.slot = None;
        }
        Polled::Corrupt
    }
}

impl<M: Memory> Ring<M> {
    /// The row at a location that a [`RingReader`] has read; `None` if its block is gone.
    pub fn row(&self, location: RowLocation) -> Option<Row> {
        let from_columns = || self.copy_row(location.slot as usize, location.row);
        self.look_up(location, from_columns, |row| row)
    }

    /// The frame (end of bar, UTC ms) of such a row.
    #[inline]
    pub fn frame_ms(&self, location: RowLocation) -> Option<i64> {
        let frames = self.geometry.columns[FRAME].values + 8 * location.row as usize;
        let from_columns = || self.u64(self.geometry.slot(location.slot as usize) + frames) as i64;
        self.look_up(location, from_columns, |row| row.frame_ms)
    }

    /// Reads from the columns if they have the row, otherwise from the tip.
    #[inline]
    fn look_up<T>(
        &self,
        location: RowLocation,
        from_columns: impl Fn() -> T,
        from_tip: impl Fn(Row) -> T,
    ) -> Option<T> {
        let RowLocation { seq, block, slot, row } = location;
        let slot = Some(slot as usize).filter(|&slot| slot < self.geometry.slots as usize)?;
        for _ in 0..MAX_RETRIES {
            if !self.is_current(slot, block) {
                return None;
            }
            if row < self.committed_rows(slot, block) {
                let found = from_columns();
                return self.is_current(slot, block).then_some(found);
            }
            let mut found = Row::default();
            match self.read_tip(seq, &mut found) {
                TipRead::Row(position) if position == block << 32 | u64::from(row) => return Some(from_tip(found)),
                // A row leaves the tip only after its columns are written: retry there.
                TipRead::Overwritten => {}
                _ => return None,
            }
        }
        None
    }

    /// The numbers of those of the first `to` rows of a block that are bars of `symbol`; `None` if
    /// the block is gone.
    pub fn rows_of(&self, symbol: SymbolId, block: u64, slot: u32, to: u32) -> Option<Vec<u32>> {
        let slot = slot as usize;
        if slot >= self.geometry.slots as usize || !self.is_current(slot, block) {
            return None;
        }
        let words = self.symbol_words(slot, 0, to.min(self.committed_rows(slot, block)));
        let rows = words.iter().zip(0..).filter(|(word, _)| word.get() == symbol.0).map(|(_, row)| row).collect();
        self.is_current(slot, block).then_some(rows)
    }

    /// The newest row; `None` before the first row of this file.
    pub fn newest_row(&self) -> Option<Row> {
        let (block, rows) = self.cursor();
        let header = self.header_of(block)?;
        let counted = header.first_seq.wrapping_add(rows.into());
        let in_tip = |seq: u64| {
            let mut row = Row::default();
            matches!(self.read_tip(seq, &mut row), TipRead::Row(_)).then_some(row)
        };
        // The tip may be ahead of the cursor, at most by all of its rows.
        let ahead = (0..u64::from(self.geometry.tip_rows)).map_while(|i| in_tip(counted.wrapping_add(i))).last();
        let last = counted.checked_sub(1)?;
        ahead.or_else(|| in_tip(last)).or_else(|| {
            let mut found = Vec::new();
            RingReader::new(self, RingStart::Seq(last)).ok()?.poll(self, &mut found, 1);
            found.first().copied().filter(|row| row.seq == last)
        })
    }

    fn symbol_words(&self, slot: usize, from: u32, to: u32) -> &[M::W32] {
        let at = self.geometry.slot(slot) + self.geometry.columns[SYMBOL].values + 4 * from as usize;
        self.map.words32(at, to.saturating_sub(from) as usize)
    }
}
