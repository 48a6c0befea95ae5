//! Numbers of bars: prices, volumes and optional values.
//!
//! A number is the double nearest to its text. `NaN` and `inf` can be read: the bus rejects such
//! bars.

use barbus_bars::{Fault, MONEY, VOLUME, has_too_many_digits};

use super::cell::Cell;
use super::scale::Scale;
use crate::rows::Rows;
use crate::text::shortened;

/// Most characters of a value shown in a reason.
const MAX_VALUE_CHARS: usize = 80;

/// Every integer up to this one is exact as a 64-bit float.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// An integer with at most this number of digits is exact as a 64-bit float.
const MAX_SHORT_DIGITS: usize = 15;
/// The number of bytes that are read at once.
const WORD: usize = size_of::<u64>();
/// The powers of ten up to [`MAX_SHORT_DIGITS`], which are exact.
const POWERS_OF_TEN: [f64; MAX_SHORT_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// What separates the fraction of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimal {
    /// `1234.5`; a comma separates thousands.
    Point {
        /// Whether a user or a layout says so: then `1,234` is certain.
        stated: bool,
    },
    /// `1234,5`; a point separates thousands.
    Comma,
}

impl Default for Decimal {
    fn default() -> Decimal {
        Decimal::Point { stated: false }
    }
}

impl std::str::FromStr for Decimal {
    type Err = String;

    fn from_str(word: &str) -> Result<Decimal, String> {
        match word {
            "comma" | "," => Ok(Decimal::Comma),
            "point" | "." => Ok(Decimal::Point { stated: true }),
            _ => Err(format!("unknown decimal separator {word:?}: give comma or point")),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        let word = String::deserialize(deserializer)?;
        word.parse().map_err(serde::de::Error::custom)
    }
}

/// What the text of a number shows about the separator of its fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It is a point.
    Point,
    /// It is a comma.
    Comma,
    /// `1,234` has a decimal comma or a separator of thousands.
    Open,
}

impl Sign {
    /// What `text` shows; `None` if it is no number or shows nothing.
    pub(crate) fn of(text: &str) -> Option<Sign> {
        let text = text.trim().trim_start_matches(['-', '+']);
        if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b',' || byte == b'.') {
            // 1e-7 and the like.
            return (text.contains('.') && text.parse::<f64>().is_ok()).then_some(Sign::Point);
        }
        let count = |sign: char| text.matches(sign).count();
        let grouped = |sign: char, fraction_sign: char| {
            let whole = text.split(fraction_sign).next().unwrap_or_default();
            let mut groups = whole.split(sign);
            groups.next().is_some_and(|first| (1..=3).contains(&first.len())) && groups.all(|group| group.len() == 3)
        };
        match (count(','), count('.')) {
            (0, 1) => Some(Sign::Point),
            // A price does not end with its separator of thousands.
            (1, 0) => {
                let (whole, fraction) = text.split_once(',')?;
                let thousands = fraction.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
                Some(if thousands { Sign::Open } else { Sign::Comma })
            }
            (0, 0) => None,
            (0, _) if grouped('.', ',') => Some(Sign::Comma),
            (_, 0) if grouped(',', '.') => Some(Sign::Point),
            (1.., 1) if grouped(',', '.') && text.rfind('.') > text.rfind(',') => Some(Sign::Point),
            (1, 1..) if grouped('.', ',') && text.rfind(',') > text.rfind('.') => Some(Sign::Comma),
            _ => None,
        }
    }
}

/// Whether a text is a number with a decimal comma, or one that may be such a number.
pub(crate) fn has_decimal_comma(text: &str) -> bool {
    text.contains(',') && matches!(Sign::of(text), Some(Sign::Comma | Sign::Open))
}

/// How the numbers of an input are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NumberForm {
    /// A factor for prices.
    pub(crate) scale: Option<Scale>,
    /// What separates the fraction.
    pub(crate) decimal: Decimal,
}

/// The number in a cell; `None` for a blank one.
///
/// # Errors
/// [`Fault::Unparseable`].
pub(crate) fn number(column: &str, cell: &Cell<'_>, form: &NumberForm, rows: &mut Rows) -> Result<Option<f64>, Fault> {
    if let (Cell::Text(bytes), None, Decimal::Point { .. }) = (cell, form.scale, form.decimal)
        && let Some(value) = short_decimal(bytes, bytes.len())
    {
        return Ok(Some(value));
    }
    if cell.is_blank() {
        return Ok(None);
    }
    let value = match cell {
        Cell::Float(value) if form.scale.is_none() => *value,
        Cell::Text(bytes) if form.scale.is_none() => {
            let text = std::str::from_utf8(bytes.trim_ascii()).map_err(|_| unparseable(column, bytes))?;
            if has_too_many_digits(text) {
                rows.note_rounded(column);
            }
            parse(column, text, form.decimal).ok_or_else(|| unparseable(column, bytes))?
        }
        cell => {
            let text = cell.text();
            let text = text.as_deref().unwrap_or_default().trim();
            let parsed = match (form.scale, form.decimal, cell) {
                (Some(scale), Decimal::Comma, Cell::Text(_)) => with_point(column, text).and_then(|t| scale.apply(&t)),
                (Some(scale), ..) => scale.apply(text),
                (None, ..) => parse(column, text, Decimal::default()),
            };
            parsed.ok_or_else(|| unparseable(column, text.as_bytes()))?
        }
    };
    // An integer or a volume that is too large to be exact may have been rounded before.
    if value.abs() > MAX_EXACT && value.is_finite() && (column == VOLUME || matches!(cell, Cell::Integer(_))) {
        rows.note_rounded(column);
    }
    Ok(Some(value))
}

/// The number in the first `length` bytes of a text, at most 15 digits and a point, as most cells
/// are; `None` for any other text, which [`parse`] reads.
///
/// The result is the nearest double: the digits and the power of ten are exact, and a division
/// rounds once (Clinger 1990, "How to read floating point numbers accurately").
#[inline]
pub(crate) fn short_decimal(text: &[u8], length: usize) -> Option<f64> {
    if !(1..=MAX_SHORT_DIGITS + 1).contains(&length) {
        return None;
    }
    let (digits, fraction) = match (text.first_chunk(), length > WORD) {
        (Some(first), false) => {
            let (digits, fraction) = word_of_digits(u64::from_le_bytes(*first), length)?;
            if fraction.is_some() && length == 1 {
                return None;
            }
            (digits, fraction.unwrap_or(0))
        }
        (Some(first), true) => {
            let (first, fraction) = word_of_digits(u64::from_le_bytes(*first), length - WORD)?;
            let (last, last_fraction) = word_of_digits(u64::from_le_bytes(*text[..length].last_chunk()?), WORD)?;
            match (fraction, last_fraction) {
                (None, None) if length <= MAX_SHORT_DIGITS => (first * 100_000_000 + last, 0),
                (None, Some(fraction)) => (first * 10_000_000 + last, fraction),
                (Some(fraction), None) => (first * 100_000_000 + last, fraction + WORD),
                _ => return None,
            }
        }
        (None, _) => digits_one_by_one(&text[..length])?,
    };
    Some(digits as f64 / POWERS_OF_TEN[fraction])
}

/// The digits of a text as a number, and how many of them are behind the point.
fn digits_one_by_one(text: &[u8]) -> Option<(u64, usize)> {
    let (mut digits, mut fraction, mut point) = (0_u64, 0, false);
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                digits = digits * 10 + u64::from(byte - b'0');
                fraction += usize::from(point);
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    // Neither the point alone, nor digits without one that may be too many.
    (1..=MAX_SHORT_DIGITS).contains(&(text.len() - usize::from(point))).then_some((digits, fraction))
}

/// The digits in the first `length` bytes of a word as a number, and how many of them are behind
/// the point, if there is one.
///
/// It has no branch for each byte: where a number ends cannot be predicted, and that takes longer
/// than to read it.
#[inline]
fn word_of_digits(word: u64, length: usize) -> Option<(u64, Option<usize>)> {
    const EACH: u64 = u64::MAX / 0xFF;
    // Zeros before the digits, so that the last one is in the highest byte.
    let bytes = (word ^ (EACH * b'0' as u64)) << (8 * (WORD - length));
    let points = bytes ^ (EACH * (b'.' ^ b'0') as u64);
    // The lowest byte of which the highest bit is set here is the first one that is zero.
    let is_point = points.wrapping_sub(EACH) & !points & (EACH << 7);
    let (digits, fraction) = match is_point {
        0 => (bytes, None),
        _ => {
            let at = is_point.trailing_zeros() & !7;
            let before = (1 << at) - 1;
            let to_point = (0x100_u64 << at).wrapping_sub(1);
            ((bytes & !to_point) | ((bytes & before) << 8), Some(WORD - 1 - (at / 8) as usize))
        }
    };
    let has_others = (digits.wrapping_add(EACH * 0x76) | digits) & (EACH << 7) != 0;
    (!has_others).then(|| (eight_digits(digits), fraction))
}

/// The number of eight digits, a byte each, the first one in the lowest byte.
#[inline]
fn eight_digits(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10 * 0x100 + 1) >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100 * 0x1_0000 + 1) >> 16) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul(10_000 * 0x1_0000_0000 + 1) >> 32
}

/// The number in a text. `1,234.5` and `1,234,567` have separators of thousands; `1,234` may be a
/// decimal, so it is one only in a column of quantities, or where the decimals are stated.
fn parse(column: &str, text: &str, decimal: Decimal) -> Option<f64> {
    match decimal {
        Decimal::Point { stated } => match text.parse() {
            Ok(value) => Some(value),
            Err(_) => without_groups(column, text, ',', '.', stated)?.parse().ok(),
        },
        Decimal::Comma => with_point(column, text)?.parse().ok(),
    }
}

/// A text with a decimal comma, written with a point.
fn with_point(column: &str, text: &str) -> Option<String> {
    match text.contains('.') {
        false => Some(text.replacen(',', ".", 1)),
        true => Some(without_groups(column, text, '.', ',', false)?.replacen(',', ".", 1)),
    }
}

/// A text without its separators of thousands; `None` if it has none for certain.
fn without_groups(column: &str, text: &str, group: char, fraction_sign: char, stated: bool) -> Option<String> {
    let (whole, fraction) = text.split_once(fraction_sign).unwrap_or((text, ""));
    let mut groups = whole.split(group);
    let first = groups.next()?.trim_start_matches('-');
    let rest: Vec<&str> = groups.collect();
    let grouped = !rest.is_empty() && rest.iter().all(|group| group.len() == 3) && !first.starts_with('0');
    let certain = stated || rest.len() > 1 || !fraction.is_empty() || column == VOLUME || column == MONEY;
    (grouped && !first.is_empty() && certain && !fraction.contains(group)).then(|| text.replace(group, ""))
}

/// The fault of a value that cannot be read.
pub(crate) fn unparseable(column: &str, field: &[u8]) -> Fault {
    let text = shortened(&String::from_utf8_lossy(field), MAX_VALUE_CHARS);
    Fault::Unparseable { column: column.to_owned(), text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Promise 9: a price is the double nearest to its text.
        #[test]
        fn short_decimals_are_those_of_the_library(text in "[0-9]{0,16}(\\.[0-9]{0,16})?|[0-9.,eE+-]{0,8}") {
            let alone = short_decimal(text.as_bytes(), text.len());
            if let Some(value) = alone {
                prop_assert_eq!(Ok(value.to_bits()), text.parse().map(f64::to_bits), "{}", text);
            }
            for behind in [",1.5\n0123456789abcdef", "................", "9999999999999999", "\u{ff}\u{80}\0\0\0\0\0\0\0\0\0\0\0\0"] {
                let longer = text.clone() + behind;
                prop_assert_eq!(short_decimal(longer.as_bytes(), text.len()), alone, "{}", longer);
            }
        }
    }

    #[test]
    fn usual_numbers_are_short_decimals() {
        for (text, expected) in [("0", 0.0), ("10.25", 10.25), ("5.", 5.0), (".5", 0.5), ("0.1", 0.1)] {
            assert_eq!(short_decimal(text.as_bytes(), text.len()), Some(expected), "{text}");
        }
        for other in ["", ".", "-1", "1e5", "1,5", " 1", "nan", "1234567890123456", "0.123456789012345678"] {
            assert_eq!(short_decimal(other.as_bytes(), other.len()), None, "{other}");
        }
    }

    /// Promise 9: a decimal comma is never read as a separator of thousands.
    #[test]
    fn separators_of_thousands_are_read_where_they_are_certain() {
        for (column, text, expected) in [
            ("close", "1,234.5", Some(1234.5)),
            ("close", "1,234,567", Some(1_234_567.0)),
            ("close", "1,234", None),
            ("close", "0,379", None),
            ("close", "1,23", None),
            ("close", ",234.5", None),
            ("volume", "12,345", Some(12_345.0)),
            ("volume", "0,379", None),
            ("volume", "1,2345", None),
        ] {
            assert_eq!(parse(column, text, Decimal::default()), expected, "{text} as {column}");
        }
        assert_eq!(parse("close", "1,234", Decimal::Point { stated: true }), Some(1234.0));
    }

    #[test]
    fn decimal_commas_are_read_where_they_are_stated() {
        for (column, text, expected) in [
            ("close", "10,25", Some(10.25)),
            ("close", "-1.234,5", Some(-1234.5)),
            ("close", "1.234.567", Some(1_234_567.0)),
            ("close", "10", Some(10.0)),
            ("close", "10.25", None),
            ("close", "1.234", None),
            ("close", "1,2,3", None),
            ("volume", "12.345", Some(12_345.0)),
            ("close", "1,5e3", Some(1500.0)),
        ] {
            assert_eq!(parse(column, text, Decimal::Comma), expected, "{text} as {column}");
        }
    }

    #[test]
    fn the_separator_shows_in_most_numbers() {
        for (text, sign) in [
            ("10.25", Some(Sign::Point)),
            ("1e-7", None),
            ("1.5e-7", Some(Sign::Point)),
            ("10,25", Some(Sign::Comma)),
            ("0,379", Some(Sign::Comma)),
            ("-1,234", Some(Sign::Open)),
            ("1234,567", Some(Sign::Comma)),
            ("1,234.5", Some(Sign::Point)),
            ("1.234,5", Some(Sign::Comma)),
            ("1,234,567", Some(Sign::Point)),
            ("1.234.567", Some(Sign::Comma)),
            ("17", None),
            ("1.2,3.4", None),
            ("1.2.3", None),
            ("1,2,3", None),
            ("12,34.5", None),
            ("word", None),
        ] {
            assert_eq!(Sign::of(text), sign, "{text}");
        }
    }

    #[test]
    fn a_scale_applies_to_decimal_commas_too() {
        let mut rows = Rows::new(&barbus_bars::BarSchema::in_zone("UTC").unwrap());
        let form = NumberForm { scale: "1e-2".parse().ok(), decimal: Decimal::Comma };
        let mut read = |text: &'static str| number("close", &Cell::Text(text.as_bytes().into()), &form, &mut rows);
        assert_eq!(read("1025,5"), Ok(Some(10.255)));
        assert!(read("1025.5").is_err());
    }
}
