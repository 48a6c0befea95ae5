//! Short decimals, all of their digits at a time.
//!
//! Digits that make an integer below 2^53, divided by a power of ten up to 10^22: both are doubles exactly, so the one division rounds to
//! the double nearest to the text, which is what std's parser gives. Whatever is longer or written in another way is left to that.
//!
//! A number's bytes are loaded by its end, so that its length alone says where its digits are: nothing is looked for byte by byte.

/// Largest integer up to which every integer is a double.
const EXACT: i64 = 1 << 53;
/// By the digits behind the point; the last one of eight and of sixteen where there is no point.
const POWERS: [f64; 9] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e0];
const LONG_POWERS: [f64; 17] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e0];

/// A byte in each place of a word.
const fn each(byte: u8) -> u128 {
    u128::from_le_bytes([byte; 16])
}

/// An integer and a power of ten, both exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Decimal {
    pub(super) mantissa: f64,
    pub(super) power: f64,
}

impl Decimal {
    pub(super) const ZERO: Decimal = Decimal::of(0.0);

    pub(super) const fn of(value: f64) -> Decimal {
        Decimal { mantissa: value, power: 1.0 }
    }
}

/// The number that is the field from `start` to `end`; to divide is left to the caller, who may have many to divide at once. `None` where it is not a short decimal such as `12.50`, or stands at the very beginning
/// of `bytes`.
#[inline(always)]
pub(super) fn decimal(bytes: &[u8], start: usize, end: usize) -> Option<Decimal> {
    match end.checked_sub(start)? {
        length @ 1..=8 => short(u64::from_be_bytes(*bytes.get(..end)?.last_chunk()?), length),
        length @ 9..=16 => long(u128::from_be_bytes(*bytes.get(..end)?.last_chunk()?), length),
        _ => None,
    }
}

/// The number in the last `length` of eight bytes, the last one lowest.
#[inline(always)]
fn short(word: u64, length: usize) -> Option<Decimal> {
    let before = 64 - 8 * length as u32;
    // Digits become 0 to 9, what is before the number zeros.
    let values = (word ^ each(b'0') as u64) << before >> before;
    let point = zeros(values ^ each(b'.' ^ b'0') as u64);
    // All, where there is no point.
    let behind = point.wrapping_sub(1) & !point;
    // What is before the point goes to its place.
    let digits = (values & behind) | ((values >> 8) & !behind);
    if others(digits) != 0 || (length == 1 && point != 0) {
        return None;
    }
    Some(Decimal { mantissa: eight(digits) as f64, power: POWERS[point.trailing_zeros() as usize / 8] })
}

/// The number in the last `length` of sixteen bytes, the last one lowest.
#[inline(always)]
fn long(word: u128, length: usize) -> Option<Decimal> {
    let before = 128 - 8 * length as u32;
    let values = (word ^ each(b'0')) << before >> before;
    let marked = values ^ each(b'.' ^ b'0');
    let point = u128::from(zeros((marked >> 64) as u64)) << 64 | u128::from(zeros(marked as u64));
    let behind = point.wrapping_sub(1) & !point;
    let digits = (values & behind) | ((values >> 8) & !behind);
    let (first, last) = ((digits >> 64) as u64, digits as u64);
    if others(first) | others(last) != 0 {
        return None;
    }
    let mantissa = eight(first) * 100_000_000 + eight(last);
    let power = LONG_POWERS[point.trailing_zeros() as usize / 8];
    (mantissa <= EXACT).then_some(Decimal { mantissa: mantissa as f64, power })
}

/// The lowest bit of each byte that is zero.
#[inline(always)]
fn zeros(word: u64) -> u64 {
    const LOW: u64 = each(0x7f) as u64;
    !(((word & LOW) + LOW) | word | LOW) >> 7
}

/// Not zero where a byte is no digit's value. A carry out of a byte, which is none then, only reaches those above it.
#[inline(always)]
fn others(digits: u64) -> u64 {
    (digits.wrapping_add(each(0x76) as u64) | digits) & each(0x80) as u64
}

/// The integer that eight digits' values are, the last one lowest.
#[inline(always)]
fn eight(digits: u64) -> i64 {
    // Pairs, fours and eights of them, each in the low end of its part.
    let pairs = (digits + (digits >> 8) * 10) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs + (pairs >> 16) * 100) & 0x0000_ffff_0000_ffff;
    ((fours + (fours >> 32) * 10_000) & 0xffff_ffff) as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The field behind some bytes that are no part of it.
    fn read_behind(before: &str, text: &[u8]) -> Option<u64> {
        let bytes = [before.as_bytes(), text, b",1234567"].concat();
        decimal(&bytes, before.len(), before.len() + text.len()).map(|found| (found.mantissa / found.power).to_bits())
    }

    fn read(text: &str) -> Option<u64> {
        read_behind("1.25,77777777777", text.as_bytes())
    }

    fn by_std(text: &str) -> Option<u64> {
        Some(text.parse::<f64>().unwrap().to_bits())
    }

    #[test]
    fn what_is_read_and_what_is_left() {
        for text in [
            "0",
            "7",
            "10",
            "9.27",
            "12345678",
            "123456789",
            "638250.2950308",
            "47018200.0",
            "0.1",
            "00.50",
            "0.000001",
            "1234567.",
            ".1234567",
            ".5",
            "5.",
            "12345678.",
            ".123456789012345",
            "1234567.12345678",
            "123456789012345",
            "9007199254740992",
            "9007199254740.992",
            "0.30000000000000",
        ] {
            assert_eq!(read(text), by_std(text).filter(|_| text.len() <= 16), "{text}");
        }
        for text in [
            "",
            "-",
            ".",
            "..",
            "1.2.3",
            "1..2",
            "12345.678.90",
            "+1",
            "-1",
            "1e5",
            "NaN",
            "inf",
            "word",
            " 1",
            "1 ",
            "1:2",
            "1/2",
            "12\u{ff11}",
            "9007199254740993",
            "0.30000000000000004",
            "12345678901234.123456",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(decimal(b"1.25,", 0, 4), None, "too near to the beginning");
        assert_eq!(decimal(b"1.25", 0, 400), None);
        assert_eq!(decimal(b"1.25", 3, 2), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn bits_are_those_of_std(text in "[0-9]{1,9}(\\.[0-9]{0,7})?", before in "[0-9.,]{16,20}") {
            let read = read_behind(&before, text.as_bytes());
            prop_assert!(read == by_std(&text) || (read.is_none() && text.len() > 16), "{text}");
        }

        #[test]
        fn prices_and_their_like_are_read(mantissa in 0..EXACT, scale in 0..9usize) {
            let text = format!("{:01$}", mantissa, scale + 1);
            let text = if scale == 0 { text } else { format!("{}.{}", &text[..text.len() - scale], &text[text.len() - scale..]) };
            prop_assert!(read(&text).is_none() || read(&text) == by_std(&text));
        }

        #[test]
        fn no_bytes_confuse_it(bytes in proptest::collection::vec(any::<u8>(), 0..18)) {
            if let Some(bits) = read_behind("0000000000000000", &bytes) {
                let text = std::str::from_utf8(&bytes).unwrap();
                prop_assert_eq!(bits, text.parse::<f64>().unwrap().to_bits());
            }
        }

        #[test]
        fn digits_and_points_in_any_order(text in "[0-9./:]{1,16}") {
            let read = read(&text);
            prop_assert!(read == text.parse::<f64>().ok().map(f64::to_bits) || (read.is_none() && text.len() == 16), "{text}");
        }

        #[test]
        fn every_double_that_is_written_short_comes_back(value in 0.0..1e9f64, decimals in 0..6usize) {
            let text = format!("{value:.decimals$}");
            prop_assert_eq!(read(&text), by_std(&text));
        }
    }
}
