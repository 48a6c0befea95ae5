//! Whether dates in a column of their own are those of trading days: a night session then has the
//! date of the next day, and its bars would be stored a day or a weekend too late.
//!
//! The rows of one instrument show it: on one date the clock goes from the evening to the morning.

use std::collections::HashMap;
use std::sync::Arc;

use crate::values::clock_text::{DAY_MS, TimeDigits, time_of_day};

/// Evenings begin after this time of day, and mornings end before it.
const EVENING_MS: i64 = DAY_MS / 24 * 17;
const MORNING_MS: i64 = DAY_MS / 24 * 15;

/// A row of an instrument.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    /// The number of rows before it.
    at: u64,
    ms: i64,
    date: &'a [u8],
    time: &'a [u8],
}

/// A row that is remembered.
#[derive(Debug)]
struct Seen {
    at: u64,
    ms: i64,
    date: Vec<u8>,
    time: Vec<u8>,
}

impl Seen {
    fn of(row: Row<'_>) -> Seen {
        Seen { at: row.at, ms: row.ms, date: row.date.to_vec(), time: row.time.to_vec() }
    }

    fn row(&self) -> Row<'_> {
        Row { at: self.at, ms: self.ms, date: &self.date, time: &self.time }
    }

    fn set(&mut self, row: Row<'_>) {
        (self.at, self.ms) = (row.at, row.ms);
        row.date.clone_into(&mut self.date);
        row.time.clone_into(&mut self.time);
    }
}

/// The rows of an instrument.
#[derive(Debug)]
struct Instrument {
    name: Arc<str>,
    /// The first row, if it is not the last one.
    first: Option<Seen>,
    last: Seen,
}

/// The steps of the clock between rows of one instrument.
#[derive(Debug, Default)]
struct Steps {
    forward: u64,
    backward: u64,
    /// Steps on one date from an evening to a morning, and from a morning to an evening.
    to_morning: u64,
    to_evening: u64,
    /// The first step on one date, and the number of rows before its end.
    example: Option<(u64, String)>,
}

impl Steps {
    fn add(&mut self, last: Row<'_>, row: Row<'_>, digits: TimeDigits) {
        self.forward += u64::from(row.ms > last.ms);
        self.backward += u64::from(row.ms < last.ms);
        if (row.ms - last.ms).abs() <= DAY_MS / 12 || last.date != row.date {
            return;
        }
        let of_day = |text: &[u8]| time_of_day(std::str::from_utf8(text).ok()?, digits).map(|(ms, _)| ms);
        let times = of_day(last.time).zip(of_day(row.time));
        let to_morning = times.is_some_and(|(a, b)| a >= EVENING_MS && b < MORNING_MS);
        let to_evening = times.is_some_and(|(a, b)| a < MORNING_MS && b >= EVENING_MS);
        self.to_morning += u64::from(to_morning);
        self.to_evening += u64::from(to_evening);
        if to_morning || to_evening {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
            self.note(row.at, || format!("from {} to {} on {}", text(last.time), text(row.time), text(row.date)));
        }
    }

    /// Keeps an example if it is the first one.
    fn note(&mut self, at: u64, example: impl FnOnce() -> String) {
        if self.example.as_ref().is_none_or(|(first, _)| at < *first) {
            self.example = Some((at, example()));
        }
    }

    fn append(&mut self, other: Steps, rows_before: u64) {
        self.forward += other.forward;
        self.backward += other.backward;
        self.to_morning += other.to_morning;
        self.to_evening += other.to_evening;
        if let Some((at, example)) = other.example {
            self.note(rows_before + at, || example);
        }
    }
}

/// The instruments of the rows.
#[derive(Debug, Default)]
struct Instruments {
    all: Vec<Instrument>,
    /// Where each one is in `all`.
    indexes: HashMap<Arc<str>, usize>,
    /// The one that was found last: files are mostly grouped by symbol.
    current: usize,
}

impl Instruments {
    fn find(&mut self, symbol: &str) -> Option<&mut Instrument> {
        if self.all.get(self.current).is_none_or(|current| *current.name != *symbol) {
            self.current = *self.indexes.get(symbol)?;
        }
        self.all.get_mut(self.current)
    }

    fn insert(&mut self, instrument: Instrument) {
        self.indexes.insert(instrument.name.clone(), self.all.len());
        self.all.push(instrument);
    }
}

/// What the order of rows with a date and a time apart shows.
#[derive(Debug, Default)]
pub(crate) struct TradingDates {
    instruments: Instruments,
    rows: u64,
    steps: Steps,
}

/// Dates of trading days in inputs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NightDates {
    /// How often the clock goes back within a date.
    pub steps: u64,
    /// One such step, for a message.
    pub example: String,
}

impl TradingDates {
    /// Adds a row.
    pub(crate) fn add(&mut self, symbol: &str, ms: i64, date: &[u8], time: &[u8], digits: TimeDigits) {
        let row = Row { at: self.rows, ms, date, time };
        self.rows += 1;
        let Some(instrument) = self.instruments.find(symbol) else {
            let instrument = Instrument { name: symbol.into(), first: None, last: Seen::of(row) };
            return self.instruments.insert(instrument);
        };
        self.steps.add(instrument.last.row(), row, digits);
        match instrument.first {
            Some(_) => instrument.last.set(row),
            None => instrument.first = Some(std::mem::replace(&mut instrument.last, Seen::of(row))),
        }
    }

    /// Adds the rows of the next part of the input.
    pub(crate) fn append(&mut self, part: TradingDates, digits: TimeDigits) {
        let before = self.rows;
        self.rows += part.rows;
        for other in part.instruments.all {
            match self.instruments.find(&other.name) {
                None => self.instruments.insert(other),
                Some(instrument) => {
                    let first = other.first.as_ref().unwrap_or(&other.last).row();
                    self.steps.add(instrument.last.row(), Row { at: before + first.at, ..first }, digits);
                    instrument.last = other.last;
                }
            }
        }
        self.steps.append(part.steps, before);
    }

    /// What was found so far.
    pub(crate) fn found(&self) -> NightDates {
        // In a file with the newest row first the clock jumps to the evening instead.
        let Steps { forward, backward, to_morning, to_evening, example } = &self.steps;
        let steps = if forward >= backward { *to_morning } else { *to_evening };
        let example = example.as_ref().filter(|_| steps > 0).map(|(_, text)| text.clone());
        NightDates { steps, example: example.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[(&str, &str)]) -> u64 {
        let mut dates = TradingDates::default();
        for (date, time) in rows {
            let day = crate::values::clock_text::date_ms(date, crate::values::clock_text::DateOrder::YearMonthDay);
            let (of_day, _) = time_of_day(time, TimeDigits::HoursMinutes).unwrap();
            dates.add("A", day.unwrap() + of_day, date.as_bytes(), time.as_bytes(), TimeDigits::HoursMinutes);
        }
        dates.found().steps
    }

    /// Promise 9: a Friday night is not stored on Monday night.
    #[test]
    fn dates_of_trading_days_are_told_from_those_of_the_clock() {
        let trading = [("20240305", "21:01"), ("20240305", "21:02"), ("20240305", "09:01"), ("20240305", "09:02")];
        assert_eq!(found(&trading), 1);
        let newest_first: Vec<_> = trading.iter().rev().copied().collect();
        assert_eq!(found(&newest_first), 1);
        let clock = [("20240304", "21:01"), ("20240304", "21:02"), ("20240305", "09:01"), ("20240305", "21:01")];
        assert_eq!(found(&clock), 0);
        let newest_first: Vec<_> = clock.iter().rev().copied().collect();
        assert_eq!(found(&newest_first), 0);
    }
}
