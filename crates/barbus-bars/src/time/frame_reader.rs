//! Times one by one, for readers of text formats, by the same rules as a whole column.
//!
//! What a text means is said in the documentation of [`BarBatch::cast`](crate::BarBatch::cast).

use jiff::tz::TimeZone;

use crate::cast::{CastOptions, shortened};
use crate::fault::Fault;
use crate::cast::frames::{FIRST_FRAME_MS, LAST_FRAME_MS};
use crate::schema::{BarSchema, FRAME};
use crate::time::wall_clock::{self, Moment, WallClock};

/// Reads texts as ends of bars.
///
/// ```
/// use barbus_bars::{BarSchema, CastOptions, FrameReader, Label};
///
/// let schema = BarSchema::in_zone("Asia/Shanghai")?;
/// let options = CastOptions { label: Label::Start, ..CastOptions::default() };
/// let mut reader = FrameReader::new(&schema, &options);
/// assert_eq!(reader.read("2022-03-01 09:30")?, 1_646_098_260_000); // 09:31 in Shanghai, the end of the bar
/// assert!(reader.read("2022-02-30 09:30").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FrameReader {
    clock: WallClock,
    shift_ms: i64,
    /// The last text read and its frame: feeds bring many symbols with the same minute.
    before: (String, i64),
    /// The day of a text before: the next minute is mostly of the same.
    day: Option<Day>,
}

/// `YYYY-MM-DD` and the byte before the time, as a text had them.
#[derive(Debug, Clone, Copy)]
struct Day {
    prefix: [u8; PREFIX],
    /// Its midnight, milliseconds of whatever clock the text is of.
    midnight_ms: i64,
}

const PREFIX: usize = "2024-03-01T".len();

impl Day {
    /// The day of `text`, where it is written with a separator and two digits for each part.
    fn of(text: &str, moment: Moment) -> Option<Day> {
        let prefix = *text.as_bytes().first_chunk::<PREFIX>()?;
        let [_, _, _, _, first, _, _, second, _, _, third] = prefix;
        let (_, _, length) = time_ms(&text.as_bytes()[PREFIX..])?;
        if text.len() != PREFIX + length {
            return None;
        }
        if first != second || !b"-/".contains(&first) || !b"Tt ".contains(&third) {
            return None;
        }
        let ms = match moment {
            Moment::Wall(ms) | Moment::Instant(ms, _) => ms,
        };
        Some(Day { prefix, midnight_ms: ms - ms.rem_euclid(86_400_000) })
    }

    /// What [`wall_clock::parse`] says of a time of this day, which `bytes` begin with, and how many bytes it has.
    #[inline]
    fn moment(&self, bytes: &[u8]) -> Option<(Moment, usize)> {
        let (prefix, time) = bytes.split_first_chunk()?;
        if *prefix != self.prefix {
            return None;
        }
        let (ms, zone, length) = time_ms(time)?;
        let ms = self.midnight_ms + ms;
        Some((if zone { Moment::Instant(ms, false) } else { Moment::Wall(ms) }, PREFIX + length))
    }
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SSZ`: milliseconds since midnight, whether it is UTC, and how many bytes it has.
#[inline]
fn time_ms(text: &[u8]) -> Option<(i64, bool, usize)> {
    let two = |tens: u8, ones: u8, less_than: i64| {
        let number = i64::from(tens.wrapping_sub(b'0')) * 10 + i64::from(ones.wrapping_sub(b'0'));
        (tens.is_ascii_digit() && ones.is_ascii_digit() && number < less_than).then_some(number)
    };
    let [a, b, b':', c, d, rest @ ..] = text else { return None };
    let minutes = two(*a, *b, 24)? * 60 + two(*c, *d, 60)?;
    let (seconds, zone, length) = match rest {
        [b':', e, f, b'Z', ..] => (two(*e, *f, 60)?, true, 9),
        [b':', e, f, ..] => (two(*e, *f, 60)?, false, 8),
        _ => (0, false, 5),
    };
    Some(((minutes * 60 + seconds) * 1000, zone, length))
}

impl FrameReader {
    /// A reader for times of bars of `schema`; of `options` it uses the label, the interval and the zone.
    pub fn new(schema: &BarSchema, options: &CastOptions) -> FrameReader {
        let zone = options.zone.clone();
        let zone = zone.unwrap_or_else(|| TimeZone::get(schema.zone()).unwrap_or(TimeZone::UTC));
        FrameReader {
            clock: WallClock::new(zone),
            shift_ms: options.label.shift_ms(options.interval_ms),
            before: (String::new(), 0),
            day: None,
        }
    }

    /// The end of the bar, milliseconds since 1970-01-01T00:00:00Z. Whether it is on the interval is not checked.
    ///
    /// # Errors
    /// [`Fault::MissingValue`] for blank text, [`Fault::Unparseable`] for text that is no time, or one that never was
    /// or is out of range, [`Fault::OffInterval`] for a time that is not a whole number of milliseconds.
    pub fn read(&mut self, text: &str) -> Result<i64, Fault> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Fault::MissingValue { column: FRAME.to_owned() });
        }
        if self.before.0 == text {
            return Ok(self.before.1);
        }
        if let Some((frame, _)) = self.read_prefix(text.as_bytes()).filter(|(_, length)| *length == text.len()) {
            return Ok(frame);
        }
        let parsed = wall_clock::parse(text);
        let (instant, finer) = match parsed {
            Some((Moment::Instant(ms, fraction), finer)) => (Some(ms), finer | fraction),
            Some((Moment::Wall(ms), finer)) => (self.clock.utc_ms(ms), finer),
            None => (None, false),
        };
        let frame = self
            .finish(instant)
            .ok_or_else(|| Fault::Unparseable { column: FRAME.to_owned(), text: shortened(text) })?;
        if finer {
            return Err(Fault::OffInterval);
        }
        self.day = parsed.and_then(|(moment, _)| Day::of(text, moment)).or(self.day);
        self.before.0.clear();
        self.before.0.push_str(text);
        self.before.1 = frame;
        Ok(frame)
    }

    /// The end of the bar whose time `bytes` begin with, and how many bytes that time has. `None` where it is of another day than a time before,
    /// or written in another way. What follows it is the caller's to look at: it may be more of the time.
    #[inline]
    pub fn read_prefix(&mut self, bytes: &[u8]) -> Option<(i64, usize)> {
        let (moment, length) = self.day.as_ref()?.moment(bytes)?;
        let instant = match moment {
            Moment::Instant(ms, _) => Some(ms),
            Moment::Wall(ms) => self.clock.utc_ms(ms),
        };
        Some((self.finish(instant)?, length))
    }

    /// The end of the bar, where it is one that a bar may have.
    #[inline]
    fn finish(&self, instant: Option<i64>) -> Option<i64> {
        let frame = instant?.checked_add(self.shift_ms)?;
        (FIRST_FRAME_MS..=LAST_FRAME_MS).contains(&frame).then_some(frame)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};

    use super::*;
    use crate::batch::BarBatch;
    use crate::label::Label;

    /// One by one and as a column, the same texts give the same frames and the same refusals.
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
    /// A day that is remembered changes no answer.
    #[test]
    fn agrees_with_a_reader_that_remembers_nothing() {
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
            let mut remembering = fresh();
            for (date, between) in dates.iter().flat_map(|date| between.map(|between| (date, between))) {
                for time in times.iter().flat_map(|time| [time, &"09:32:00Z", &"16:00"]) {
                    let text = format!("{date}{between}{time}");
                    assert_eq!(remembering.read(&text), fresh().read(&text), "{text:?} in {zone}");
                }
            }
        }
    }
}
