//! Rows in a slot's columns: stored there by the writer, copied out by readers.

use arrow::buffer::Buffer;
use barbus_shm::{Load, Memory, Store, WriterMemory};

use crate::geometry::ColumnLayout;
use crate::held_rows::CopiedColumn;
use crate::layout::*;
use crate::tip::TipSlot;
use crate::{MAX_OPTIONAL, Price, Ring, Row, SymbolId};

// Numbers of the columns in the schema. The optional columns lie between volume and seq.
pub(crate) const SYMBOL: usize = 0;
pub(crate) const FRAME: usize = 1;
const OPEN: usize = 2;
const VOLUME: usize = 6;
pub(crate) const FIRST_OPTIONAL: usize = 7;
/// Rows whose columns are stored as a group: one cache line of an 8-byte column.
pub(crate) const GROUP: usize = 8;
/// Rows that are copied at a time. With their columns they fit the first-level cache, although
/// columns that are a multiple of 4096 bytes apart share its sets.
const CHUNK: usize = 32;

impl<M: Memory> Ring<M> {
    /// Appends the committed rows `from..to` of `slot` to `rows`.
    ///
    /// The caller then checks with [`Ring::is_current`] that they belong to the block it meant.
    pub(crate) fn copy_rows(&self, slot: usize, from: u32, to: u32, rows: &mut Vec<Row>) {
        let (mut from, to) = (from as usize, to as usize);
        rows.reserve(to.saturating_sub(from));
        while from < to {
            let (start, count) = (rows.len(), CHUNK.min(to - from));
            rows.extend(self.load_first_columns(slot, from, count));
            self.load_other_columns(slot, from, &mut rows[start..]);
            from += count;
        }
    }

    /// One row, as [`Ring::copy_rows`] copies many.
    pub(crate) fn copy_row(&self, slot: usize, row: u32) -> Row {
        let mut rows = [Row::default()];
        rows.iter_mut().zip(self.load_first_columns(slot, row as usize, 1)).for_each(|(row, found)| *row = found);
        self.load_other_columns(slot, row as usize, &mut rows);
        let [row] = rows;
        row
    }

    /// `count` rows with the columns whose type is the same in every ring, and defaults for the
    /// rest.
    ///
    /// Four columns at once cost fewer instructions than default rows filled column by column.
    #[inline(always)]
    fn load_first_columns(&self, slot: usize, from: usize, count: usize) -> impl Iterator<Item = Row> {
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

    /// Fills the remaining columns of such rows, one column after the other.
    fn load_other_columns(&self, slot: usize, from: usize, rows: &mut [Row]) {
        let at = self.geometry.slot(slot);
        let (columns, count) = (self.geometry.columns.as_slice(), rows.len());
        let words = |column: usize| self.map.words64(at + columns[column].values + 8 * from, count);
        let words32 = |column: usize| self.map.words32(at + columns[column].values + 4 * from, count);
        match self.geometry.price {
            Price::Float64 => {
                load(words(OPEN), rows, |row, value| row.open = f64::from_bits(value));
                load(words(OPEN + 1), rows, |row, value| row.high = f64::from_bits(value));
                load(words(OPEN + 2), rows, |row, value| row.low = f64::from_bits(value));
                load(words(OPEN + 3), rows, |row, value| row.close = f64::from_bits(value));
            }
            Price::Float32 => {
                load(words32(OPEN), rows, |row, value| row.open = f32::from_bits(value).into());
                load(words32(OPEN + 1), rows, |row, value| row.high = f32::from_bits(value).into());
                load(words32(OPEN + 2), rows, |row, value| row.low = f32::from_bits(value).into());
                load(words32(OPEN + 3), rows, |row, value| row.close = f32::from_bits(value).into());
            }
        }
        load(words(VOLUME), rows, |row, value| row.volume = f64::from_bits(value));
        for k in 0..self.geometry.optional {
            let bitmap =
                self.map.words64(at + columns[FIRST_OPTIONAL + k].validity, self.geometry.rows_per_block as usize / 64);
            load_optional(words(FIRST_OPTIONAL + k), bitmap, from, k, rows);
        }
        let revisions = self.map.words8(at + columns[columns.len() - 1].values + from, count);
        load(revisions, rows, |row, value| row.revision = value);
    }

    /// Copies the rows `from..to` of a column.
    ///
    /// The caller then checks with [`Ring::is_current`] that they belong to the block it meant.
    pub(crate) fn copy_column(&self, slot: usize, column: usize, from: u32, to: u32) -> CopiedColumn {
        let ColumnLayout { values, width, .. } = self.geometry.columns[column];
        let at = self.geometry.slot(slot) + values + from as usize * width;
        let count = to.saturating_sub(from) as usize;
        let values = match width {
            8 => Buffer::from_vec(copied(self.map.words64(at, count))),
            4 => Buffer::from_vec(copied(self.map.words32(at, count))),
            _ => Buffer::from_vec(copied(self.map.words8(at, count))),
        };
        CopiedColumn { values, validity: self.copy_validity(slot, column, from, to) }
    }

    /// Copies the words of a column's bitmap that have a bit of the rows `from..to`; empty if the
    /// column is not nullable.
    pub(crate) fn copy_validity(&self, slot: usize, column: usize, from: u32, to: u32) -> Buffer {
        let (at, words) = self.geometry.validity_words(column, from, to).unwrap_or((0, 0));
        Buffer::from_vec(copied(self.map.words64(self.geometry.slot(slot) + at, words)))
    }

    /// Appends the frames (end of bar, UTC ms) of the rows `from..to` of `slot` to `frames`.
    pub(crate) fn copy_frames(&self, slot: usize, from: u32, to: u32, frames: &mut Vec<i64>) {
        let at = self.geometry.slot(slot) + self.geometry.columns[FRAME].values + 8 * from as usize;
        let words = self.map.words64(at, to.saturating_sub(from) as usize);
        frames.extend(words.iter().map(|word| word.get() as i64));
    }

    /// Raises each symbol's frame in `last_ms` to its highest frame in the first `rows` rows of
    /// `slot`.
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

    /// For each optional column, the number of those of the first `rows` rows that have no value.
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
    /// Copies `count` rows from the tip, from row `seq` on, to the columns of `slot`, from its row
    /// `first` on. Adds to `nulls`, for each optional column, the rows that have no value.
    ///
    /// The rows are not committed by this: the caller moves the cursor afterwards.
    #[inline]
    pub(crate) fn store_columns(
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
            let (row, from) = (first + done, self.geometry.tip_index(seq.wrapping_add(done as u64)));
            // A full group fills one cache line of most columns, and one byte of a bitmap.
            let group = row % GROUP == 0 && count - done >= GROUP && from + GROUP <= self.geometry.tip_rows as usize;
            if group {
                let rows = self.tip_slots(from, GROUP).first_chunk::<GROUP>().expect("as many");
                self.store_group(at, row, rows, nulls);
                done += GROUP;
            } else {
                let rows = self.tip_slots(from, 1).first_chunk::<1>().expect("as many");
                self.store_group(at, row, rows, nulls);
                done += 1;
            }
        }
    }

    /// Stores the rows' words at `field` of their tip slots to the 8-byte column at `at`.
    #[inline(always)]
    fn store64<const N: usize>(&self, at: usize, rows: &[TipSlot<M::W64>; N], field: usize) {
        store(self.map.words64(at, N), rows, |row| row[field / 8].get());
        if N == GROUP {
            // The column's cache line of the next group but one. There are more columns than a
            // processor's own prefetcher follows.
            self.map.prefetch_for_stores(at + 2 * 8 * GROUP);
        }
    }

    /// Stores the columns of `N` rows, 1 or [`GROUP`], which lie in one cache line of each column.
    #[inline(always)]
    fn store_group<const N: usize>(
        &self,
        at: usize,
        first: usize,
        rows: &[TipSlot<M::W64>; N],
        nulls: &mut [u32; MAX_OPTIONAL],
    ) {
        let columns = self.geometry.columns.as_slice();
        let store64 = |column: usize, field: usize| self.store64(at + columns[column].values + 8 * first, rows, field);
        let symbols = self.map.words32(at + columns[SYMBOL].values + 4 * first, N);
        store(symbols, rows, |row| row[TIP_SYMBOL / 8].get() as u32);
        store64(FRAME, TIP_FRAME);
        match self.geometry.price {
            Price::Float64 => {
                store64(OPEN, TIP_OPEN);
                store64(OPEN + 1, TIP_HIGH);
                store64(OPEN + 2, TIP_LOW);
                store64(OPEN + 3, TIP_CLOSE);
            }
            Price::Float32 => {
                for (column, field) in (OPEN..).zip([TIP_OPEN, TIP_HIGH, TIP_LOW, TIP_CLOSE]) {
                    let words = self.map.words32(at + columns[column].values + 4 * first, N);
                    store(words, rows, |row| (f64::from_bits(row[field / 8].get()) as f32).to_bits());
                }
            }
        }
        store64(VOLUME, TIP_VOLUME);
        // Byte i is row i's; its bit k is set if optional column k has a value.
        let present = (0..N).fold(0, |all, i| all | (rows[i][TIP_SYMBOL / 8].get() >> 40 & 0xff) << (8 * i));
        // Byte k is optional column k's; its bit i is set if row i has a value.
        let present = transpose_8x8(present);
        let (word, bit, mask) = (first / 64, first % 64, u64::MAX >> (64 - N));
        for (k, nulls) in nulls.iter_mut().enumerate().take(self.geometry.optional) {
            store64(FIRST_OPTIONAL + k, TIP_OPTIONAL + 8 * k);
            let bits = present >> (8 * k) & mask;
            *nulls += N as u32 - bits.count_ones();
            let word = &self.map.words64(at + columns[FIRST_OPTIONAL + k].validity + 8 * word, 1)[0];
            word.set(word.get() & !(mask << bit) | bits << bit);
        }
        let seqs = self.map.words64(at + columns[columns.len() - 3].values + 8 * first, N);
        store(seqs, rows, |row| row[TIP_STAMP / 8].get().wrapping_sub(1));
        store64(columns.len() - 2, TIP_RECEIVED);
        let revisions = self.map.words8(at + columns[columns.len() - 1].values + first, N);
        store(revisions, rows, |row| (row[TIP_SYMBOL / 8].get() >> 32) as u8);
    }
}

fn copied<W: Load>(words: &[W]) -> Vec<W::Value> {
    words.iter().map(Load::get).collect()
}

/// Passes each row its word, eight words at a time.
#[inline(always)]
fn load<W: Load>(words: &[W], rows: &mut [Row], set: impl Fn(&mut Row, W::Value)) {
    let (word_groups, mut row_groups) = (words.chunks_exact(GROUP), rows.chunks_exact_mut(GROUP));
    let rest = word_groups.remainder();
    for (words, rows) in word_groups.zip(&mut row_groups) {
        for i in 0..GROUP {
            set(&mut rows[i], words[i].get());
        }
    }
    for (word, row) in rest.iter().zip(row_groups.into_remainder()) {
        set(row, word.get());
    }
}

/// Fills optional column `k` of `rows` from its values and its validity bitmap, in which the first
/// row has bit `from`.
#[inline(always)]
fn load_optional<W: Load<Value = u64>>(values: &[W], bitmap: &[W], from: usize, k: usize, rows: &mut [Row]) {
    let count = rows.len();
    let mut done = 0;
    while done < count {
        // One word of the bitmap at a time: usually all its rows have a value.
        let bit = (from + done) % 64;
        let end = (done + 64 - bit).min(count);
        let mask = u64::MAX >> (64 - (end - done));
        let bits = bitmap[(from + done) / 64].get() >> bit & mask;
        let (values, rows) = (&values[done..end], &mut rows[done..end]);
        if bits == mask {
            load(values, rows, |row, value| {
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

/// Stores a value of each row.
#[inline(always)]
fn store<W: Store, R>(words: &[W], rows: &[R], value: impl Fn(&R) -> W::Value) {
    for (word, row) in words.iter().zip(rows) {
        word.set(value(row));
    }
}

/// Transposes a matrix of 8 x 8 bits, one byte a row.
fn transpose_8x8(bits: u64) -> u64 {
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
    use super::transpose_8x8;

    #[test]
    fn transposing_exchanges_rows_and_columns() {
        for row in 0..8 {
            for column in 0..8 {
                assert_eq!(transpose_8x8(1 << (8 * row + column)), 1 << (8 * column + row));
            }
        }
    }
}
