//! Parquet's hybrid encoding of small numbers: runs of one number, or packed bits.
//!
//! Source: "Run Length Encoding / Bit-Packing Hybrid" in Encodings.md of the Parquet format.

/// Bits of an index into `count` values; at least one.
pub(super) fn width(count: usize) -> u32 {
    (usize::BITS - count.saturating_sub(1).leading_zeros()).max(1)
}

/// Appends `values`, each below 2^`width`, either all as runs or all packed: whichever is shorter.
pub(super) fn encode(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let runs = 1 + values.windows(2).filter(|pair| pair[0] != pair[1]).count();
    // A run has a length of mostly two bytes, and one number.
    if runs * (2 + value_bytes(width)) <= values.len() * width as usize / 8 {
        values.chunk_by(|a, b| a == b).for_each(|run| repeat(run[0], run.len(), width, out));
    } else if !values.is_empty() {
        pack(values, width, out);
    }
}

/// Appends one number `count` times.
pub(super) fn repeat(value: u32, count: usize, width: u32, out: &mut Vec<u8>) {
    varint((count as u64) << 1, out);
    out.extend_from_slice(&value.to_le_bytes()[..value_bytes(width)]);
}

fn value_bytes(width: u32) -> usize {
    width.div_ceil(8) as usize
}

/// Appends the values as packed bits; zeros complete the last group of eight.
fn pack(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let groups = values.len().div_ceil(8);
    varint((groups as u64) << 1 | 1, out);
    out.reserve(groups * width as usize + 16);
    let (whole, rest) = values.as_chunks::<8>();
    let last = std::array::from_fn(|i| rest.get(i).copied().unwrap_or_default());
    for group in whole.iter().chain(Some(&last).filter(|_| !rest.is_empty())) {
        // Eight numbers have `width` bytes; four may end within a byte.
        if width <= 16 {
            let half = |four: &[u32]| (0..4).fold(0, |bits, i| bits | u64::from(four[i]) << (i as u32 * width));
            let joined = u128::from(half(&group[..4])) | u128::from(half(&group[4..])) << (4 * width);
            out.extend_from_slice(&joined.to_le_bytes());
            out.truncate(out.len() - 16 + width as usize);
        } else {
            let half = |four: &[u32]| (0..4).fold(0, |bits, i| bits | u128::from(four[i]) << (i as u32 * width));
            let (low, high) = (half(&group[..4]), half(&group[4..]));
            let joined = low | high.checked_shl(4 * width).unwrap_or_default();
            out.extend_from_slice(&joined.to_le_bytes());
            let above = high >> (128 - 4 * width);
            out.extend_from_slice(&above.to_le_bytes()[..width as usize - 16]);
        }
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the description of the format: the numbers 0 to 7 in three bits each.
    #[test]
    fn bits_are_packed_from_the_lowest() {
        let mut out = Vec::new();
        pack(&[0, 1, 2, 3, 4, 5, 6, 7], 3, &mut out);
        assert_eq!(out, [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
    }

    #[test]
    fn every_width_has_its_bits_in_place() {
        for width in 1..=32 {
            let mask = u32::MAX >> (32 - width);
            let values: Vec<u32> = (1..30_u32).map(|i| i.wrapping_mul(0x9e37_79b9) & mask).collect();
            let mut out = Vec::new();
            pack(&values, width, &mut out);
            assert_eq!(out.len(), 1 + 4 * width as usize);
            let bit = |place: usize| u64::from(out[1 + place / 8] >> (place % 8) & 1);
            for i in 0..32 {
                let value = (0..width as usize).fold(0, |value, b| value | bit(i * width as usize + b) << b);
                assert_eq!(value, u64::from(values.get(i).copied().unwrap_or_default()), "width {width}, value {i}");
            }
        }
    }

    #[test]
    fn runs_are_written_where_they_are_shorter() {
        let mut out = Vec::new();
        encode(&[vec![1; 300], vec![513; 20]].concat(), width(514), &mut out);
        assert_eq!(out, [0xd8, 0x04, 1, 0, 40, 1, 2]);
        out.clear();
        encode(&[1, 0, 1, 1, 0, 1], 1, &mut out);
        assert_eq!(out, [3, 0b10_1101]);
        out.clear();
        encode(&[], 1, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn a_width_holds_every_index() {
        assert_eq!([0, 1, 2, 3, 4, 5, 256, 257].map(width), [1, 1, 1, 2, 2, 3, 8, 9]);
    }
}
