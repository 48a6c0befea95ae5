//! Which trading day a bar belongs to.
//!
//! A day ends where the next begins, at the calendar's day start: midnight for a stock exchange, the evening before for
//! a market with a night session. A bar belongs to a day by its **end**, and one ending exactly at the boundary
//! belongs to the day that ended.
//!
//! Every instant belongs to some day. Where days begin in the evening, whatever comes after the evening of a trading day
//! belongs to the next *trading* day: Friday night to Monday, the eve of a holiday to the day after it, a stray bar on
//! a Saturday to Monday. Elsewhere a stray bar on a weekend or holiday belongs to its own date, so that nothing is misfiled.
//!
//! Holidays are tables, so they end somewhere: past [`Calendar::horizon`] only weekends are known.

mod presets;
mod spec;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

pub use presets::PRESETS;
pub use spec::{CalendarError, CalendarSpec};

use crate::Date;
use crate::cast::frames::{FIRST_FRAME_MS, LAST_FRAME_MS};

const DAY_MINUTES: i32 = 24 * 60;

/// One trading day as a stretch of time. All times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TradingDay {
    /// The date the day is known by.
    pub date: Date,
    /// The day's bars end after this instant ...
    pub after_ms: i64,
    /// ... and not later than this one.
    pub until_ms: i64,
    /// End of the last session, earlier on a half-day; [`TradingDay::until_ms`] on a date without trading.
    pub close_ms: i64,
}

impl TradingDay {
    /// Whether a bar that ends at `frame_end_ms` belongs to this day.
    pub fn contains(&self, frame_end_ms: i64) -> bool {
        self.after_ms < frame_end_ms && frame_end_ms <= self.until_ms
    }
}

/// A market's trading days.
///
/// ```
/// use barbus_bars::{Calendar, Date};
///
/// let futures = Calendar::preset("CN-FUTURES")?;
/// // Friday 2024-03-01, 21:01 in Shanghai: the night session of Monday.
/// let day = futures.trading_day(1_709_298_060_000);
/// assert_eq!(day.date, Date::constant(2024, 3, 4));
/// # Ok::<(), barbus_bars::CalendarError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Calendar {
    name: String,
    zone_name: String,
    zone: TimeZone,
    /// When a date begins, minutes from its own midnight, -720 to 719: below zero is the evening before.
    starts: i32,
    /// End of the last session, minutes from the date's midnight.
    closes: i32,
    weekend: Vec<Weekday>,
    holidays: BTreeSet<Date>,
    /// Dates with an earlier close, minutes from the date's midnight.
    half_days: BTreeMap<Date, i32>,
    horizon: Option<Date>,
}

impl Calendar {
    /// One of the [`PRESETS`] by name, in any case.
    ///
    /// # Errors
    /// [`CalendarError::UnknownPreset`] lists what there is.
    pub fn preset(name: &str) -> Result<Calendar, CalendarError> {
        Calendar::from_spec(CalendarSpec { preset: Some(name.to_owned()), ..CalendarSpec::default() })
    }

    /// The calendar's name: the preset's, or the one its settings give it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The market's time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// IANA name of the market's time zone.
    pub fn zone_name(&self) -> &str {
        &self.zone_name
    }

    /// Whether the market trades on `date`, as far as the holiday table knows.
    pub fn is_trading_day(&self, date: Date) -> bool {
        !self.weekend.contains(&date.weekday()) && !self.holidays.contains(&date)
    }

    /// Last date the holiday table covers; `None` for a market that has no holidays.
    pub fn horizon(&self) -> Option<Date> {
        self.horizon
    }

    /// The day of a bar that ends at `frame_end_ms` (milliseconds UTC). An instant before 1970 or after 2200 counts as the
    /// nearest one within.
    pub fn trading_day(&self, frame_end_ms: i64) -> TradingDay {
        let frame_end_ms = frame_end_ms.clamp(FIRST_FRAME_MS, LAST_FRAME_MS);
        let mut date = match Timestamp::from_millisecond(frame_end_ms) {
            Ok(instant) => self.zone.to_datetime(instant).date(),
            Err(_) => Date::constant(1970, 1, 1),
        };
        while frame_end_ms <= self.start_ms(date) {
            date = before(date);
        }
        while frame_end_ms > self.start_ms(after(date)) {
            date = after(date);
        }

        let mut first = date;
        if self.starts < 0 {
            // Both searches end: a week has a trading day, and the holiday table is finite.
            while !self.is_trading_day(date) {
                date = after(date);
            }
            while !self.is_trading_day(before(first)) {
                first = before(first);
            }
        }
        let until_ms = self.start_ms(after(date));
        TradingDay {
            date,
            after_ms: self.start_ms(first),
            until_ms,
            close_ms: self.close_ms(date).map_or(until_ms, |ms| ms.min(until_ms)),
        }
    }

    /// When the last session of a trading day ends.
    fn close_ms(&self, date: Date) -> Option<i64> {
        if !self.is_trading_day(date) {
            return None;
        }
        let early = self.half_days.get(&date).copied();
        let closes = early.map_or(self.closes, |early| early.min(self.closes));
        Some(self.instant_ms(date, closes))
    }

    fn start_ms(&self, date: Date) -> i64 {
        self.instant_ms(date, self.starts)
    }

    /// The instant a wall clock shows a time, given in minutes from the midnight of `date`.
    fn instant_ms(&self, date: Date, minutes: i32) -> i64 {
        let days = minutes.div_euclid(DAY_MINUTES);
        let minute = minutes.rem_euclid(DAY_MINUTES);
        let date = date.saturating_add(days.days());
        // Both are below 60 and 24, whatever the date.
        let clock: DateTime = date.at((minute / 60) as i8, (minute % 60) as i8, 0, 0);
        // A time that a DST change skips is the one as much later; one that occurs twice is the first.
        let instant = self.zone.to_ambiguous_timestamp(clock).compatible();
        instant.unwrap_or(Timestamp::MAX).as_millisecond()
    }
}

fn before(date: Date) -> Date {
    date.saturating_sub(1.day())
}

fn after(date: Date) -> Date {
    date.saturating_add(1.day())
}
