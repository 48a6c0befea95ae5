//! Reads times as the ends of bars.
//!
//! The documentation of [`BarBatch::cast`](crate::BarBatch::cast) defines the meaning of each text.

use jiff::tz::TimeZone;

use super::limits::is_valid_frame;
use super::parse::{Moment, ParsedTime, parse};
use super::wall_clock::WallClock;
use crate::cast::options::CastOptions;
use crate::cast::texts::MAX_TEXT_BYTES;
use crate::fault::{Fault, shortened};
use crate::schema::{BarSchema, FRAME};

/// Reads the times of a producer as the ends of its bars.
///
/// ```
/// use barbus_bars::{BarSchema, CastOptions, FrameReader, Label};
///
/// let schema = BarSchema::in_zone("Asia/Shanghai")?;
/// let options = CastOptions { label: Some(Label::Start), ..CastOptions::default() };
/// let mut reader = FrameReader::new(&schema, &options);
/// assert_eq!(reader.read("2022-03-01 09:30")?, 1_646_098_260_000); // 09:31 in Shanghai, the bar's end
/// assert!(reader.read("2022-02-30 09:30").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FrameReader {
    clock: WallClock,
    shift_ms: i64,
    interval_ms: i64,
    /// Whether a time in the last second of an interval means its end.
    last_second: bool,
    /// The last text and its frame: a feed sends many symbols with the same minute.
    last: (String, i64),
}

impl FrameReader {
    /// A reader for the bars of `schema`. Of `options` it uses the label, the interval and the
    /// zone.
    pub fn new(schema: &BarSchema, options: &CastOptions) -> FrameReader {
        let zone = options.zone.clone();
        let zone = zone.unwrap_or_else(|| TimeZone::get(schema.zone()).unwrap_or(TimeZone::UTC));
        FrameReader {
            clock: WallClock::new(zone),
            shift_ms: options.shift_ms(),
            interval_ms: options.interval_ms,
            last_second: options.last_second,
            last: (String::new(), 0),
        }
    }

    /// The end of the bar, milliseconds since 1970-01-01T00:00:00Z. It may lie off the interval.
    ///
    /// # Errors
    /// [`Fault::MissingValue`] for blank text. [`Fault::Unparseable`] for text that is not a time,
    /// for a time that a change of offset skips, and for one out of range. [`Fault::OffInterval`]
    /// for a time that is not a whole number of milliseconds.
    pub fn read(&mut self, text: &str) -> Result<i64, Fault> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(Fault::Unparseable { column: FRAME.to_owned(), text: shortened(text) });
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(Fault::MissingValue { column: FRAME.to_owned() });
        }
        if self.last.0 == text {
            return Ok(self.last.1);
        }
        let frame = self.resolve(parse(text), || shortened(text))?;
        self.last.0.clear();
        self.last.0.push_str(text);
        self.last.1 = frame;
        Ok(frame)
    }

    /// The end of the bar of a time that was parsed; `text` makes the text that a fault shows.
    pub(crate) fn resolve(&mut self, parsed: Option<ParsedTime>, text: impl FnOnce() -> String) -> Result<i64, Fault> {
        match parsed.and_then(|time| Some((time, self.frame_of(time.moment)?))) {
            None => Err(Fault::Unparseable { column: FRAME.to_owned(), text: text() }),
            Some((_, frame)) if self.last_second => Ok(end_of_last_second(frame, self.interval_ms)),
            Some((time, _)) if time.sub_millisecond => Err(Fault::OffInterval),
            Some((_, frame)) => Ok(frame),
        }
    }

    /// The end of the bar; `None` where a change of offset skips the time, or the end is out of
    /// range.
    fn frame_of(&mut self, moment: Moment) -> Option<i64> {
        let instant = match moment {
            Moment::Instant(ms) => ms,
            Moment::WallClock(ms) => self.clock.utc_ms(ms)?,
        };
        instant.checked_add(self.shift_ms).filter(|frame| is_valid_frame(*frame))
    }
}

/// The end of the interval whose last second holds `ms`; any other time unchanged.
pub fn end_of_last_second(ms: i64, interval_ms: i64) -> i64 {
    let into = ms.rem_euclid(interval_ms);
    if into >= interval_ms - 1000 { ms - into + interval_ms } else { ms }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};

    use super::*;
    use crate::batch::BarBatch;
    use crate::label::Label;

    /// A text gives the same frame or fault alone and in a column.
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
        let options = CastOptions { label: Some(Label::Start), ..CastOptions::default() };
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

    /// The remembered text and offset change no result.
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
            let options = CastOptions { label: Some(Label::Start), ..CastOptions::default() };
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
