//! The distinct values of a column, and which of them each row has.
//!
//! Numbers of ticks or lots need not be searched for: each has its place in a table. Other values are found by their bits.

/// A value must be there so often on average for a dictionary to be worth the look.
const MIN_REPEATS: f64 = 2.8;
/// After so many rows a dictionary is given up when more than half of them were new.
const EARLY_ROWS: usize = 8_192;
/// Rows that are counted before it is looked whether that makes sense.
const PIECE_ROWS: usize = 256;
/// The largest table: it stays in the caches.
const TABLE_SLOTS: usize = 1 << 18;
const EMPTY: u32 = u32::MAX;

/// The values of some rows, told apart by their bits.
pub(crate) struct Dictionary {
    /// The distinct values, ascending as bits: they compress better so than in the order of the rows.
    pub(crate) values: Vec<u64>,
    /// For each row the place of its value among them.
    pub(crate) indices: Vec<u32>,
}

impl Dictionary {
    /// `None` where values repeat too seldom.
    pub(crate) fn of(rows: &[f64]) -> Option<Self> {
        let most = (rows.len() as f64 / MIN_REPEATS) as usize + 1;
        match Unit::ALL.iter().find_map(|unit| unit.counts(rows)) {
            Some(counts) => counts.dictionary(most),
            None => Self::by_bits(rows, most),
        }
    }

    fn by_bits(rows: &[f64], most: usize) -> Option<Self> {
        let slots = (2 * most).next_power_of_two();
        let shift = u64::BITS - slots.trailing_zeros();
        // Odd, and without a pattern: every bit of a value reaches the highest of the product.
        let slot_of = |bits: u64| (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as usize;
        let mut table = vec![EMPTY; slots];
        let mut values: Vec<u64> = Vec::with_capacity(most);
        let mut indices = Vec::with_capacity(rows.len());
        for (row, value) in rows.iter().enumerate() {
            let bits = value.to_bits();
            let mut slot = slot_of(bits);
            let index = loop {
                let index = table[slot];
                if index == EMPTY {
                    if values.len() == most || (row >= EARLY_ROWS && values.len() > row / 2) {
                        return None;
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
        let mut ranks = vec![0; values.len()];
        for (rank, &(bits, index)) in sorted.iter().enumerate() {
            values[rank] = bits;
            ranks[index as usize] = rank as u32;
        }
        indices.iter_mut().for_each(|index| *index = ranks[*index as usize]);
        Some(Self { values, indices })
    }
}

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

    fn value(&self, count: i64) -> f64 {
        count as f64 * self.times / self.over
    }

    /// How many units each row is; `None` where one is no such number to the bit, or they lie too far apart for a table.
    fn counts(&self, rows: &[f64]) -> Option<Counts<'_>> {
        let per_unit = self.over / self.times;
        let mut counts = Vec::with_capacity(rows.len());
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for piece in rows.chunks(PIECE_ROWS) {
            let mut differ = 0;
            for &value in piece {
                let count = (value * per_unit + 0.5) as i64;
                differ |= self.value(count).to_bits() ^ value.to_bits();
                least = least.min(count);
                most = most.max(count);
                counts.push(count);
            }
            if differ != 0 || most.abs_diff(least) >= TABLE_SLOTS as u64 {
                return None;
            }
        }
        (!rows.is_empty()).then(|| Counts { unit: self, counts, least, slots: most.abs_diff(least) as usize + 1 })
    }
}

struct Counts<'a> {
    unit: &'a Unit,
    counts: Vec<i64>,
    least: i64,
    slots: usize,
}

impl Counts<'_> {
    fn dictionary(self, most: usize) -> Option<Dictionary> {
        let mut table = vec![0; self.slots];
        let slot = |count: i64| (count - self.least) as usize;
        self.counts.iter().for_each(|&count| table[slot(count)] = 1);
        let mut values = Vec::with_capacity(most);
        for (count, place) in (self.least..).zip(&mut table).filter(|(_, place)| **place == 1) {
            if values.len() == most {
                return None;
            }
            *place = values.len() as u32;
            values.push(self.unit.value(count).to_bits());
        }
        let indices = self.counts.iter().map(|&count| table[slot(count)]).collect();
        Some(Dictionary { values, indices })
    }
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
            for dictionary in [Dictionary::of(&rows), Dictionary::by_bits(&rows, rows.len())].map(Option::unwrap) {
                assert_eq!(found(&dictionary), bits(&rows));
                assert!(dictionary.values.len() == 2_048 || rows[0] > 100.0);
            }
        }
    }

    #[test]
    fn values_are_told_apart_by_their_bits() {
        for odd in [-0.0, f64::NAN, f64::INFINITY, -1.0, 1e300, 0.1 + 0.2, i64::MAX as f64] {
            let rows: Vec<f64> = [0.0, odd, 3.0, 0.0, 3.0, odd, 0.0].repeat(3);
            let dictionary = Dictionary::of(&rows).unwrap();
            assert_eq!(dictionary.values.len(), 3);
            assert_eq!(found(&dictionary), bits(&rows));
        }
    }

    #[test]
    fn values_that_seldom_repeat_have_none() {
        for count in [200, 100_000] {
            assert!(Dictionary::of(&(0..count).map(f64::from).collect::<Vec<_>>()).is_none());
            assert!(Dictionary::of(&(0..count).map(|i| f64::from(i) / 7.0).collect::<Vec<_>>()).is_none());
        }
        assert!(Dictionary::of(&[]).is_some_and(|dictionary| dictionary.values.is_empty()));
    }
}
