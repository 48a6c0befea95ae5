//! A column of times, of whatever type, as the end of each bar in milliseconds UTC.
//!
//! The rules for what a value means are in the documentation of `cast`; here is how they are carried out.

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, PrimitiveArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, Date32Type, Date64Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow::datatypes::{DataType, TimeUnit};
use jiff::tz::TimeZone;

use crate::cast::{CastError, CastOptions, DEFAULT_INTERVAL_MS, FaultList, shortened};
use crate::fault::Fault;
use crate::schema::FRAME;
use crate::time::wall_clock::{self, Moment, WallClock};

/// Stands where a time could not be read.
pub(crate) const BAD_FRAME: i64 = i64::MIN;
/// First instant a bar may end, milliseconds: 1970-01-01T00:00:00Z.
pub(crate) const FIRST_FRAME_MS: i64 = 0;
/// Last instant a bar may end, milliseconds: 2200-12-31T00:00:00Z.
pub(crate) const LAST_FRAME_MS: i64 = 7_289_568_000_000;

/// Every instant a bar may end, milliseconds.
pub(crate) const IN_RANGE_MS: std::ops::RangeInclusive<i64> = FIRST_FRAME_MS..=LAST_FRAME_MS;

/// What one value of the column says.
enum Reading {
    /// An instant, milliseconds UTC, and whether something finer than a millisecond was left.
    Instant(i64, bool),
    /// A wall clock, milliseconds as if it were UTC, and the same.
    Wall(i64, bool),
    /// Not a time.
    Unreadable,
}

/// The ends of the bars; [`BAD_FRAME`] with a fault where there is none.
pub(crate) fn cast(
    column: &ArrayRef,
    zone: TimeZone,
    options: &CastOptions,
    faults: &mut FaultList,
) -> Result<ScalarBuffer<i64>, CastError> {
    let unsupported = || CastError::Unsupported { column: FRAME.to_owned(), data_type: column.data_type().clone() };
    let mut frames =
        Frames { clock: WallClock::new(zone), shift_ms: options.label.shift_ms(options.interval_ms), faults };
    Ok(match column.data_type() {
        DataType::Timestamp(unit, zone) => {
            let naive = zone.is_none();
            match unit {
                TimeUnit::Second => {
                    frames.timestamps::<TimestampSecondType>(column, naive, |v| (v.checked_mul(1000), false))
                }
                TimeUnit::Millisecond => {
                    let whole = column.as_primitive::<TimestampMillisecondType>();
                    if !naive && let Some(taken) = frames.canonical(whole) {
                        return Ok(taken);
                    }
                    frames.timestamps::<TimestampMillisecondType>(column, naive, |v| (Some(v), false))
                }
                TimeUnit::Microsecond => frames.timestamps::<TimestampMicrosecondType>(column, naive, |v| {
                    (Some(v.div_euclid(1000)), v.rem_euclid(1000) != 0)
                }),
                TimeUnit::Nanosecond => frames.timestamps::<TimestampNanosecondType>(column, naive, |v| {
                    (Some(v.div_euclid(1_000_000)), v.rem_euclid(1_000_000) != 0)
                }),
            }
        }
        DataType::Date64 => {
            let values = column.as_primitive::<Date64Type>();
            frames.all(values.iter(), |v| Reading::Wall(v, false), |v| v.to_string())
        }
        DataType::Date32 => {
            let values = column.as_primitive::<Date32Type>();
            let midnight = |days: i32| Reading::Wall(i64::from(days) * 86_400_000, false);
            frames.all(values.iter(), midnight, |v| format!("day {v}"))
        }
        integer if integer.is_integer() => {
            let values = arrow::compute::cast(column, &DataType::Int64).map_err(|_| unsupported())?;
            let values = values.as_primitive::<Int64Type>();
            frames.all(values.iter(), of_integer, |v| v.to_string())
        }
        DataType::Null => frames.all((0..column.len()).map(|_| None), |_: i64| Reading::Unreadable, |_| String::new()),
        DataType::Utf8 => frames.texts(column.as_string::<i32>().iter()),
        DataType::LargeUtf8 => frames.texts(column.as_string::<i64>().iter()),
        DataType::Utf8View => frames.texts(column.as_string_view().iter()),
        DataType::Dictionary(_, value) => {
            let plain = arrow::compute::cast(column, value).map_err(|_| unsupported())?;
            let zone = frames.clock.into_zone();
            return cast(&plain, zone, options, faults).map_err(|_| unsupported());
        }
        _ => return Err(unsupported()),
    })
}

/// Adds a fault for every time that is not a multiple of the interval.
pub(crate) fn check_interval(frames_ms: &[i64], interval_ms: i64, faults: &mut FaultList) {
    // A constant divisor becomes a multiplication.
    if interval_ms == DEFAULT_INTERVAL_MS {
        add_off_interval(frames_ms, |frame| frame % DEFAULT_INTERVAL_MS != 0, faults);
    } else {
        add_off_interval(frames_ms, |frame| frame % interval_ms != 0, faults);
    }
}

fn add_off_interval(frames_ms: &[i64], is_off: impl Fn(i64) -> bool, faults: &mut FaultList) {
    for (row, &frame) in frames_ms.iter().enumerate() {
        // A time that could not be read has its fault already, and the first one counts.
        if is_off(frame) {
            faults.add(row, Fault::OffInterval);
        }
    }
}

fn of_integer(value: i64) -> Reading {
    match wall_clock::of_digits(value) {
        Some(Moment::Wall(ms)) => Reading::Wall(ms, false),
        Some(Moment::Instant(ms, finer)) => Reading::Instant(ms, finer),
        None => Reading::Unreadable,
    }
}

fn of_text(text: &str) -> Reading {
    match wall_clock::parse(text) {
        Some((Moment::Wall(ms), finer)) => Reading::Wall(ms, finer),
        Some((Moment::Instant(ms, fraction), finer)) => Reading::Instant(ms, finer | fraction),
        None => Reading::Unreadable,
    }
}

struct Frames<'a> {
    clock: WallClock,
    shift_ms: i64,
    faults: &'a mut FaultList,
}

impl Frames<'_> {
    /// The column as it is, when every value is there, in range, and needs no shift.
    fn canonical(&self, column: &PrimitiveArray<TimestampMillisecondType>) -> Option<ScalarBuffer<i64>> {
        let values = column.values();
        let mut good = self.shift_ms == 0 && column.null_count() == 0;
        for &value in values.iter() {
            good &= (FIRST_FRAME_MS..=LAST_FRAME_MS).contains(&value);
        }
        good.then(|| values.clone())
    }

    fn timestamps<T: ArrowPrimitiveType<Native = i64>>(
        &mut self,
        column: &ArrayRef,
        naive: bool,
        to_ms: impl Fn(i64) -> (Option<i64>, bool),
    ) -> ScalarBuffer<i64> {
        let read = |value: i64| match to_ms(value) {
            (None, _) => Reading::Unreadable,
            (Some(ms), finer) if naive => Reading::Wall(ms, finer),
            (Some(ms), finer) => Reading::Instant(ms, finer),
        };
        let values = column.as_primitive::<T>();
        self.all(values.iter(), read, |v| v.to_string())
    }

    fn texts<'t>(&mut self, rows: impl Iterator<Item = Option<&'t str>>) -> ScalarBuffer<i64> {
        // Feeds bring many symbols with the same minute: reading it once is enough.
        let mut before: Option<(&str, i64)> = None;
        let frames = rows.enumerate().map(|(row, text)| {
            let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
                return self.missing(row);
            };
            if let Some((_, frame)) = before.filter(|(same, _)| *same == text) {
                return frame;
            }
            let frame = self.finish(row, of_text(text), || shortened(text));
            if frame != BAD_FRAME {
                before = Some((text, frame));
            }
            frame
        });
        frames.collect()
    }

    fn all<T: Copy>(
        &mut self,
        rows: impl Iterator<Item = Option<T>>,
        read: impl Fn(T) -> Reading,
        show: impl Fn(T) -> String,
    ) -> ScalarBuffer<i64> {
        let frames = rows.enumerate().map(|(row, value)| match value {
            None => self.missing(row),
            Some(value) => self.finish(row, read(value), || show(value)),
        });
        frames.collect()
    }

    fn missing(&mut self, row: usize) -> i64 {
        self.faults.add(row, Fault::MissingValue { column: FRAME.to_owned() });
        BAD_FRAME
    }

    fn finish(&mut self, row: usize, reading: Reading, show: impl Fn() -> String) -> i64 {
        let (instant, finer) = match reading {
            Reading::Instant(ms, finer) => (Some(ms), finer),
            Reading::Wall(ms, finer) => (self.clock.utc_ms(ms), finer),
            Reading::Unreadable => (None, false),
        };
        let frame = instant
            .and_then(|ms| ms.checked_add(self.shift_ms))
            .filter(|ms| (FIRST_FRAME_MS..=LAST_FRAME_MS).contains(ms));
        let Some(frame) = frame else {
            self.faults.add(row, Fault::Unparseable { column: FRAME.to_owned(), text: show() });
            return BAD_FRAME;
        };
        if finer {
            self.faults.add(row, Fault::OffInterval);
            return BAD_FRAME;
        }
        frame
    }
}
