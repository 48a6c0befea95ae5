//! Rows in a slot's columns: put by the writer, copied out by readers.

use barbus_shm::{Load, Memory, Store, WriterMemory};

use crate::layout::*;
use crate::tip::TipSlot;
use crate::{MAX_OPTIONAL, Price, Ring, Row, SymbolId};

// Places of the columns in the schema; the optional ones lie between volume and seq.
pub(crate) const SYMBOL: usize = 0;
pub(crate) const FRAME: usize = 1;
const OPEN: usize = 2;
const VOLUME: usize = 6;
pub(crate) const FIRST_OPTIONAL: usize = 7;
/// Rows whose columns are written together where they come one by one: a cache line of a column.
pub(crate) const RUN: usize = 8;
/// Rows that are copied together: with their columns they stay in the nearest cache, in which the columns share places.
const CHUNK: usize = 32;

impl<M: Memory> Ring<M> {
    /// Appends the rows `from..to` of `slot` to `rows`. They must be committed; whether they are still those of the block that
    /// was meant is for [`Ring::still`] to say afterwards.
    pub(crate) fn copy_rows(&self, slot: usize, from: u32, to: u32, rows: &mut Vec<Row>) {
        let (mut from, to) = (from as usize, to as usize);
        rows.reserve(to.saturating_sub(from));
        while from < to {
            // As many as stay in the nearest cache meanwhile.
            let (start, count) = (rows.len(), CHUNK.min(to - from));
            rows.extend(self.first_columns(slot, from, count));
            self.other_columns(slot, from, &mut rows[start..]);
            from += count;
        }
    }

    /// One row, as [`Ring::copy_rows`] copies many.
    pub(crate) fn copy_row(&self, slot: usize, row: u32) -> Row {
        let mut rows = [Row::default()];
        rows.iter_mut().zip(self.first_columns(slot, row as usize, 1)).for_each(|(row, found)| *row = found);
        self.other_columns(slot, row as usize, &mut rows);
        let [row] = rows;
        row
    }

    /// `count` rows with what every row has, whatever the ring's columns are. To begin with all of it is less work than to begin with nothing.
    #[inline(always)]
    fn first_columns(&self, slot: usize, from: usize, count: usize) -> impl Iterator<Item = Row> {
        let (at, columns) = (self.geometry.slot(slot), self.geometry.columns.as_slice());
        let words = |column: usize| self.map.words64(at + columns[column].values + 8 * from, count);
        let symbols = self.map.words32(at + columns[SYMBOL].values + 4 * from, count);
        let (frames, seqs, received) = (words(FRAME), words(columns.len() - 3), words(columns.len() - 2));
        frames.iter().zip(seqs).zip(received).zip(symbols).map(|(((frame, seq), received), symbol)| Row {
            seq: seq.get(),
            frame_ms: frame.get() as i64,
            received_ns: received.get() as i64,
            symbol: SymbolId(symbol.get()),
            ..Row::default()
        })
    }

    /// The rest of such rows, column after column.
    fn other_columns(&self, slot: usize, from: usize, rows: &mut [Row]) {
        let at = self.geometry.slot(slot);
        let (columns, count) = (self.geometry.columns.as_slice(), rows.len());
        let words = |column: usize| self.map.words64(at + columns[column].values + 8 * from, count);
        let words32 = |column: usize| self.map.words32(at + columns[column].values + 4 * from, count);
        match self.geometry.price {
            Price::Float64 => {
                take(words(OPEN), rows, |row, value| row.open = f64::from_bits(value));
                take(words(OPEN + 1), rows, |row, value| row.high = f64::from_bits(value));
                take(words(OPEN + 2), rows, |row, value| row.low = f64::from_bits(value));
                take(words(OPEN + 3), rows, |row, value| row.close = f64::from_bits(value));
            }
            Price::Float32 => {
                take(words32(OPEN), rows, |row, value| row.open = f32::from_bits(value).into());
                take(words32(OPEN + 1), rows, |row, value| row.high = f32::from_bits(value).into());
                take(words32(OPEN + 2), rows, |row, value| row.low = f32::from_bits(value).into());
                take(words32(OPEN + 3), rows, |row, value| row.close = f32::from_bits(value).into());
            }
        }
        take(words(VOLUME), rows, |row, value| row.volume = f64::from_bits(value));
        for k in 0..self.geometry.optional {
            let values = words(FIRST_OPTIONAL + k);
            let bitmap =
                self.map.words64(at + columns[FIRST_OPTIONAL + k].validity, self.geometry.rows_per_block as usize / 64);
            let mut done = 0;
            while done < count {
                // A word of the bitmap at a time: nearly always it says the same of all of them.
                let bit = (from + done) % 64;
                let end = (done + 64 - bit).min(count);
                let mask = u64::MAX >> (64 - (end - done));
                let bits = bitmap[(from + done) / 64].get() >> bit & mask;
                let (values, rows) = (&values[done..end], &mut rows[done..end]);
                if bits == mask {
                    take(values, rows, |row, value| {
                        row.present |= 1 << k;
                        row.optional[k] = f64::from_bits(value);
                    });
                } else {
                    for (i, (row, value)) in rows.iter_mut().zip(values).enumerate() {
                        if bits >> i & 1 == 0 {
                            continue;
                        }
                        row.present |= 1 << k;
                        row.optional[k] = f64::from_bits(value.get());
                    }
                }
                done = end;
            }
        }
        let revisions = self.map.words8(at + columns[columns.len() - 1].values + from, count);
        take(revisions, rows, |row, value| row.revision = value);
    }

    /// Appends the frames (end of bar, UTC ms) of the rows `from..to` of `slot` to `frames`.
    pub(crate) fn copy_frames(&self, slot: usize, from: u32, to: u32, frames: &mut Vec<i64>) {
        let at = self.geometry.slot(slot) + self.geometry.columns[FRAME].values + 8 * from as usize;
        let words = self.map.words64(at, to.saturating_sub(from) as usize);
        frames.extend(words.iter().map(|word| word.get() as i64));
    }

    /// Raises each symbol's frame in `last_ms` to the highest that it has in the first `rows` rows of `slot`.
    pub(crate) fn raise_last_frames(&self, slot: usize, rows: u32, last_ms: &mut [i64]) {
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

impl<M: WriterMemory> Ring<M> {
    /// Writes the columns of `count` rows, from the tip, where they are the rows `seq` and following, to row `first` of `slot` and following;
    /// counts those without a value into `nulls`, for each optional column. Nothing says that they are there until the cursor does.
    #[inline]
    pub(crate) fn put_columns(
        &self,
        slot: usize,
        first: usize,
        seq: u64,
        count: usize,
        nulls: &mut [u32; MAX_OPTIONAL],
    ) {
        let at = self.geometry.slot(slot);
        let mut done = 0;
        while done < count {
            let (row, from) = (first + done, self.geometry.tip_slot(seq.wrapping_add(done as u64)));
            // A cache line of most columns, and a byte of a bitmap.
            let run = row % RUN == 0 && count - done >= RUN && from + RUN <= self.geometry.tip_rows as usize;
            if run {
                let rows = self.tip_slots(from, RUN).first_chunk::<RUN>().expect("as many");
                self.put_run(at, row, rows, nulls);
                done += RUN;
            } else {
                let rows = self.tip_slots(from, 1).first_chunk::<1>().expect("as many");
                self.put_run(at, row, rows, nulls);
                done += 1;
            }
        }
    }

    #[inline(always)]
    fn put64<const N: usize>(&self, at: usize, rows: &[TipSlot<M::W64>; N], field: usize) {
        put(self.map.words64(at, N), rows, |row| row[field / 8].get());
        if N == RUN {
            // The line of the run after the next one is on its way here before it comes: there are more of them than a processor expects.
            self.map.prefetch_for_stores(at + 2 * 8 * RUN);
        }
    }

    /// Writes `N` rows, 1 or [`RUN`], which lie in one line of each column.
    #[inline(always)]
    fn put_run<const N: usize>(
        &self,
        at: usize,
        first: usize,
        rows: &[TipSlot<M::W64>; N],
        nulls: &mut [u32; MAX_OPTIONAL],
    ) {
        let columns = self.geometry.columns.as_slice();
        let put64 = |column: usize, field: usize| self.put64(at + columns[column].values + 8 * first, rows, field);
        let symbols = self.map.words32(at + columns[SYMBOL].values + 4 * first, N);
        put(symbols, rows, |row| row[TIP_SYMBOL / 8].get() as u32);
        put64(FRAME, TIP_FRAME);
        match self.geometry.price {
            Price::Float64 => {
                put64(OPEN, TIP_OPEN);
                put64(OPEN + 1, TIP_HIGH);
                put64(OPEN + 2, TIP_LOW);
                put64(OPEN + 3, TIP_CLOSE);
            }
            Price::Float32 => {
                for (column, field) in (OPEN..).zip([TIP_OPEN, TIP_HIGH, TIP_LOW, TIP_CLOSE]) {
                    let words = self.map.words32(at + columns[column].values + 4 * first, N);
                    put(words, rows, |row| (f64::from_bits(row[field / 8].get()) as f32).to_bits());
                }
            }
        }
        put64(VOLUME, TIP_VOLUME);
        // A byte for each row, of which bit k is for optional column k.
        let present = (0..N).fold(0, |all, i| all | (rows[i][TIP_SYMBOL / 8].get() >> 40 & 0xff) << (8 * i));
        // A byte for each optional column, of which bit i is for row i.
        let present = transposed(present);
        let (word, bit, mask) = (first / 64, first % 64, u64::MAX >> (64 - N));
        for (k, nulls) in nulls.iter_mut().enumerate().take(self.geometry.optional) {
            put64(FIRST_OPTIONAL + k, TIP_OPTIONAL + 8 * k);
            let bits = present >> (8 * k) & mask;
            *nulls += N as u32 - bits.count_ones();
            let word = &self.map.words64(at + columns[FIRST_OPTIONAL + k].validity + 8 * word, 1)[0];
            word.set(word.get() & !(mask << bit) | bits << bit);
        }
        let seqs = self.map.words64(at + columns[columns.len() - 3].values + 8 * first, N);
        put(seqs, rows, |row| row[TIP_STAMP / 8].get().wrapping_sub(1));
        put64(columns.len() - 2, TIP_RECEIVED);
        let revisions = self.map.words8(at + columns[columns.len() - 1].values + first, N);
        put(revisions, rows, |row| (row[TIP_SYMBOL / 8].get() >> 32) as u8);
    }
}

/// Hands each row its word, eight at a time, as [`put`] does.
#[inline(always)]
fn take<W: Load>(words: &[W], rows: &mut [Row], take: impl Fn(&mut Row, W::Value)) {
    let (word_runs, mut row_runs) = (words.chunks_exact(8), rows.chunks_exact_mut(8));
    let rest = word_runs.remainder();
    for (words, rows) in word_runs.zip(&mut row_runs) {
        for i in 0..8 {
            take(&mut rows[i], words[i].get());
        }
    }
    for (word, row) in rest.iter().zip(row_runs.into_remainder()) {
        take(row, word.get());
    }
}

/// Stores a value of each row.
#[inline(always)]
fn put<W: Store, R>(words: &[W], rows: &[R], value: impl Fn(&R) -> W::Value) {
    for (word, row) in words.iter().zip(rows) {
        word.set(value(row));
    }
}

/// The 8 x 8 bits of `bits`, a byte a row, with rows and columns exchanged.
fn transposed(bits: u64) -> u64 {
    let swap = |bits: u64, mask: u64, by: u32| {
        let changed = (bits ^ bits >> by) & mask;
        bits ^ changed ^ changed << by
    };
    let bits = swap(bits, 0x00aa_00aa_00aa_00aa, 7);
    let bits = swap(bits, 0x0000_cccc_0000_cccc, 14);
    swap(bits, 0x0000_0000_f0f0_f0f0, 28)
}

#[cfg(test)]
mod tests {
    use super::transposed;

    #[test]
    fn rows_of_bits_become_columns() {
        for row in 0..8 {
            for column in 0..8 {
                assert_eq!(transposed(1 << (8 * row + column)), 1 << (8 * column + row));
            }
        }
    }
}
