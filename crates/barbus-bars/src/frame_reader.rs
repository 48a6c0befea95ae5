//! Times one by one, for readers of text formats, by the same rules as a whole column.
//!
//! What a text means is said in the documentation of [`BarBatch::cast`](crate::BarBatch::cast).

use jiff::tz::TimeZone;

use crate::cast::{CastOptions, shortened};
use crate::fault::Fault;
use crate::frames::{FIRST_FRAME_MS, LAST_FRAME_MS};
use crate::schema::{BarSchema, FRAME};
use crate::wall_clock::{self, Moment, WallClock};

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
        let (instant, finer) = match wall_clock::parse(text) {
            Some((Moment::Instant(ms, fraction), finer)) => (Some(ms), finer | fraction),
            Some((Moment::Wall(ms), finer)) => (self.clock.utc_ms(ms), finer),
            None => (None, false),
        };
        let frame = instant
            .and_then(|ms| ms.checked_add(self.shift_ms))
            .filter(|ms| (FIRST_FRAME_MS..=LAST_FRAME_MS).contains(ms))
            .ok_or_else(|| Fault::Unparseable { column: FRAME.to_owned(), text: shortened(text) })?;
        if finer {
            return Err(Fault::OffInterval);
        }
        self.before.0.clear();
        self.before.0.push_str(text);
        self.before.1 = frame;
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};

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
}
