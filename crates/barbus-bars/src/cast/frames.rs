//! A column of times, of whatever type, as the end of each bar in milliseconds UTC.
//!
//! The documentation of [`BarBatch::cast`](crate::BarBatch::cast) defines the meaning of each
//! value.

use std::ops::RangeInclusive;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};

use super::error::CastError;
use super::options::{CastOptions, DEFAULT_INTERVAL_MS};
use super::texts::texts_of_dictionary;
use crate::fault::{Fault, FaultList};
use crate::schema::{BarSchema, FRAME};
use crate::time::frame_reader::FrameReader;
use crate::time::limits::is_valid_frame;
use crate::time::parse::{Moment, ParsedTime, parse_integer};

/// The frame of a row without a readable time.
const INVALID_FRAME: i64 = i64::MIN;

/// The ends of the bars; [`INVALID_FRAME`] and a fault where a time is missing or unreadable.
pub(crate) fn cast(
    column: &ArrayRef,
    schema: &BarSchema,
    options: &CastOptions,
    faults: &mut FaultList,
) -> Result<ScalarBuffer<i64>, CastError> {
    if let Some(frames) = canonical(column, options) {
        return Ok(frames);
    }
    let unsupported = || CastError::Unsupported { column: FRAME.to_owned(), data_type: column.data_type().clone() };
    let mut frames = Frames { reader: FrameReader::new(schema, options), faults };
    Ok(match column.data_type() {
        DataType::Timestamp(unit, zone) => {
            let moment: fn(i64) -> Moment = if zone.is_none() { Moment::WallClock } else { Moment::Instant };
            match unit {
                TimeUnit::Second => frames.of_timestamps::<TimestampSecondType>(column, |v| {
                    v.checked_mul(1000).map(|ms| ParsedTime::exact(moment(ms)))
                }),
                TimeUnit::Millisecond => {
                    frames.of_timestamps::<TimestampMillisecondType>(column, |v| Some(ParsedTime::exact(moment(v))))
                }
                TimeUnit::Microsecond => {
                    frames.of_timestamps::<TimestampMicrosecondType>(column, |v| Some(cut(v, 1000, moment)))
                }
                TimeUnit::Nanosecond => {
                    frames.of_timestamps::<TimestampNanosecondType>(column, |v| Some(cut(v, 1_000_000, moment)))
                }
            }
        }
        DataType::Date64 => {
            let values = column.as_primitive::<Date64Type>().iter();
            frames.of_values(values, |v| Some(ParsedTime::exact(Moment::WallClock(v))), |v| v.to_string())
        }
        DataType::Date32 => {
            let values = column.as_primitive::<Date32Type>().iter();
            let midnight = |day: i32| Some(ParsedTime::midnight(i64::from(day) * 86_400_000));
            frames.of_values(values, midnight, |v| format!("day {v}"))
        }
        integer if integer.is_integer() => {
            let values = arrow::compute::cast(column, &DataType::Int64).map_err(|_| unsupported())?;
            frames.of_values(values.as_primitive::<Int64Type>().iter(), parse_integer, |v| v.to_string())
        }
        DataType::Null => frames.of_values((0..column.len()).map(|_| None), |_: i64| None, |_| String::new()),
        DataType::Utf8 => frames.of_texts(column.as_string::<i32>().iter()),
        DataType::LargeUtf8 => frames.of_texts(column.as_string::<i64>().iter()),
        DataType::Utf8View => frames.of_texts(column.as_string_view().iter()),
        // A long text may be the value of many rows: it is not copied for each of them.
        DataType::Dictionary(_, value) if value.is_string() => {
            frames.of_texts(texts_of_dictionary(column).ok_or_else(unsupported)?)
        }
        DataType::Dictionary(_, value) if value.primitive_width().is_some() => {
            let plain = arrow::compute::cast(column, value).map_err(|_| unsupported())?;
            return cast(&plain, schema, options, faults).map_err(|_| unsupported());
        }
        _ => return Err(unsupported()),
    })
}

/// Adds a fault for every frame that is not a multiple of the interval.
pub(crate) fn check_interval(frames_ms: &[i64], interval_ms: i64, faults: &mut FaultList) {
    // The compiler turns a division by a constant into a multiplication.
    if interval_ms == DEFAULT_INTERVAL_MS {
        add_off_interval(frames_ms, |frame| frame % DEFAULT_INTERVAL_MS != 0, faults);
    } else {
        add_off_interval(frames_ms, |frame| frame % interval_ms != 0, faults);
    }
}

fn add_off_interval(frames_ms: &[i64], is_off: impl Fn(i64) -> bool, faults: &mut FaultList) {
    for (row, &frame) in frames_ms.iter().enumerate() {
        // `INVALID_FRAME` already has a fault, and the first one counts.
        if is_off(frame) {
            faults.add(row, Fault::OffInterval);
        }
    }
}

/// Adds a fault for every frame outside of `ends_ms`.
pub(crate) fn check_ends(frames_ms: &[i64], ends_ms: &RangeInclusive<i64>, faults: &mut FaultList) {
    let (first, last) = (*ends_ms.start(), *ends_ms.end());
    // Without a branch for each value, so that the loop is vectorised.
    if frames_ms.iter().fold(true, |inside, &frame| inside & (first <= frame) & (frame <= last)) {
        return;
    }
    for (row, &frame) in frames_ms.iter().enumerate().filter(|(_, frame)| **frame != INVALID_FRAME) {
        if frame < first {
            faults.add(row, Fault::Past);
        } else if frame > last {
            faults.add(row, Fault::Future);
        }
    }
}

/// The column's own buffer, if it has a zone, needs no shift, and every value is valid.
fn canonical(column: &ArrayRef, options: &CastOptions) -> Option<ScalarBuffer<i64>> {
    let DataType::Timestamp(TimeUnit::Millisecond, Some(_)) = column.data_type() else { return None };
    let column: &PrimitiveArray<TimestampMillisecondType> = column.as_primitive();
    if column.null_count() > 0 || options.last_second || options.shift_ms() != 0 {
        return None;
    }
    // Without a branch for each value, so that the loop is vectorised.
    let valid = column.values().iter().fold(true, |valid, &frame| valid & is_valid_frame(frame));
    valid.then(|| column.values().clone())
}

/// A value in units of which a millisecond has `per_ms`.
fn cut(value: i64, per_ms: i64, moment: fn(i64) -> Moment) -> ParsedTime {
    let sub_millisecond = value.rem_euclid(per_ms) != 0;
    ParsedTime { sub_millisecond, ..ParsedTime::exact(moment(value.div_euclid(per_ms))) }
}

/// Reads the rows of a column one by one.
struct Frames<'a> {
    reader: FrameReader,
    faults: &'a mut FaultList,
}

impl Frames<'_> {
    fn of_timestamps<T: ArrowPrimitiveType<Native = i64>>(
        &mut self,
        column: &ArrayRef,
        parse: impl Fn(i64) -> Option<ParsedTime>,
    ) -> ScalarBuffer<i64> {
        self.of_values(column.as_primitive::<T>().iter(), parse, |v| v.to_string())
    }

    fn of_texts<'t>(&mut self, rows: impl Iterator<Item = Option<&'t str>>) -> ScalarBuffer<i64> {
        let frames = rows.enumerate().map(|(row, text)| {
            // A null is read as blank text: both are missing.
            let frame = self.reader.read(text.unwrap_or_default());
            self.valid_or_fault(row, frame)
        });
        frames.collect()
    }

    fn of_values<T: Copy>(
        &mut self,
        rows: impl Iterator<Item = Option<T>>,
        parse: impl Fn(T) -> Option<ParsedTime>,
        show: impl Fn(T) -> String,
    ) -> ScalarBuffer<i64> {
        let frames = rows.enumerate().map(|(row, value)| {
            let frame = match value {
                None => Err(Fault::MissingValue { column: FRAME.to_owned() }),
                Some(value) => self.reader.resolve(parse(value), || show(value)),
            };
            self.valid_or_fault(row, frame)
        });
        frames.collect()
    }

    fn valid_or_fault(&mut self, row: usize, frame: Result<i64, Fault>) -> i64 {
        frame.unwrap_or_else(|fault| {
            self.faults.add(row, fault);
            INVALID_FRAME
        })
    }
}
