//! A column of numbers, of whatever type, as Float64.
//!
//! A decimal or a text becomes the nearest double, rounded once. An integer above 2^53 is rounded
//! too.
//! A Float32 keeps its own value: 9.27 as Float32 is 9.270000457763672.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, DecimalType, Float64Type};

use super::error::CastError;
use super::texts::{MAX_TEXT_BYTES, texts_of_dictionary};
use crate::fault::{Fault, FaultList, shortened};

/// Every integer up to this one is exact as a double.
const MAX_EXACT: u128 = 1 << 53;
/// 10 to this power is the largest power of ten that is exact as a double.
const MAX_EXACT_POWER: u8 = 22;

/// Most significant digits of a decimal that are kept.
const MAX_DIGITS: usize = 17;
/// The smallest number with more digits.
const TOO_MANY_DIGITS: u128 = 10_u128.pow(MAX_DIGITS as u32);

/// Whether a number's text has more significant digits than a double keeps.
///
/// ```
/// assert!(!barbus_bars::has_too_many_digits("-0012345678901234567.00e5"));
/// assert!(barbus_bars::has_too_many_digits("0.123456789012345678"));
/// ```
pub fn has_too_many_digits(text: &str) -> bool {
    if text.len() <= MAX_DIGITS {
        return false;
    }
    let number = text.split(['e', 'E']).next().unwrap_or(text);
    let digits = || number.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0');
    let zeros_at_end = digits().fold(0, |zeros, digit| if digit == b'0' { zeros + 1 } else { 0 });
    digits().count() - zeros_at_end > MAX_DIGITS
}

/// Notes a volume that is too large to be exact: it may have been rounded before it was sent.
pub(crate) fn check_exact(name: &str, values: &[f64], faults: &mut FaultList) {
    let mut exact = true;
    for value in values {
        exact &= (value.abs() <= MAX_EXACT as f64) | value.is_nan();
    }
    if !exact {
        faults.note_rounded(name);
    }
}

/// The column as Float64. A null and blank text give a null; an unreadable value gives a null and a
/// fault.
pub(crate) fn cast(name: &str, column: &ArrayRef, faults: &mut FaultList) -> Result<Float64Array, CastError> {
    use DataType::*;
    let unsupported = || CastError::Unsupported { column: name.to_owned(), data_type: column.data_type().clone() };
    let by_arrow = |to: &DataType| arrow::compute::cast(column, to).map_err(|_| unsupported());
    match column.data_type() {
        Float64 => Ok(column.as_primitive::<Float64Type>().clone()),
        Float16 | Float32 | Null | Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32 => {
            Ok(by_arrow(&Float64)?.as_primitive::<Float64Type>().clone())
        }
        Int64 | UInt64 => {
            let values = by_arrow(&Float64)?.as_primitive::<Float64Type>().clone();
            check_exact(name, values.values(), faults);
            Ok(values)
        }
        Decimal32(_, scale) | Decimal64(_, scale) => {
            let wide = by_arrow(&Decimal128(Decimal128Type::MAX_PRECISION, *scale))?;
            decimals(name, &wide, *scale, faults).ok_or_else(unsupported)
        }
        Decimal128(_, scale) => decimals(name, column, *scale, faults).ok_or_else(unsupported),
        Decimal256(_, scale) => {
            let decimals = column.as_primitive::<Decimal256Type>();
            Ok(decimals.iter().map(|unscaled| decimal(unscaled?, *scale)).collect())
        }
        Utf8 => Ok(parse_texts(name, column.as_string::<i32>().iter(), faults)),
        LargeUtf8 => Ok(parse_texts(name, column.as_string::<i64>().iter(), faults)),
        Utf8View => Ok(parse_texts(name, column.as_string_view().iter(), faults)),
        // A long text may be the value of many rows: it is not copied for each of them.
        Dictionary(_, value) if value.is_string() => {
            let rows = texts_of_dictionary(column).ok_or_else(unsupported)?;
            Ok(parse_texts(name, rows, faults))
        }
        Dictionary(_, value) if value.primitive_width().is_some() => cast(name, &by_arrow(value)?, faults),
        _ => Err(unsupported()),
    }
}

fn decimals(name: &str, column: &ArrayRef, scale: i8, faults: &mut FaultList) -> Option<Float64Array> {
    let decimals = column.as_primitive_opt::<Decimal128Type>()?;
    if decimals.values().iter().any(|unscaled| unscaled.unsigned_abs() >= TOO_MANY_DIGITS) {
        faults.note_rounded(name);
    }
    let exact_power = u8::try_from(scale).ok().filter(|scale| *scale <= MAX_EXACT_POWER);
    let divisor = exact_power.map(|scale| 10f64.powi(i32::from(scale)));
    let values = (0..decimals.len()).map(|row| {
        if decimals.is_null(row) {
            return None;
        }
        let unscaled = decimals.value(row);
        match divisor {
            // Both operands are exact, so the division rounds once.
            Some(divisor) if unscaled.unsigned_abs() <= MAX_EXACT => Some(unscaled as f64 / divisor),
            _ => decimal(unscaled, scale),
        }
    });
    Some(values.collect())
}

/// The double nearest to `unscaled` / 10^`scale`.
///
/// The precision of the type is ignored: a stream may declare less than its values need, and then
/// Arrow's own formatting cuts digits or panics.
fn decimal(unscaled: impl std::fmt::Display, scale: i8) -> Option<f64> {
    format!("{unscaled}e{}", -i32::from(scale)).parse().ok()
}

fn parse_texts<'a>(name: &str, rows: impl Iterator<Item = Option<&'a str>>, faults: &mut FaultList) -> Float64Array {
    let values = rows.enumerate().map(|(row, text)| {
        let text = text?;
        let text = if text.len() <= MAX_TEXT_BYTES { text.trim() } else { text };
        if text.is_empty() {
            return None;
        }
        let value = if text.len() <= MAX_TEXT_BYTES { text.parse().ok() } else { None };
        match value {
            None => faults.add(row, Fault::Unparseable { column: name.to_owned(), text: shortened(text) }),
            Some(_) if has_too_many_digits(text) => faults.note_rounded(name),
            Some(_) => {}
        }
        value
    });
    values.collect()
}

/// The values of a required column: NaN and a fault for every null.
pub(crate) fn fill_nulls(name: &str, column: Float64Array, faults: &mut FaultList) -> ScalarBuffer<f64> {
    let (_, values, nulls) = column.into_parts();
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => values,
        Some(nulls) => filled(name, &values, &nulls, faults),
    }
}

fn filled(name: &str, values: &[f64], nulls: &NullBuffer, faults: &mut FaultList) -> ScalarBuffer<f64> {
    let filled = values.iter().enumerate().map(|(row, value)| {
        if nulls.is_valid(row) {
            return *value;
        }
        faults.add(row, Fault::MissingValue { column: name.to_owned() });
        f64::NAN
    });
    filled.collect()
}

/// Adds a fault for every value of an optional column that is neither null nor finite.
pub(crate) fn check_optional(name: &str, column: &Float64Array, faults: &mut FaultList) {
    let values = column.values();
    let mut finite = true;
    for value in values.iter() {
        finite &= value.abs() < f64::INFINITY;
    }
    if finite {
        return;
    }
    for (row, value) in values.iter().enumerate() {
        if !value.is_finite() && column.is_valid(row) {
            faults.add(row, Fault::NotFinite { column: name.to_owned() });
        }
    }
}
