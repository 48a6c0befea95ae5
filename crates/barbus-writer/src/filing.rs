use barbus_bars::{Calendar, TradingDay};

use barbus_bars::epoch_days;

/// Which trading day a bar belongs to. Bars come by the thousands for the same one: its span is kept.
#[derive(Debug, Clone)]
pub(crate) struct Filing {
    calendar: Calendar,
    span: TradingDay,
    day: i64,
}

impl Filing {
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
