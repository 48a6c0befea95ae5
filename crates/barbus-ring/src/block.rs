//! Rows in a slot's columns: put by the writer, copied out by readers.

use barbus_shm::{Load, Memory, Store};

use crate::{MAX_OPTIONAL, Price, Ring, Row, SymbolId};

// Places of the columns in the schema; the optional ones lie between volume and seq.
pub(crate) const SYMBOL: usize = 0;
pub(crate) const FRAME: usize = 1;
const OPEN: usize = 2;
const VOLUME: usize = 6;
pub(crate) const FIRST_OPTIONAL: usize = 7;
/// Rows that are copied together.
const CHUNK: usize = 64;

impl<M: Memory> Ring<M> {
    /// Appends the rows `from..to` of `slot` to `rows`. They must be committed; whether they are still those of the block that
    /// was meant is for [`Ring::still`] to say afterwards.
    pub(crate) fn copy_rows(&self, slot: usize, from: u32, to: u32, rows: &mut Vec<Row>) {
        let start = rows.len();
        rows.resize(start + to.saturating_sub(from) as usize, Row::default());
        // Column after column, of as many rows as stay in the nearest cache meanwhile.
        let mut from = from as usize;
        for rows in rows[start..].chunks_mut(CHUNK) {
            self.copy_chunk(slot, from, rows);
            from += rows.len();
        }
    }

    pub(crate) fn copy_chunk(&self, slot: usize, from: usize, rows: &mut [Row]) {
        let at = self.geometry.slot(slot);
        let (columns, count) = (self.geometry.columns.as_slice(), rows.len());
        let words = |column: usize| self.map.words64(at + columns[column].values + 8 * from, count);
        let words32 = |column: usize| self.map.words32(at + columns[column].values + 4 * from, count);
        take(words32(SYMBOL), rows, |row, value| row.symbol = SymbolId(value));
        take(words(FRAME), rows, |row, value| row.frame_ms = value as i64);
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
        take(words(columns.len() - 3), rows, |row, value| row.seq = value);
        take(words(columns.len() - 2), rows, |row, value| row.received_ns = value as i64);
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
    /// Writes `rows` from row `first` of `slot` on, column after column, and counts those without a value into `nulls`, for each optional column.
    /// Nothing says that they are there until the cursor does.
    #[inline]
    pub(crate) fn put_rows(&self, slot: usize, first: usize, rows: &[Row], nulls: &mut [u32; MAX_OPTIONAL]) {
        let at = self.geometry.slot(slot);
        let columns = self.geometry.columns.as_slice();
        let symbols = self.map.words32(at + columns[SYMBOL].values + 4 * first, rows.len());
        put(symbols, rows, |row| row.symbol.0);
        self.put64(at + columns[FRAME].values + 8 * first, rows, |row| row.frame_ms as u64);
        self.put_price(at, OPEN, first, rows, |row| row.open);
        self.put_price(at, OPEN + 1, first, rows, |row| row.high);
        self.put_price(at, OPEN + 2, first, rows, |row| row.low);
        self.put_price(at, OPEN + 3, first, rows, |row| row.close);
        self.put64(at + columns[VOLUME].values + 8 * first, rows, |row| row.volume.to_bits());
        // Nearly always a column has a value in all of the rows, or in none.
        let (all, any) = rows.iter().fold((u8::MAX, 0), |(all, any), row| (all & row.present, any | row.present));
        for (k, nulls) in nulls.iter_mut().enumerate().take(self.geometry.optional) {
            self.put64(at + columns[FIRST_OPTIONAL + k].values + 8 * first, rows, |row| row.optional[k].to_bits());
            let words = self.geometry.rows_per_block as usize / 64;
            let bitmap = self.map.words64(at + columns[FIRST_OPTIONAL + k].validity, words);
            let same = if any >> k & 1 == 0 { Some(0) } else { (all >> k & 1 == 1).then_some(u64::MAX) };
            *nulls += put_bits(bitmap, first, rows.len(), |from, to| {
                same.unwrap_or_else(|| {
                    let bits = rows[from..to].iter().enumerate();
                    bits.fold(0, |bits, (i, row)| bits | u64::from(row.present >> k & 1) << i)
                })
            });
        }
        self.put64(at + columns[columns.len() - 3].values + 8 * first, rows, |row| row.seq);
        self.put64(at + columns[columns.len() - 2].values + 8 * first, rows, |row| row.received_ns as u64);
        let revisions = self.map.words8(at + columns[columns.len() - 1].values + first, rows.len());
        put(revisions, rows, |row| row.revision);
    }

    /// Rounds the prices to what the columns can hold.
    #[inline(always)]
    pub(crate) fn round_prices(&self, row: &mut Row) {
        if self.geometry.price == Price::Float32 {
            for price in [&mut row.open, &mut row.high, &mut row.low, &mut row.close] {
                *price = f64::from(*price as f32);
            }
        }
    }

    #[inline(always)]
    fn put64(&self, at: usize, rows: &[Row], value: impl Fn(&Row) -> u64) {
        put(self.map.words64(at, rows.len()), rows, value);
    }

    #[inline(always)]
    fn put_price(&self, at: usize, column: usize, first: usize, rows: &[Row], price: impl Fn(&Row) -> f64) {
        let at = at + self.geometry.columns[column].values;
        match self.geometry.price {
            Price::Float64 => self.put64(at + 8 * first, rows, |row| price(row).to_bits()),
            Price::Float32 => {
                let words = self.map.words32(at + 4 * first, rows.len());
                put(words, rows, |row| (price(row) as f32).to_bits());
            }
        }
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

/// Stores a value of each row, eight at a time: a loop of one word has more to do for itself than for the word.
#[inline(always)]
fn put<W: Store>(words: &[W], rows: &[Row], value: impl Fn(&Row) -> W::Value) {
    let (word_runs, row_runs) = (words.chunks_exact(8), rows.chunks_exact(8));
    for (word, row) in word_runs.remainder().iter().zip(row_runs.remainder()) {
        word.set(value(row));
    }
    for (words, rows) in word_runs.zip(row_runs) {
        for i in 0..8 {
            words[i].set(value(&rows[i]));
        }
    }
}

/// Stores `count` bits from the `first`-th bit of `bitmap` on, a word at a time; `bits` gives those of the rows `from..to`, the lowest first.
/// Returns how many of them are not set.
#[inline(always)]
fn put_bits(bitmap: &[impl Store<Value = u64>], first: usize, count: usize, bits: impl Fn(usize, usize) -> u64) -> u32 {
    let (mut from, mut unset) = (0, 0);
    while from < count {
        let bit = (first + from) % 64;
        let to = (from + 64 - bit).min(count);
        let mask = u64::MAX >> (64 - (to - from));
        let value = bits(from, to) & mask;
        unset += (to - from) as u32 - value.count_ones();
        let word = &bitmap[(first + from) / 64];
        word.set(if mask == u64::MAX { value } else { word.get() & !(mask << bit) | value << bit });
        from = to;
    }
    unset
}
