//! The distinct values of a column, and which of them each row has.
//!
//! Numbers of ticks or lots need not be searched for: each has its place in a table. Other values are found by their bits.

use std::mem;

/// A value must be there so often on average for a dictionary to be worth the look.
const MIN_REPEATS: f64 = 2.8;
/// After so many rows a dictionary is given up when more than half of them were new.
const EARLY_ROWS: usize = 8_192;
/// Rows that are counted before it is looked whether that makes sense.
const PIECE_ROWS: usize = 256;
/// The largest table: it stays in the caches.
const TABLE_SLOTS: usize = 1 << 18;
const EMPTY: u32 = u32::MAX;

/// The values of some rows, told apart by their bits. It is filled anew for each column: its memory stays with the thread.
#[derive(Default)]
pub(crate) struct Dictionary {
    /// The distinct values, ascending (as bits where they were found by their bits): they compress better so than in the order of the rows.
    pub(crate) values: Vec<u64>,
    /// For each row the place of its value among them.
    pub(crate) indices: Vec<u32>,
    table: Vec<u32>,
}

impl Dictionary {
    /// Fills it with `rows`; false where their values repeat too seldom.
    pub(crate) fn fill(&mut self, rows: &[f64]) -> bool {
        let most = (rows.len() as f64 / MIN_REPEATS) as usize + 1;
        self.values.clear();
        match Unit::ALL.iter().find_map(|unit| Some((unit, self.count(unit, rows)?))) {
            Some((unit, counts)) => self.by_counts(unit, &counts, most),
            None => self.by_bits(rows, most),
        }
    }

    fn by_bits(&mut self, rows: &[f64], most: usize) -> bool {
        let Self { values, indices, table } = self;
        let slots = (2 * most).next_power_of_two();
        let shift = u64::BITS - slots.trailing_zeros();
        // Odd, and without a pattern: every bit of a value reaches the highest of the product.
        let slot_of = |bits: u64| (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as usize;
        table.clear();
        table.resize(slots, EMPTY);
        indices.clear();
        for (row, value) in rows.iter().enumerate() {
            let bits = value.to_bits();
            let mut slot = slot_of(bits);
            let index = loop {
                let index = table[slot];
                if index == EMPTY {
                    if values.len() == most || (row >= EARLY_ROWS && values.len() > row / 2) {
                        return false;
                    }
                    table[slot] = values.len() as u32;
                    values.push(bits);
                    break table[slot];
                }
                if values[index as usize] == bits {
                    break index;
                }
                slot = (slot + 1) & (slots - 1);
            };
            indices.push(index);
        }
        let mut sorted: Vec<(u64, u32)> = values.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        let ranks = table;
        for (rank, &(bits, index)) in sorted.iter().enumerate() {
            values[rank] = bits;
            ranks[index as usize] = rank as u32;
        }
        indices.iter_mut().for_each(|index| *index = ranks[*index as usize]);
        true
    }

    /// Puts into `indices` how many units each row is, in its lowest 32 bits; `None` where one is no such number to the bit, or they lie too far
    /// apart for a table.
    fn count(&mut self, unit: &Unit, rows: &[f64]) -> Option<Counts> {
        let per_unit = unit.over / unit.times;
        self.indices.resize(rows.len(), 0);
        let (mut least, mut most) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        for (piece, counts) in rows.chunks(PIECE_ROWS).zip(self.indices.chunks_mut(PIECE_ROWS)) {
            let mut differ = [0; LANES];
            let mut take = |i: usize, value: f64| {
                let shifted = value * per_unit + TO_BITS;
                let count = shifted - TO_BITS;
                // What is not a number comes out of all this as it went in.
                differ[i] |= (unit.value(count).to_bits() ^ value.to_bits()) | u64::from(value.is_nan());
                least[i] = if count < least[i] { count } else { least[i] };
                most[i] = if count > most[i] { count } else { most[i] };
                shifted.to_bits() as u32
            };
            let ((rows, rest), (lanes, rest_counts)) = (piece.as_chunks::<LANES>(), counts.as_chunks_mut::<LANES>());
            for (row, counts) in rows.iter().zip(lanes) {
                for i in 0..LANES {
                    counts[i] = take(i, row[i]);
                }
            }
            for (&value, count) in rest.iter().zip(rest_counts) {
                *count = take(0, value);
            }
            let (least, most) = bounds(&least, &most);
            let fits = least >= -LARGEST && most <= LARGEST && most - least < TABLE_SLOTS as f64;
            if differ.iter().any(|&differ| differ != 0) || !fits {
                return None;
            }
        }
        let (least, most) = bounds(&least, &most);
        (!rows.is_empty()).then_some(Counts { least, slots: (most - least) as usize + 1 })
    }

    fn by_counts(&mut self, unit: &Unit, counts: &Counts, most: usize) -> bool {
        let Self { values, indices, table } = self;
        table.clear();
        table.resize(counts.slots, 0);
        let least = (counts.least + TO_BITS).to_bits() as u32;
        for count in &mut *indices {
            *count = count.wrapping_sub(least);
            table[*count as usize] = 1;
        }
        // Without a branch, which would go wrong at every other slot.
        let mut taken = vec![0; counts.slots];
        let mut distinct = 0;
        for (slot, place) in (0..).zip(&mut *table) {
            taken[distinct] = slot;
            distinct += mem::replace(place, distinct as u32) as usize;
        }
        if distinct > most {
            return false;
        }
        values.extend(taken[..distinct].iter().map(|&slot| unit.value(counts.least + f64::from(slot)).to_bits()));
        indices.iter_mut().for_each(|count| *count = table[*count as usize]);
        true
    }
}

fn bounds(least: &[f64; LANES], most: &[f64; LANES]) -> (f64, f64) {
    (least.iter().copied().fold(f64::INFINITY, f64::min), most.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// Values that are counted at a time.
const LANES: usize = 4;
/// Added to a number it leaves no bits for fractions, and the number itself in the lowest bits.
const TO_BITS: f64 = (1_u64 << 52 | 1 << 51) as f64;
/// As far as that holds.
const LARGEST: f64 = (1_u64 << 50) as f64;

/// What values may be whole numbers of: `value = count * times / over`.
struct Unit {
    times: f64,
    over: f64,
}

impl Unit {
    /// Lots of a hundred, ones, cents, hundredths of cents: the coarsest that fits makes the smallest table.
    const ALL: [Unit; 4] = [
        Unit { times: 100.0, over: 1.0 },
        Unit { times: 1.0, over: 1.0 },
        Unit { times: 1.0, over: 100.0 },
        Unit { times: 1.0, over: 10_000.0 },
    ];

    fn value(&self, count: f64) -> f64 {
        count * self.times / self.over
    }
}

/// The smallest number of units, and so many follow on it.
struct Counts {
    least: f64,
    slots: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(dictionary: &Dictionary) -> Vec<u64> {
        dictionary.indices.iter().map(|&index| dictionary.values[index as usize]).collect()
    }

    fn bits(rows: &[f64]) -> Vec<u64> {
        rows.iter().map(|row| row.to_bits()).collect()
    }

    #[test]
    fn every_row_finds_its_value_again() {
        let whole = || (0..10_000_u32).map(|i| f64::from(i.wrapping_mul(2_654_435_761) >> 21));
        type Of = fn(f64) -> f64;
        let of: [Of; 6] = [|n| n * 100.0, |n| n, |n| n / 100.0, |n| n / 1e4, |n| n / 3.0, |n| 1_000.0 - n];
        for of in of {
            let rows: Vec<f64> = whole().map(of).collect();
            let (mut by_units, mut by_bits) = (Dictionary::default(), Dictionary::default());
            assert!(by_units.fill(&rows) && by_bits.by_bits(&rows, rows.len()));
            assert!(rows.iter().any(|&row| row < 0.0) || by_units.values == by_bits.values);
            for dictionary in [by_units, by_bits] {
                assert_eq!(found(&dictionary), bits(&rows));
                assert!(dictionary.values.len() == 2_048 || rows[0] > 100.0);
            }
        }
    }

    #[test]
    fn values_are_told_apart_by_their_bits() {
        for odd in [-0.0, f64::NAN, f64::INFINITY, -1.0, 1e16, 1e300, 0.1 + 0.2, i64::MAX as f64] {
            let rows: Vec<f64> = [0.0, odd, 3.0, 0.0, 3.0, odd, 0.0].repeat(3);
            let mut dictionary = Dictionary::default();
            assert!(dictionary.fill(&rows));
            assert_eq!(dictionary.values.len(), 3);
            assert_eq!(found(&dictionary), bits(&rows));
        }
    }

    #[test]
    fn values_that_seldom_repeat_have_none() {
        let mut dictionary = Dictionary::default();
        for count in [200, 100_000] {
            assert!(!dictionary.fill(&(0..count).map(f64::from).collect::<Vec<_>>()));
            assert!(!dictionary.fill(&(0..count).map(|i| f64::from(i) / 7.0).collect::<Vec<_>>()));
        }
        assert!(dictionary.fill(&[]) && dictionary.values.is_empty() && dictionary.indices.is_empty());
    }
}
