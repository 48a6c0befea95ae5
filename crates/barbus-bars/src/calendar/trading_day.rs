//! A market's trading days as spans of time.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::hours::Hours;
use super::lazy_table::LazyTable;
use super::spec::{Evening, OpeningAuction};
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

/// A market's trading days and sessions.
///
/// A clone is cheap.
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
    pub(super) table: Arc<LazyTable>,
    /// The product group whose hours these are; the market's without one.
    pub(super) group: Option<usize>,
    /// Whether sessions outside the regular hours are left out.
    pub(super) only_regular: bool,
}

impl Calendar {
    pub(super) fn of(table: LazyTable) -> Self {
        Self { table: Arc::new(table), group: None, only_regular: false }
    }
}

/// What a calendar consists of.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) zone_name: String,
    pub(super) zone: TimeZone,
    /// When a date begins, minutes from its midnight, -720 to 719: below zero is the evening
    /// before.
    pub(super) start: i32,
    pub(super) weekend: Vec<Weekday>,
    pub(super) holidays: BTreeSet<Date>,
    /// Dates with trading, whatever else is said of them.
    pub(super) trading_days: BTreeSet<Date>,
    /// Trading days that have extra sessions and none of the usual ones.
    pub(super) only_extra: BTreeSet<Date>,
    /// Holidays whose sessions belong to the next trading day.
    pub(super) merged: BTreeSet<Date>,
    pub(super) evening: Evening,
    pub(super) auction: OpeningAuction,
    pub(super) first: Option<Date>,
    pub(super) horizon: Option<Date>,
    pub(super) announced_late: bool,
    pub(super) hours: Hours,
    pub(super) groups: Vec<Group>,
}

/// A product group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) name: String,
    /// The codes of its products, in capitals.
    pub(super) products: Vec<String>,
    pub(super) hours: Hours,
}

impl Table {
    /// Whether `date` is a weekday of the market that is a holiday.
    pub(super) fn is_holiday(&self, date: Date) -> bool {
        self.holidays.contains(&date) && !self.trading_days.contains(&date) && !self.weekend.contains(&date.weekday())
    }

    pub(super) fn is_trading_day(&self, date: Date) -> bool {
        let is_usual = !self.weekend.contains(&date.weekday()) && !self.holidays.contains(&date);
        is_usual || self.trading_days.contains(&date)
    }
}

impl Calendar {
    /// The calendar's name: the preset's, or the one in its settings.
    pub fn name(&self) -> &str {
        &self.table.name
    }

    /// One line about the market; may be empty.
    pub fn about(&self) -> &str {
        &self.table.about
    }

    /// The market's time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.table.zone
    }

    /// IANA name of the market's time zone.
    pub fn zone_name(&self) -> &str {
        &self.table.zone_name
    }

    /// Whether the market trades on `date`. After [`Calendar::horizon`] every weekday is a trading
    /// day.
    pub fn is_trading_day(&self, date: Date) -> bool {
        self.table.is_trading_day(date)
    }

    /// First date that the holiday table covers.
    pub fn first_date(&self) -> Option<Date> {
        self.table.first
    }

    /// Last date that the holiday table covers; `None` for a market without holidays.
    pub fn horizon(&self) -> Option<Date> {
        self.table.horizon
    }

    /// Whether the market announces the holidays of a year only shortly before it.
    pub fn is_announced_late(&self) -> bool {
        self.table.announced_late
    }

    /// The day of a bar that ends at `frame_end_ms` (milliseconds UTC). An instant before 1970 or
    /// after 2200 counts as the nearest one in that range.
    pub fn trading_day(&self, frame_end_ms: i64) -> TradingDay {
        let frame_end_ms = frame_end_ms.clamp(FIRST_FRAME_MS, LAST_FRAME_MS);
        let mut date = match Timestamp::from_millisecond(frame_end_ms) {
            Ok(instant) => self.table.zone.to_datetime(instant).date(),
            Err(_) => Date::constant(1970, 1, 1),
        };
        while frame_end_ms <= self.start_ms(date) {
            date = before(date);
        }
        while frame_end_ms > self.start_ms(after(date)) {
            date = after(date);
        }
        let mut first = date;
        if self.table.start < 0 {
            date = self.next_trading_day(date);
            first = self.first_date_of(first);
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
        match self.table.zone.to_ambiguous_timestamp(date.at(12, 0, 0, 0)).compatible() {
            Ok(noon) => self.trading_day(noon.as_millisecond()).date,
            Err(_) => date,
        }
    }

    /// Whether days begin on the evening before their date. Then a bar on a date without trading
    /// belongs to the next trading day; otherwise it belongs to its own date.
    pub fn days_begin_in_evening(&self) -> bool {
        self.table.start < 0
    }

    /// The instants after which and at which at the latest the bars of `date` end, as the calendar
    /// begins dates, milliseconds UTC. Where days begin in the evening, the bars of a date without
    /// trading belong to another date's day.
    pub fn span_of_date(&self, date: Date) -> (i64, i64) {
        (self.start_ms(date), self.start_ms(after(date)))
    }

    /// `date`, or the first trading day after it.
    pub fn next_trading_day(&self, mut date: Date) -> Date {
        // The search ends: every week has a trading day, and the holiday table is finite.
        while !self.is_trading_day(date) && date < Date::MAX {
            date = after(date);
        }
        date
    }

    /// The last trading day before `date`.
    pub fn previous_trading_day(&self, date: Date) -> Date {
        let mut date = before(date);
        while !self.is_trading_day(date) && date > Date::MIN {
            date = before(date);
        }
        date
    }

    /// The first of the dates that share the trading day of `date` where days begin in the evening.
    pub(super) fn first_date_of(&self, date: Date) -> Date {
        after(self.previous_trading_day(date))
    }

    /// The end of the last session of a trading day; `None` on any other date.
    fn close_ms(&self, date: Date) -> Option<i64> {
        if !self.is_trading_day(date) {
            return None;
        }
        let close = self.table.hours.close(date, self.has_usual_hours(date))?;
        Some(self.instant_ms(date, close))
    }

    /// Whether a trading day or merged date has the usual sessions.
    pub(super) fn has_usual_hours(&self, date: Date) -> bool {
        !self.table.only_extra.contains(&date)
    }

    fn start_ms(&self, date: Date) -> i64 {
        self.instant_ms(date, self.table.start)
    }

    /// The instant at which the wall clock shows a time, given in minutes from the midnight of
    /// `date`.
    pub(super) fn instant_ms(&self, date: Date, minutes: i32) -> i64 {
        let days = minutes.div_euclid(DAY_MINUTES);
        let minute = minutes.rem_euclid(DAY_MINUTES);
        let date = date.saturating_add(days.days());
        // The hour is below 24 and the minute below 60 for every `minutes`.
        let clock: DateTime = date.at((minute / 60) as i8, (minute % 60) as i8, 0, 0);
        // A time that a change of offset skips moves later by the change; of two instants the first
        // counts.
        let instant = self.table.zone.to_ambiguous_timestamp(clock).compatible();
        instant.unwrap_or(Timestamp::MAX).as_millisecond()
    }
}

pub(super) fn before(date: Date) -> Date {
    date.saturating_sub(1.day())
}

pub(super) fn after(date: Date) -> Date {
    date.saturating_add(1.day())
}
