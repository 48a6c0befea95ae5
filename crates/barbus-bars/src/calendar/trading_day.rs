//! A market's trading days as spans of time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::time::limits::{FIRST_FRAME_MS, LAST_FRAME_MS};

pub(super) const DAY_MINUTES: i32 = 24 * 60;

/// One trading day as a span of time. All times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TradingDay {
    /// The date that names the day.
    pub date: Date,
    /// The day's bars end after this instant.
    pub after_ms: i64,
    /// The day's bars end at this instant at the latest.
    pub until_ms: i64,
    /// End of the last session, earlier on a half-day; [`TradingDay::until_ms`] on a date without
    /// trading.
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
/// // Friday 2024-03-01, 21:01 in Shanghai: the night session belongs to Monday.
/// let day = futures.trading_day(1_709_298_060_000);
/// assert_eq!(day.date, Date::constant(2024, 3, 4));
/// # Ok::<(), barbus_bars::CalendarError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Calendar {
    pub(super) name: String,
    pub(super) zone_name: String,
    pub(super) zone: TimeZone,
    /// When a date begins, minutes from its midnight, -720 to 719: below zero is the evening
    /// before.
    pub(super) start: i32,
    /// End of the last session, minutes from the date's midnight.
    pub(super) close: i32,
    pub(super) weekend: Vec<Weekday>,
    pub(super) holidays: BTreeSet<Date>,
    /// Dates with an earlier close, minutes from the date's midnight.
    pub(super) half_days: BTreeMap<Date, i32>,
    pub(super) horizon: Option<Date>,
}

impl Calendar {
    /// The calendar's name: the preset's, or the one in its settings.
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

    /// Whether the market trades on `date`. After [`Calendar::horizon`] every weekday is a trading
    /// day.
    pub fn is_trading_day(&self, date: Date) -> bool {
        !self.weekend.contains(&date.weekday()) && !self.holidays.contains(&date)
    }

    /// Last date that the holiday table covers; `None` for a market without holidays.
    pub fn horizon(&self) -> Option<Date> {
        self.horizon
    }

    /// The day of a bar that ends at `frame_end_ms` (milliseconds UTC). An instant before 1970 or
    /// after 2200 counts as the nearest one in that range.
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
        if self.start < 0 {
            // Both searches end: every week has a trading day, and the holiday table is finite.
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

    /// The trading day to which the bars of `date` belong: `date` itself, or where days begin in
    /// the evening and `date` has no trading, the next trading day.
    pub fn day_of_date(&self, date: Date) -> Date {
        match self.zone.to_ambiguous_timestamp(date.at(12, 0, 0, 0)).compatible() {
            Ok(noon) => self.trading_day(noon.as_millisecond()).date,
            Err(_) => date,
        }
    }

    /// The end of the last session of a trading day; `None` on any other date.
    fn close_ms(&self, date: Date) -> Option<i64> {
        if !self.is_trading_day(date) {
            return None;
        }
        let early = self.half_days.get(&date).copied();
        let close = early.map_or(self.close, |early| early.min(self.close));
        Some(self.instant_ms(date, close))
    }

    fn start_ms(&self, date: Date) -> i64 {
        self.instant_ms(date, self.start)
    }

    /// The instant at which the wall clock shows a time, given in minutes from the midnight of
    /// `date`.
    fn instant_ms(&self, date: Date, minutes: i32) -> i64 {
        let days = minutes.div_euclid(DAY_MINUTES);
        let minute = minutes.rem_euclid(DAY_MINUTES);
        let date = date.saturating_add(days.days());
        // The hour is below 24 and the minute below 60 for every `minutes`.
        let clock: DateTime = date.at((minute / 60) as i8, (minute % 60) as i8, 0, 0);
        // A time that a change of offset skips moves later by the change; of two instants the first
        // counts.
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
