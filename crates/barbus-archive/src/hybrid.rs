//! Parquet's hybrid of run lengths and packed bits: indices into a dictionary, and which values there are.

/// Bits that numbers up to `largest` take.
pub(crate) fn width(largest: usize) -> u32 {
    (usize::BITS - largest.leading_zeros()).max(1)
}

/// Appends `values`, each of at most `width` bits: as runs or as packed bits, whichever is shorter.
pub(crate) fn encode(values: &[u32], width: u32, out: &mut Vec<u8>) {
    if run_bytes(values, width) <= packed_bytes(values.len(), width) {
        values.chunk_by(|a, b| a == b).for_each(|run| repeat(run[0], run.len(), width, out));
    } else {
        pack(values, width, out);
    }
}

/// About how many bytes [`encode`] appends.
pub(crate) fn encoded_bytes(values: &[u32], width: u32) -> usize {
    run_bytes(values, width).min(packed_bytes(values.len(), width))
}

fn run_bytes(values: &[u32], width: u32) -> usize {
    let ends = values.windows(2).filter(|pair| pair[0] != pair[1]).count();
    // Few runs are longer than two bytes of length can say.
    (ends + 1) * (2 + value_bytes(width))
}

fn packed_bytes(count: usize, width: u32) -> usize {
    count.div_ceil(8) * width as usize + 4
}

fn value_bytes(width: u32) -> usize {
    width.div_ceil(8) as usize
}

/// Appends a run of one value.
pub(crate) fn repeat(value: u32, count: usize, width: u32, out: &mut Vec<u8>) {
    varint((count as u64) << 1, out);
    out.extend_from_slice(&value.to_le_bytes()[..value_bytes(width)]);
}

/// All of them as one run of packed bits, filled up with zeros to a multiple of eight values.
fn pack(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let groups = values.len().div_ceil(8);
    varint((groups as u64) << 1 | 1, out);
    let end = out.len() + groups * width as usize;
    out.reserve(groups * width as usize + 16);
    let (whole, rest) = values.as_chunks::<8>();
    let last = std::array::from_fn(|i| rest.get(i).copied().unwrap_or_default());
    for group in whole.iter().chain(Some(&last).filter(|_| !rest.is_empty())) {
        if width <= 16 {
            // As two numbers of 64 bits: none waits for the one before it.
            let four = |four: &[u32]| (0..4).fold(0, |bits, i| bits | u64::from(four[i]) << (i as u32 * width));
            let bits = u128::from(four(&group[..4])) | u128::from(four(&group[4..])) << (4 * width);
            out.extend_from_slice(&bits.to_le_bytes());
            out.truncate(out.len() - 16 + width as usize);
        } else {
            let (mut bits, mut filled) = (0, 0);
            for &value in group {
                bits |= u64::from(value) << filled;
                filled += width;
                if filled >= u32::BITS {
                    out.extend_from_slice(&(bits as u32).to_le_bytes());
                    bits >>= u32::BITS;
                    filled -= u32::BITS;
                }
            }
            out.extend_from_slice(&bits.to_le_bytes()[..filled.div_ceil(8) as usize]);
        }
    }
    debug_assert_eq!(out.len(), end);
}

pub(crate) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Parquet's format: the numbers 0 to 7 in three bits each.
    #[test]
    fn bits_are_packed_from_the_lowest() {
        let mut out = Vec::new();
        pack(&[0, 1, 2, 3, 4, 5, 6, 7], 3, &mut out);
        assert_eq!(out, [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
    }

    /// Bits are put together in another way where many are one after another.
    #[test]
    fn bits_of_every_width_are_where_they_belong() {
        for width in 1..=32 {
            let mask = u32::MAX >> (32 - width);
            let values: Vec<u32> = (1..30_u32).map(|i| i.wrapping_mul(0x9e37_79b9) & mask).collect();
            let mut out = Vec::new();
            pack(&values, width, &mut out);
            assert_eq!(out.len(), 1 + 4 * width as usize);
            let bit = |at: usize| u64::from(out[1 + at / 8] >> (at % 8) & 1);
            for i in 0..32 {
                let value = (0..width as usize).fold(0, |value, b| value | bit(i * width as usize + b) << b);
                assert_eq!(value, u64::from(values.get(i).copied().unwrap_or_default()), "width {width}, value {i}");
            }
        }
    }

    #[test]
    fn runs_are_written_where_they_are_shorter() {
        let mut out = Vec::new();
        encode(&[vec![1; 300], vec![513; 2]].concat(), width(513), &mut out);
        assert_eq!(out, [0xd8, 0x04, 1, 0, 4, 1, 2]);
        out.clear();
        encode(&[1, 0, 1, 1, 0, 1], 1, &mut out);
        assert_eq!(out, [3, 0b10_1101]);
    }
}
