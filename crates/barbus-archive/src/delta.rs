//! DELTA_BINARY_PACKED: from one number to the next, in as few bits as a block of such steps takes.
//!
//! Frames ascend by a minute nearly everywhere: a block of them takes no bits at all but for what it begins with.

use crate::hybrid::varint;

/// Steps in a block, and in each of its parts: the fewest that the format has, as every other symbol's first frame makes a block wide.
const BLOCK: usize = 128;
const PARTS: usize = 4;

/// Appends `values`.
pub(crate) fn encode(values: &[i64], out: &mut Vec<u8>) {
    varint(BLOCK as u64, out);
    varint(PARTS as u64, out);
    varint(values.len() as u64, out);
    zigzag(values.first().copied().unwrap_or_default(), out);
    for from in (1..values.len()).step_by(BLOCK) {
        let count = BLOCK.min(values.len() - from);
        let mut steps = [0; BLOCK];
        for (step, pair) in steps.iter_mut().zip(values[from - 1..from + count].windows(2)) {
            *step = pair[1].wrapping_sub(pair[0]);
        }
        let least = steps[..count].iter().copied().min().unwrap_or_default();
        zigzag(least, out);
        // What no value stands for takes no bits of its own.
        steps[count..].fill(least);
        let beyond = steps.map(|step| step.wrapping_sub(least) as u64);
        let (parts, _) = beyond.as_chunks::<{ BLOCK / PARTS }>();
        let widths =
            [0, 1, 2, 3].map(|part: usize| u64::BITS - parts[part].iter().fold(0, |a, b| a | b).leading_zeros());
        out.extend(widths.map(|width| width as u8));
        // Parts without a value are left out.
        let used = count.div_ceil(BLOCK / PARTS);
        parts[..used].iter().zip(widths).for_each(|(part, width)| pack(part, width, out));
    }
}

fn pack(values: &[u64], width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let (mut bits, mut filled) = (0_u128, 0);
    for &value in values {
        bits |= u128::from(value) << filled;
        filled += width;
        if filled >= u64::BITS {
            out.extend_from_slice(&(bits as u64).to_le_bytes());
            bits >>= u64::BITS;
            filled -= u64::BITS;
        }
    }
    // 32 values fill whole bytes.
    out.extend_from_slice(&bits.to_le_bytes()[..filled as usize / 8]);
}

fn zigzag(value: i64, out: &mut Vec<u8>) {
    varint((value << 1 ^ value >> 63) as u64, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Parquet's format.
    #[test]
    fn examples_are_as_the_format_has_them() {
        let mut out = Vec::new();
        encode(&[1, 2, 3, 4, 5], &mut out);
        assert_eq!(out, [0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0]);
        out.clear();
        encode(&[7, 5, 3, 1, 2, 3, 4, 5], &mut out);
        assert_eq!(out[..11], [0x80, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0b1100_0000]);
        assert_eq!(out.len(), 10 + 8);
    }
}
