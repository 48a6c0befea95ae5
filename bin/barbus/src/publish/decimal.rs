//! Short decimals, eight digits at a time.
//!
//! Digits that make an integer below 2^53, divided by a power of ten up to 10^22: both are doubles exactly, so the one division rounds to
//! the double nearest to the text, which is what std's parser gives. Whatever is longer or written in another way is left to that.

/// Largest integer up to which every integer is a double.
const EXACT: u64 = 1 << 53;
/// Most digits that are looked at, all together: their integer fits into 64 bits.
const DIGITS: usize = 19;
const POWERS: [u64; DIGITS + 1] = {
    let mut powers = [1; DIGITS + 1];
    let mut i = 1;
    while i <= DIGITS {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// The number at the beginning of `bytes`, and how many bytes it has. `None` where it is not a short decimal such as `-12.50`, or where fewer
/// than eight bytes follow any of its parts.
#[inline]
pub(super) fn decimal(bytes: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(*bytes.first()? == b'-');
    let (whole, whole_digits) = digits(&bytes[sign..])?;
    let mut end = sign + whole_digits;
    let (mut mantissa, mut scale) = (whole, 0);
    if *bytes.get(end)? == b'.' {
        (mantissa, scale) = digits(&bytes[end + 1..])?;
        if scale == 0 || whole_digits + scale > DIGITS {
            return None;
        }
        mantissa += whole * POWERS[scale];
        end += 1 + scale;
    }
    if whole_digits == 0 || mantissa > EXACT {
        return None;
    }
    let value = mantissa as f64 / POWERS[scale] as f64;
    Some((if sign == 1 { -value } else { value }, end))
}

/// The digits at the beginning of `bytes` as an integer, and how many they are: fewer than 16.
#[inline]
fn digits(bytes: &[u8]) -> Option<(u64, usize)> {
    let (value, count) = up_to_eight(bytes.first_chunk()?);
    if count < 8 {
        return Some((value, count));
    }
    let (more, count) = up_to_eight(bytes[8..].first_chunk()?);
    (count < 8).then(|| (value * POWERS[count] + more, 8 + count))
}

#[inline]
fn up_to_eight(bytes: &[u8; 8]) -> (u64, usize) {
    // Digits become 0 to 9; the high bit marks what is none. A carry out of a byte only reaches those behind it.
    let values = u64::from_le_bytes(*bytes) ^ 0x3030_3030_3030_3030;
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
    let count = others.trailing_zeros() as usize / 8;
    if count == 0 {
        return (0, 0);
    }
    // Zeros before the digits; then pairs, fours and eights of them, each in the low end of its part.
    let values = values << (64 - 8 * count);
    let pairs = (values * 10 + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    ((fours * 10_000 + (fours >> 32)) & 0xffff_ffff, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<(u64, usize)> {
        decimal(format!("{text},12345678").as_bytes()).map(|(value, end)| (value.to_bits(), end))
    }

    fn by_std(text: &str) -> Option<(u64, usize)> {
        Some((text.parse::<f64>().unwrap().to_bits(), text.len()))
    }

    #[test]
    fn what_is_read_and_what_is_left() {
        for text in [
            "0",
            "-0",
            "7",
            "10",
            "9.27",
            "-0.1",
            "12345678",
            "123456789",
            "638250.2950308",
            "47018200.0",
            "0.1",
            "00.50",
            "0.000001",
            "1234567.12345678",
            "123456789012345",
            "9007199254740.992",
            "0.30000000000000",
        ] {
            assert_eq!(read(text), by_std(text), "{text}");
        }
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "+1",
            "NaN",
            "inf",
            "word",
            "--1",
            "9007199254740993",
            "0.30000000000000004",
            "1234567890123456",
            "12345678901234.123456",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        // What follows is for the caller to look at.
        assert_eq!(read("1e5"), Some((1f64.to_bits(), 1)));
        assert_eq!(read("1.2.3"), Some((1.2f64.to_bits(), 3)));
        assert_eq!(read("12\u{ff11}"), Some((12f64.to_bits(), 2)));
        assert_eq!(decimal(b"1.25"), None);
        assert_eq!(decimal(b""), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn bits_are_those_of_std(text in "-?[0-9]{1,12}(\\.[0-9]{1,8})?") {
            let read = read(&text);
            prop_assert!(read.is_none() || read == by_std(&text));
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            prop_assert!(read.is_some() || digits > 15, "{text} is short");
        }

        #[test]
        fn prices_and_their_like_are_read(mantissa in 0..EXACT, scale in 0..9usize) {
            let text = format!("{:01$}", mantissa, scale + 1);
            let text = if scale == 0 { text } else { format!("{}.{}", &text[..text.len() - scale], &text[text.len() - scale..]) };
            prop_assert!(read(&text).is_none() || read(&text) == by_std(&text));
        }

        #[test]
        fn no_bytes_confuse_it(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some((value, end)) = decimal(&bytes) {
                let text = std::str::from_utf8(&bytes[..end]).unwrap();
                prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits());
            }
        }

        #[test]
        fn every_double_that_is_written_short_comes_back(value in -1e9..1e9f64, decimals in 0..6usize) {
            let text = format!("{value:.decimals$}");
            prop_assert_eq!(read(&text), by_std(&text));
        }
    }
}
