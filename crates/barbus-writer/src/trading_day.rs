//! The trading day of a bar, with the span of the last day cached.

use barbus_bars::{Calendar, TradingDay, epoch_days};

/// Assigns bars to trading days.
///
/// Thousands of bars in a row belong to the same day, so the calendar is consulted only when the
/// day changes.
#[derive(Debug, Clone)]
pub(crate) struct TradingDayCache {
    calendar: Calendar,
    span: TradingDay,
    day: i64,
}

impl TradingDayCache {
    pub(crate) fn new(calendar: Calendar) -> Self {
        let span = calendar.trading_day(0);
        Self { calendar, span, day: epoch_days(span.date) }
    }

    /// The trading day (days since 1970-01-01) of a bar that ends at `frame_ms`.
    #[inline]
    pub(crate) fn day(&mut self, frame_ms: i64) -> i64 {
        if !self.span.contains(frame_ms) {
            self.span = self.calendar.trading_day(frame_ms);
            self.day = epoch_days(self.span.date);
        }
        self.day
    }
}
