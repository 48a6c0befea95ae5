//! Whether dates in a column of their own are those of trading days: a night session then has the
//! date of the next day, and its bars would be stored a day or a weekend too late.
//!
//! The rows of one instrument show it: on one date the clock goes from the evening to the morning.

use std::collections::HashMap;

use crate::values::clock_text::{DAY_MS, TimeDigits, time_of_day};

/// Evenings begin after this time of day, and mornings end before it.
const EVENING_MS: i64 = DAY_MS / 24 * 17;
const MORNING_MS: i64 = DAY_MS / 24 * 15;

/// The last row of an instrument.
#[derive(Debug)]
struct Last {
    ms: i64,
    date: Vec<u8>,
    time: Vec<u8>,
}

/// What the order of rows with a date and a time apart shows.
#[derive(Debug, Default)]
pub(crate) struct TradingDates {
    last: HashMap<String, Last>,
    forward: u64,
    backward: u64,
    /// Steps on one date from an evening to a morning, and from a morning to an evening.
    to_morning: u64,
    to_evening: u64,
    example: String,
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
        let Some(last) = self.last.get_mut(symbol) else {
            self.last.insert(symbol.to_owned(), Last { ms, date: date.to_vec(), time: time.to_vec() });
            return;
        };
        self.forward += u64::from(ms > last.ms);
        self.backward += u64::from(ms < last.ms);
        if last.date == date && (ms - last.ms).abs() > DAY_MS / 12 {
            let of_day = |text: &[u8]| time_of_day(std::str::from_utf8(text).ok()?, digits).map(|(ms, _)| ms);
            let times = of_day(&last.time).zip(of_day(time));
            let to_morning = times.is_some_and(|(a, b)| a >= EVENING_MS && b < MORNING_MS);
            let to_evening = times.is_some_and(|(a, b)| a < MORNING_MS && b >= EVENING_MS);
            self.to_morning += u64::from(to_morning);
            self.to_evening += u64::from(to_evening);
            if (to_morning || to_evening) && self.example.is_empty() {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
                self.example = format!("from {} to {} on {}", text(&last.time), text(time), text(date));
            }
        }
        last.ms = ms;
        date.clone_into(&mut last.date);
        time.clone_into(&mut last.time);
    }

    /// What was found so far.
    pub(crate) fn found(&self) -> NightDates {
        // In a file with the newest row first the clock jumps to the evening instead.
        let steps = if self.forward >= self.backward { self.to_morning } else { self.to_evening };
        NightDates { steps, example: if steps > 0 { self.example.clone() } else { String::new() } }
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
