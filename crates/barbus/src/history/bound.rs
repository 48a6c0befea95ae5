//! Where a question begins and ends.

use barbus_bars::{Calendar, Date};
use jiff::Timestamp;

/// The first or the last bar of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A trading day, whole.
    Day(Date),
    /// The bar that ends at this time, or the next one inside the question.
    Time(Timestamp),
}

impl From<Date> for Bound {
    fn from(day: Date) -> Self {
        Bound::Day(day)
    }
}

impl From<Timestamp> for Bound {
    fn from(time: Timestamp) -> Self {
        Bound::Time(time)
    }
}

/// A question's days, and the ends of its first and last bar, milliseconds UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) first_day: Date,
    pub(super) last_day: Date,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

impl Range {
    pub(super) fn new(from: Option<Bound>, to: Option<Bound>, calendar: &Calendar) -> Self {
        let day_of = |time: Timestamp| calendar.trading_day(time.as_millisecond()).date;
        let (first_day, from_ms) = match from {
            None => (Date::MIN, i64::MIN),
            Some(Bound::Day(day)) => (day, i64::MIN),
            Some(Bound::Time(time)) => (day_of(time), time.as_millisecond()),
        };
        let (last_day, to_ms) = match to {
            None => (Date::MAX, i64::MAX),
            Some(Bound::Day(day)) => (day, i64::MAX),
            Some(Bound::Time(time)) => (day_of(time), time.as_millisecond()),
        };
        Self { first_day, last_day, from_ms, to_ms }
    }

    pub(super) fn has_day(&self, day: Date) -> bool {
        (self.first_day..=self.last_day).contains(&day)
    }

    pub(super) fn has_frame(&self, frame_ms: i64) -> bool {
        (self.from_ms..=self.to_ms).contains(&frame_ms)
    }
}
