//! When a bar may end: not long after the present, and not before `bars.oldest`.

use std::ops::RangeInclusive;

use barbus::Settings;

use crate::clock::{Clock, Moment};

/// The limits of a bar's end.
///
/// A bar of the future would close the open day, and every real bar after it would be late.
#[derive(Debug, Clone)]
pub(crate) struct BarEnds {
    clock: Clock,
    first_ms: i64,
    max_ahead_ms: i64,
}

impl BarEnds {
    pub(crate) fn new(settings: &Settings, clock: Clock) -> Self {
        let max_ahead_ms = i64::try_from(settings.max_ahead.as_millis()).unwrap_or(i64::MAX);
        // A bar that ends at midnight belongs to the date before.
        Self { clock, first_ms: settings.oldest_ms.saturating_add(1), max_ahead_ms }
    }

    /// When a bar may end that is received at `now`, milliseconds UTC.
    #[inline]
    pub(crate) fn allowed(&self, now: Moment) -> RangeInclusive<i64> {
        self.first_ms..=self.clock.latest_ms(now).saturating_add(self.max_ahead_ms)
    }
}
