//! A column of an Arrow batch whose values are read one by one.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimeUnit};
use barbus_bars::{Moment, ParsedTime};

use crate::values::cell::Cell;
use crate::values::clock_text::DAY_MS;

/// A column in a form whose values can be taken one by one.
#[derive(Debug)]
pub(crate) enum ArrowColumn {
    Texts(ArrayRef),
    Truths(BooleanArray),
    Integers(Int64Array),
    Floats(Float64Array),
    Decimals(Decimal128Array, i8),
    Times {
        values: Int64Array,
        unit: TimeUnit,
        zoned: bool,
    },
    Dates(Date32Array),
    Dictionary {
        keys: ArrayRef,
        at: Vec<usize>,
        values: Box<ArrowColumn>,
    },
    /// A type that holds neither numbers nor texts nor times.
    Other,
}

impl ArrowColumn {
    /// The column of an array of any type.
    pub(crate) fn new(array: &ArrayRef) -> ArrowColumn {
        ArrowColumn::known(array).unwrap_or(ArrowColumn::Other)
    }

    fn known(array: &ArrayRef) -> Option<ArrowColumn> {
        use DataType::*;
        let cast = |to: &DataType| arrow::compute::cast(array, to).ok();
        let integers = |array: &ArrayRef| Some(array.as_primitive_opt::<Int64Type>()?.clone());
        Some(match array.data_type() {
            Utf8 | LargeUtf8 | Utf8View => ArrowColumn::Texts(array.clone()),
            Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => {
                ArrowColumn::Integers(integers(&cast(&Int64)?)?)
            }
            Boolean => ArrowColumn::Truths(array.as_boolean_opt()?.clone()),
            Float16 | Float32 | Float64 | Null => {
                ArrowColumn::Floats(cast(&Float64)?.as_primitive_opt::<Float64Type>()?.clone())
            }
            Decimal32(_, scale) | Decimal64(_, scale) | Decimal128(_, scale) | Decimal256(_, scale) => {
                let wide = match array.data_type() {
                    Decimal128(..) => array.clone(),
                    _ => cast(&Decimal128(38, *scale))?,
                };
                ArrowColumn::Decimals(wide.as_primitive_opt::<Decimal128Type>()?.clone(), *scale)
            }
            Timestamp(unit, zone) => {
                let values = integers(&cast(&Int64)?)?;
                ArrowColumn::Times { values, unit: *unit, zoned: zone.is_some() }
            }
            Date64 => {
                ArrowColumn::Times { values: integers(&cast(&Int64)?)?, unit: TimeUnit::Millisecond, zoned: false }
            }
            Date32 => ArrowColumn::Dates(array.as_primitive_opt::<arrow::datatypes::Date32Type>()?.clone()),
            Time32(_) | Time64(_) => ArrowColumn::Texts(cast(&Utf8)?),
            Dictionary(_, _) => {
                let dictionary = array.as_any_dictionary_opt()?;
                let values = ArrowColumn::known(dictionary.values())?;
                let at =
                    if dictionary.values().is_empty() { vec![0; array.len()] } else { dictionary.normalized_keys() };
                ArrowColumn::Dictionary { keys: array.clone(), at, values: Box::new(values) }
            }
            _ => return None,
        })
    }

    /// The value of a row.
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            ArrowColumn::Texts(array) => {
                text(array, row).map_or(Cell::Missing, |text| Cell::Text(Cow::Borrowed(text.as_bytes())))
            }
            ArrowColumn::Truths(array) if array.is_valid(row) => Cell::Truth(array.value(row)),
            ArrowColumn::Integers(array) if array.is_valid(row) => Cell::Integer(array.value(row)),
            ArrowColumn::Floats(array) if array.is_valid(row) => Cell::Float(array.value(row)),
            ArrowColumn::Decimals(array, scale) if array.is_valid(row) => {
                // As text, because a scale is applied to decimals. The precision of the type is
                // ignored: a stream may declare less than its values need.
                let text = format!("{}e{}", array.value(row), -i32::from(*scale));
                Cell::Text(Cow::Owned(text.into_bytes()))
            }
            ArrowColumn::Times { values, unit, zoned } if values.is_valid(row) => {
                time(values.value(row), *unit, *zoned).map_or(Cell::Missing, Cell::Time)
            }
            ArrowColumn::Dates(array) if array.is_valid(row) => {
                Cell::Time(ParsedTime::midnight(i64::from(array.value(row)) * DAY_MS))
            }
            ArrowColumn::Dictionary { keys, at, values } if keys.is_valid(row) => values.cell(at[row]),
            _ => Cell::Missing,
        }
    }

    /// Whether values of this type are part of a bar.
    pub(crate) fn is_readable(&self) -> bool {
        match self {
            ArrowColumn::Other | ArrowColumn::Truths(_) => false,
            ArrowColumn::Dictionary { values, .. } => values.is_readable(),
            _ => true,
        }
    }
}

fn text(array: &ArrayRef, row: usize) -> Option<&str> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(array.as_string_view().value(row)),
        _ => None,
    }
}

fn time(value: i64, unit: TimeUnit, zoned: bool) -> Option<ParsedTime> {
    let per_ms = match unit {
        TimeUnit::Second => return Some(ParsedTime::exact(moment(value.checked_mul(1000)?, zoned))),
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 1000,
        TimeUnit::Nanosecond => 1_000_000,
    };
    let sub_millisecond = value.rem_euclid(per_ms) != 0;
    Some(ParsedTime { sub_millisecond, ..ParsedTime::exact(moment(value.div_euclid(per_ms), zoned)) })
}

fn moment(ms: i64, zoned: bool) -> Moment {
    if zoned { Moment::Instant(ms) } else { Moment::WallClock(ms) }
}
