//! The narrow reads: whose bars the rows are and where, without the rows; and single rows at places that were seen.

use barbus_shm::{Load, Memory};

use crate::columns::{FRAME, SYMBOL};
use crate::reader::LOOKS;
use crate::tip::Tip;
use crate::{Polled, Ring, RingReader, Row, SymbolId};

/// Where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowLocation {
    /// Its sequence number.
    pub seq: u64,
    /// Its block.
    pub block: u64,
    /// The block's slot, by [`Ring::blocks`].
    pub slot: u32,
    /// Its row in the block.
    pub row: u32,
}

impl RingReader {
    /// As [`RingReader::poll`], but of the rows only their symbols are appended to `symbols`, and `last_ms` is raised to their highest frame.
    ///
    /// It goes as far as the columns do: a few rows behind those may be in the tip only, and come by `poll`.
    pub fn poll_symbols<M: Memory>(
        &mut self,
        ring: &Ring<M>,
        symbols: &mut Vec<SymbolId>,
        last_ms: &mut i64,
        max: usize,
    ) -> Polled {
        for _ in 0..LOOKS {
            // What is between the rows of two blocks is told as ever.
            let polled = self.step(ring, &mut Vec::new(), 0);
            let (Polled::Empty, Some(slot)) = (polled, self.slot(ring)) else { return polled };
            let from = self.at.row;
            let to = ring.committed(slot, self.at.block).min(from.saturating_add(max.min(u32::MAX as usize) as u32));
            let (start, count) = (symbols.len(), to.saturating_sub(from) as usize);
            symbols.extend(ring.symbol_words(slot, from, to).iter().map(|word| SymbolId(word.get())));
            let at = ring.geometry.slot(slot) + ring.geometry.columns[FRAME].values + 8 * from as usize;
            let frames = ring.map.words64(at, count).iter().map(|word| word.get() as i64);
            let highest_ms = frames.fold(*last_ms, i64::max);
            if ring.still(slot, self.at.block) {
                *last_ms = highest_ms;
                self.at.row = from.wrapping_add(count as u32);
                self.at.seq = self.at.seq.wrapping_add(count as u64);
                return if count > 0 { Polled::Rows(count) } else { Polled::Empty };
            }
            symbols.truncate(start);
            self.slot = None;
        }
        Polled::Corrupt
    }
}

impl<M: Memory> Ring<M> {
    /// The row at a place that a [`RingReader`] has come past; `None` once its block is gone.
    pub fn row(&self, place: RowLocation) -> Option<Row> {
        self.look(place, || self.copy_row(place.slot as usize, place.row), |row| row)
    }

    /// The frame (end of bar, UTC ms) of such a row.
    #[inline]
    pub fn frame_ms(&self, place: RowLocation) -> Option<i64> {
        let at = |slot: usize| self.geometry.slot(slot) + self.geometry.columns[FRAME].values + 8 * place.row as usize;
        self.look(place, || self.u64(at(place.slot as usize)) as i64, |row| row.frame_ms)
    }

    /// Reads from the columns where they have the row, and else from the tip.
    #[inline]
    fn look<T>(&self, place: RowLocation, of_columns: impl Fn() -> T, of_tip: impl Fn(Row) -> T) -> Option<T> {
        let RowLocation { seq, block, slot, row } = place;
        let slot = Some(slot as usize).filter(|&slot| slot < self.geometry.slots as usize)?;
        for _ in 0..LOOKS {
            if !self.still(slot, block) {
                return None;
            }
            if row < self.committed(slot, block) {
                let found = of_columns();
                return self.still(slot, block).then_some(found);
            }
            let mut found = Row::default();
            match self.tip(seq, &mut found) {
                Tip::Row(position) if position == block << 32 | u64::from(row) => return Some(of_tip(found)),
                // It went on: by now the columns have the row.
                Tip::Gone => {}
                _ => return None,
            }
        }
        None
    }

    /// Which of the first `to` rows of a block are of `symbol`; none once the block is gone.
    pub fn rows_of(&self, symbol: SymbolId, block: u64, slot: u32, to: u32) -> Vec<u32> {
        let slot = slot as usize;
        if slot >= self.geometry.slots as usize || !self.still(slot, block) {
            return Vec::new();
        }
        let words = self.symbol_words(slot, 0, to.min(self.committed(slot, block)));
        let rows = words.iter().zip(0..).filter(|(word, _)| word.get() == symbol.0).map(|(_, row)| row).collect();
        if self.still(slot, block) { rows } else { Vec::new() }
    }

    fn symbol_words(&self, slot: usize, from: u32, to: u32) -> &[M::W32] {
        let at = self.geometry.slot(slot) + self.geometry.columns[SYMBOL].values + 4 * from as usize;
        self.map.words32(at, to.saturating_sub(from) as usize)
    }
}
