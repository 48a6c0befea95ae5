//! Reads times as the ends of bars.
//!
//! The documentation of [`BarBatch::cast`](crate::BarBatch::cast) says what a text means.

use jiff::tz::TimeZone;

use super::limits::is_valid_frame;
use super::parse::{Moment, ParsedTime, parse};
use super::wall_clock::WallClock;
use crate::cast::options::CastOptions;
use crate::fault::{Fault, shortened};
use crate::schema::{BarSchema, FRAME};

/// Reads the times of a producer as the ends of its bars.
///
/// ```
/// use barbus_bars::{BarSchema, CastOptions, FrameReader, Label};
///
/// let schema = BarSchema::in_zone("Asia/Shanghai")?;
/// let options = CastOptions { label: Label::Start, ..CastOptions::default() };
/// let mut reader = FrameReader::new(&schema, &options);
/// assert_eq!(reader.read("2022-03-01 09:30")?, 1_646_098_260_000); // 09:31 in Shanghai, the bar's end
/// assert!(reader.read("2022-02-30 09:30").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FrameReader {
    clock: WallClock,
    shift_ms: i64,
    /// The last text and its frame: a feed sends many symbols with the same minute.
    last: (String, i64),
    /// The date of an earlier text: the next one mostly has the same.
    date: Option<DatePrefix>,
}

impl FrameReader {
    /// A reader for the bars of `schema`. Of `options` it uses the label, the interval and the
    /// zone.
    pub fn new(schema: &BarSchema, options: &CastOptions) -> FrameReader {
        let zone = options.zone.clone();
        let zone = zone.unwrap_or_else(|| TimeZone::get(schema.zone()).unwrap_or(TimeZone::UTC));
        FrameReader {
            clock: WallClock::new(zone),
            shift_ms: options.label.shift_ms(options.interval_ms),
            last: (String::new(), 0),
            date: None,
        }
    }

    /// The end of the bar, milliseconds since 1970-01-01T00:00:00Z. It may lie off the interval.
    ///
    /// # Errors
    /// [`Fault::MissingValue`] for blank text. [`Fault::Unparseable`] for text that is not a time,
    /// for a time that a change of offset skips, and for one out of range. [`Fault::OffInterval`]
    /// for a time that is not a whole number of milliseconds.
    pub fn read(&mut self, text: &str) -> Result<i64, Fault> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Fault::MissingValue { column: FRAME.to_owned() });
        }
        if self.last.0 == text {
            return Ok(self.last.1);
        }
        if let Some(frame) = self.read_same_date(text.as_bytes()) {
            return Ok(frame);
        }
        let parsed = parse(text);
        let frame = self.resolve(parsed, || shortened(text))?;
        self.date = parsed.and_then(|time| DatePrefix::of(text, time.moment)).or(self.date);
        self.last.0.clear();
        self.last.0.push_str(text);
        self.last.1 = frame;
        Ok(frame)
    }

    /// The end of the bar if `text` has the date of an earlier text, written in the same way.
    #[inline]
    fn read_same_date(&mut self, text: &[u8]) -> Option<i64> {
        let (moment, length) = self.date.as_ref()?.moment(text)?;
        if length == text.len() { self.frame_of(moment) } else { None }
    }

    /// The end of the bar of a time that was parsed; `text` makes the text that a fault shows.
    pub(crate) fn resolve(&mut self, parsed: Option<ParsedTime>, text: impl FnOnce() -> String) -> Result<i64, Fault> {
        match parsed.and_then(|time| Some((time, self.frame_of(time.moment)?))) {
            None => Err(Fault::Unparseable { column: FRAME.to_owned(), text: text() }),
            Some((time, _)) if time.sub_millisecond => Err(Fault::OffInterval),
            Some((_, frame)) => Ok(frame),
        }
    }

    /// The end of the bar; `None` where a change of offset skips the time, or the end is out of
    /// range.
    #[inline]
    fn frame_of(&mut self, moment: Moment) -> Option<i64> {
        let instant = match moment {
            Moment::Instant(ms) => ms,
            Moment::WallClock(ms) => self.clock.utc_ms(ms)?,
        };
        instant.checked_add(self.shift_ms).filter(|frame| is_valid_frame(*frame))
    }
}

/// `YYYY-MM-DD` and the byte before the time, as an earlier text had them.
///
/// While the date stays the same, only hours, minutes and seconds are parsed: most of the rows of a
/// text file.
#[derive(Debug, Clone, Copy)]
struct DatePrefix {
    prefix: [u8; PREFIX_BYTES],
    /// Midnight of the date, milliseconds on the text's own clock.
    midnight_ms: i64,
}

const PREFIX_BYTES: usize = "2024-03-01T".len();

impl DatePrefix {
    /// The date of `text`, if it is written with separators and two digits for each part.
    fn of(text: &str, moment: Moment) -> Option<DatePrefix> {
        let prefix = *text.as_bytes().first_chunk::<PREFIX_BYTES>()?;
        let [_, _, _, _, first, _, _, second, _, _, third] = prefix;
        let (_, _, length) = time_ms(&text.as_bytes()[PREFIX_BYTES..])?;
        if text.len() != PREFIX_BYTES + length {
            return None;
        }
        if first != second || !b"-/".contains(&first) || !b"Tt ".contains(&third) {
            return None;
        }
        let (Moment::WallClock(ms) | Moment::Instant(ms)) = moment;
        Some(DatePrefix { prefix, midnight_ms: ms - ms.rem_euclid(86_400_000) })
    }

    /// The time that `bytes` begin with, as [`parse`] reads it, and its length; `None` for another
    /// date.
    #[inline]
    fn moment(&self, bytes: &[u8]) -> Option<(Moment, usize)> {
        let (prefix, time) = bytes.split_first_chunk()?;
        if *prefix != self.prefix {
            return None;
        }
        let (ms, is_utc, length) = time_ms(time)?;
        let ms = self.midnight_ms + ms;
        let moment = if is_utc { Moment::Instant(ms) } else { Moment::WallClock(ms) };
        Some((moment, PREFIX_BYTES + length))
    }
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SSZ`: milliseconds since midnight, whether it is UTC, and its
/// length in bytes.
#[inline]
fn time_ms(text: &[u8]) -> Option<(i64, bool, usize)> {
    let two = |tens: u8, ones: u8, less_than: i64| {
        let number = i64::from(tens.wrapping_sub(b'0')) * 10 + i64::from(ones.wrapping_sub(b'0'));
        (tens.is_ascii_digit() && ones.is_ascii_digit() && number < less_than).then_some(number)
    };
    let [a, b, b':', c, d, rest @ ..] = text else { return None };
    let minutes = two(*a, *b, 24)? * 60 + two(*c, *d, 60)?;
    let (seconds, is_utc, length) = match rest {
        [b':', e, f, b'Z', ..] => (two(*e, *f, 60)?, true, 9),
        [b':', e, f, ..] => (two(*e, *f, 60)?, false, 8),
        _ => (0, false, 5),
    };
    Some(((minutes * 60 + seconds) * 1000, is_utc, length))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};

    use super::*;
    use crate::batch::BarBatch;
    use crate::label::Label;

    /// A text gives the same frame or fault by itself and in a column.
    #[test]
    fn agrees_with_a_column_of_texts() {
        let texts = [
            "2024-03-10T06:59:00Z",
            "2024-03-10 02:30",
            "2024-11-03 01:30",
            "2024-11-03 01:30",
            " 2024-07-01 09:30:00 ",
            "2024-07-01 09:30:00.0005",
            "20240230",
            "1709285460",
            "word",
            "",
            "2300-01-01 00:00",
        ];
        let schema = BarSchema::in_zone("America/New_York").unwrap();
        let options = CastOptions { label: Label::Start, ..CastOptions::default() };
        let text = |values: Vec<&str>| Arc::new(StringArray::from(values)) as ArrayRef;
        let number = || Arc::new(Float64Array::from(vec![1.0; texts.len()])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("symbol", text(vec!["A"; texts.len()])),
            ("frame", text(texts.to_vec())),
            ("open", number()),
            ("high", number()),
            ("low", number()),
            ("close", number()),
            ("volume", number()),
        ])
        .unwrap();
        let column = BarBatch::cast(&batch, &schema, &options).unwrap();
        let mut reader = FrameReader::new(&schema, &options);
        for (row, text) in texts.into_iter().enumerate() {
            match reader.read(text) {
                Ok(frame) => assert_eq!(frame, column.frames_ms()[row], "{text:?}"),
                Err(fault) => assert_eq!(Some(&fault), column.fault(row), "{text:?}"),
            }
        }
    }

    /// The remembered date and text change no result.
    #[test]
    fn agrees_with_a_fresh_reader() {
        let dates = [
            "2024-03-10",
            "2024/03/10",
            "2024-3-10",
            "2024-03/10",
            "20240310",
            "2024-11-03",
            "2024-02-30",
            "1969-12-31",
            "2200-12-31",
            "1970-01-01",
            "2024-03-1",
        ];
        let between = ["T", " ", "t", "  ", "x", ""];
        let times = [
            "09:31",
            "9:31",
            "09:31:00",
            "23:59:59Z",
            "02:30",
            "01:30:00",
            "24:00",
            "09:60:00",
            "09:31:60Z",
            "09:31:00z",
            "09:31:00+08:00",
            "09:31:00.5",
            "09:31:00.000001",
            "0931",
            "093100",
            "09:3a",
            "09:31:00 ",
            "",
            "09:31Z",
        ];
        for zone in ["America/New_York", "UTC"] {
            let schema = BarSchema::in_zone(zone).unwrap();
            let options = CastOptions { label: Label::Start, ..CastOptions::default() };
            let fresh = || FrameReader::new(&schema, &options);
            let mut reused = fresh();
            for (date, between) in dates.iter().flat_map(|date| between.map(|between| (date, between))) {
                for time in times.iter().flat_map(|time| [time, &"09:32:00Z", &"16:00"]) {
                    let text = format!("{date}{between}{time}");
                    assert_eq!(reused.read(&text), fresh().read(&text), "{text:?} in {zone}");
                }
            }
        }
    }
}
