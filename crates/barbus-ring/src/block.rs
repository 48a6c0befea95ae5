//! Rows in a slot's columns: put by the writer, copied out by readers.

use barbus_shm::{Load, Memory, Store};

use crate::{MAX_OPTIONAL, Price, Ring, Row, SymbolId};

// Places of the columns in the schema; the optional ones lie between volume and seq.
const SYMBOL: usize = 0;
const FRAME: usize = 1;
const OPEN: usize = 2;
const VOLUME: usize = 6;
pub(crate) const FIRST_OPTIONAL: usize = 7;

impl<M: Memory> Ring<M> {
    /// Appends the rows `from..to` of `slot` to `rows`. They must be committed; whether they are still those of the block that
    /// was meant is for [`Ring::still`] to say afterwards.
    pub(crate) fn copy_rows(&self, slot: usize, from: u32, to: u32, rows: &mut Vec<Row>) {
        let (from, count) = (from as usize, to.saturating_sub(from) as usize);
        let at = self.geometry.slot(slot);
        let columns = &self.geometry.columns;
        let words = |column: usize| self.map.words64(at + columns[column].values + 8 * from, count);
        let start = rows.len();
        let symbols = self.map.words32(at + columns[SYMBOL].values + 4 * from, count);
        let revisions = self.map.words8(at + columns[columns.len() - 1].values + from, count);
        let (frames, seqs) = (words(FRAME), words(columns.len() - 3));
        let (volumes, received) = (words(VOLUME), words(columns.len() - 2));
        rows.extend((0..count).map(|i| Row {
            seq: seqs[i].get(),
            frame_ms: frames[i].get() as i64,
            volume: f64::from_bits(volumes[i].get()),
            received_ns: received[i].get() as i64,
            symbol: SymbolId(symbols[i].get()),
            revision: revisions[i].get(),
            ..Row::default()
        }));
        let rows = &mut rows[start..];
        match self.geometry.price {
            Price::Float64 => {
                let prices = [words(OPEN), words(OPEN + 1), words(OPEN + 2), words(OPEN + 3)];
                for (i, row) in rows.iter_mut().enumerate() {
                    let price = |p: usize| f64::from_bits(prices[p][i].get());
                    (row.open, row.high, row.low, row.close) = (price(0), price(1), price(2), price(3));
                }
            }
            Price::Float32 => {
                let words = |c: usize| self.map.words32(at + columns[c].values + 4 * from, count);
                let prices = [words(OPEN), words(OPEN + 1), words(OPEN + 2), words(OPEN + 3)];
                for (i, row) in rows.iter_mut().enumerate() {
                    let price = |p: usize| f64::from(f32::from_bits(prices[p][i].get()));
                    (row.open, row.high, row.low, row.close) = (price(0), price(1), price(2), price(3));
                }
            }
        }
        for k in 0..self.geometry.optional {
            let values = words(FIRST_OPTIONAL + k);
            let bitmap =
                self.map.words64(at + columns[FIRST_OPTIONAL + k].validity, self.geometry.rows_per_block as usize / 64);
            for (i, row) in rows.iter_mut().enumerate() {
                let bit = from + i;
                let present = (bitmap[bit / 64].get() >> (bit % 64) & 1) as u8;
                row.present |= present << k;
                row.optional[k] = f64::from_bits(values[i].get() * u64::from(present));
            }
        }
    }

    /// Appends the frames (end of bar, UTC ms) of the rows `from..to` of `slot` to `frames`.
    pub(crate) fn copy_frames(&self, slot: usize, from: u32, to: u32, frames: &mut Vec<i64>) {
        let at = self.geometry.slot(slot) + self.geometry.columns[FRAME].values + 8 * from as usize;
        let words = self.map.words64(at, to.saturating_sub(from) as usize);
        frames.extend(words.iter().map(|word| word.get() as i64));
    }

    /// Raises each symbol's frame in `last_ms` to the highest that it has in the first `rows` rows of `slot`.
    pub(crate) fn last_frames(&self, slot: usize, rows: u32, last_ms: &mut [i64]) {
        let at = self.geometry.slot(slot);
        let frames = self.map.words64(at + self.geometry.columns[FRAME].values, rows as usize);
        let symbols = self.map.words32(at + self.geometry.columns[SYMBOL].values, rows as usize);
        for (frame, symbol) in frames.iter().zip(symbols) {
            if let Some(last) = last_ms.get_mut(symbol.get() as usize) {
                *last = (*last).max(frame.get() as i64);
            }
        }
    }

    /// Rows below `rows` without a value, for each optional column.
    pub(crate) fn null_counts(&self, slot: usize, rows: u32) -> [u32; MAX_OPTIONAL] {
        let mut nulls = [0; MAX_OPTIONAL];
        for (k, nulls) in nulls.iter_mut().enumerate().take(self.geometry.optional) {
            let at = self.geometry.slot(slot) + self.geometry.columns[FIRST_OPTIONAL + k].validity;
            let bitmap = self.map.words64(at, self.geometry.rows_per_block as usize / 64);
            *nulls = (0..rows).filter(|&i| bitmap[i as usize / 64].get() >> (i % 64) & 1 == 0).count() as u32;
        }
        nulls
    }
}

impl<M: Memory> Ring<M>
where
    M::W64: Store,
    M::W32: Store,
    M::W8: Store,
{
    /// Writes `rows` from row `first` of `slot` on, column after column. Nothing says that they are there until the cursor does.
    #[inline]
    pub(crate) fn put_rows(&self, slot: usize, first: usize, rows: &[Row]) {
        let at = self.geometry.slot(slot);
        let columns = self.geometry.columns.as_slice();
        let symbols = self.map.words32(at + columns[SYMBOL].values + 4 * first, rows.len());
        symbols.iter().zip(rows).for_each(|(word, row)| word.set(row.symbol.0));
        self.put64(at + columns[FRAME].values + 8 * first, rows, |row| row.frame_ms as u64);
        self.put_price(at, OPEN, first, rows, |row| row.open);
        self.put_price(at, OPEN + 1, first, rows, |row| row.high);
        self.put_price(at, OPEN + 2, first, rows, |row| row.low);
        self.put_price(at, OPEN + 3, first, rows, |row| row.close);
        self.put64(at + columns[VOLUME].values + 8 * first, rows, |row| row.volume.to_bits());
        for k in 0..self.geometry.optional {
            self.put64(at + columns[FIRST_OPTIONAL + k].values + 8 * first, rows, |row| row.optional[k].to_bits());
            let words = self.geometry.rows_per_block as usize / 64;
            let bitmap = self.map.words64(at + columns[FIRST_OPTIONAL + k].validity, words);
            for (row, i) in rows.iter().zip(first..) {
                let (word, bit) = (&bitmap[i / 64], i % 64);
                word.set(word.get() & !(1 << bit) | u64::from(row.present >> k & 1) << bit);
            }
        }
        self.put64(at + columns[columns.len() - 3].values + 8 * first, rows, |row| row.seq);
        self.put64(at + columns[columns.len() - 2].values + 8 * first, rows, |row| row.received_ns as u64);
        let revisions = self.map.words8(at + columns[columns.len() - 1].values + first, rows.len());
        revisions.iter().zip(rows).for_each(|(word, row)| word.set(row.revision));
    }

    #[inline(always)]
    fn put64(&self, at: usize, rows: &[Row], value: impl Fn(&Row) -> u64) {
        let words = self.map.words64(at, rows.len());
        words.iter().zip(rows).for_each(|(word, row)| word.set(value(row)));
    }

    #[inline(always)]
    fn put_price(&self, at: usize, column: usize, first: usize, rows: &[Row], price: impl Fn(&Row) -> f64) {
        let at = at + self.geometry.columns[column].values;
        match self.geometry.price {
            Price::Float64 => self.put64(at + 8 * first, rows, |row| price(row).to_bits()),
            Price::Float32 => {
                let words = self.map.words32(at + 4 * first, rows.len());
                words.iter().zip(rows).for_each(|(word, row)| word.set((price(row) as f32).to_bits()));
            }
        }
    }
}
