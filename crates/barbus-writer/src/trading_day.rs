//! The trading day of a bar, with the span of the last day cached.

use std::sync::{Arc, Mutex, PoisonError};

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

/// The calendar of a running writer, which may be changed, for its other threads.
#[derive(Debug, Clone)]
pub(crate) struct CurrentCalendar(Arc<Mutex<(u64, Calendar)>>);

impl CurrentCalendar {
    pub(crate) fn new(calendar: Calendar) -> Self {
        Self(Arc::new(Mutex::new((0, calendar))))
    }

    pub(crate) fn get(&self) -> Calendar {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    pub(crate) fn set(&self, calendar: Calendar) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *current = (current.0 + 1, calendar);
    }

    /// The calendar if its version is not `seen`, which becomes its version.
    pub(crate) fn newer_than(&self, seen: &mut u64) -> Option<Calendar> {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::replace(seen, current.0) != current.0).then(|| current.1.clone())
    }
}
