//! The distinct values of a column, and which of them each row has.

/// No value is at this place of the table.
const EMPTY: u32 = u32::MAX;
const MIN_SLOTS: usize = 1_024;

/// Values that differ in their bits, in the order of their first rows.
pub(super) struct Distinct {
    /// The bits of each value.
    pub(super) values: Vec<u64>,
    /// For each row the place of its value in `values`.
    pub(super) indices: Vec<u32>,
}

impl Distinct {
    /// The distinct values of fewer than 2^32 rows.
    pub(super) fn of(rows: &[f64]) -> Self {
        let mut values = Vec::new();
        let mut table = Table::new(MIN_SLOTS);
        let index_of = |row: &f64| table.index_of(row.to_bits(), &mut values);
        let indices = rows.iter().map(index_of).collect();
        Self { values, indices }
    }
}

/// A hash table of places in a list of values, by open addressing; at most half full.
struct Table {
    slots: Vec<u32>,
    /// How far a hash is shifted to be the number of a slot.
    shift: u32,
}

impl Table {
    /// `slots` is a power of two.
    fn new(slots: usize) -> Self {
        Self { slots: vec![EMPTY; slots], shift: u64::BITS - slots.trailing_zeros() }
    }

    /// The place of the value in `values`, where it is added if it is new.
    #[inline]
    fn index_of(&mut self, bits: u64, values: &mut Vec<u64>) -> u32 {
        let mut slot = self.first_slot(bits);
        loop {
            let index = self.slots[slot];
            if index == EMPTY {
                break;
            }
            if values[index as usize] == bits {
                return index;
            }
            slot = self.next_slot(slot);
        }
        let index = values.len() as u32;
        self.slots[slot] = index;
        values.push(bits);
        if 2 * values.len() > self.slots.len() {
            self.grow(values);
        }
        index
    }

    #[cold]
    fn grow(&mut self, values: &[u64]) {
        *self = Self::new(4 * self.slots.len());
        for (index, &bits) in (0..).zip(values) {
            let mut slot = self.first_slot(bits);
            while self.slots[slot] != EMPTY {
                slot = self.next_slot(slot);
            }
            self.slots[slot] = index;
        }
    }

    /// The multiplier is 2^64 divided by the golden ratio: every bit of a value changes the highest
    /// bits of the product.
    fn first_slot(&self, bits: u64) -> usize {
        (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    fn next_slot(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_value_and_each_value_occurs_once() {
        let random = |row: u64| row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        for count in [0, 1, 100, 5_000, 100_000] {
            let rows: Vec<f64> = (0..count).map(|row| (random(row) % 20_000) as f64 / 100.0).collect();
            let Distinct { values, indices } = Distinct::of(&rows);
            assert!(indices.iter().map(|&index| values[index as usize]).eq(rows.iter().map(|row| row.to_bits())));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), values.len());
        }
    }

    #[test]
    fn values_differ_by_their_bits() {
        for odd in [-0.0, f64::NAN, f64::INFINITY, -1.0, 1e300, 0.1 + 0.2, f64::from_bits(1)] {
            let Distinct { values, indices } = Distinct::of(&[0.0, odd, 0.3, odd, 0.0]);
            assert_eq!(values, [0.0_f64, odd, 0.3].map(f64::to_bits));
            assert_eq!(indices, [0, 1, 2, 1, 0]);
        }
    }
}
