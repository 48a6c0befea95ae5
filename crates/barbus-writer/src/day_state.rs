//! Which trading days are closed, and when the open one is to close.

use std::time::{Duration, Instant};

use barbus_bars::{Calendar, Date, date_from_epoch_days};
use jiff::{SignedDuration, Timestamp};

/// The writer's state of the days; the ring itself stores the open day.
#[derive(Debug)]
pub(crate) struct DayState {
    /// Days up to this one (days since 1970-01-01) are closed: their bars are late.
    pub(crate) closed_through: i64,
    /// When the writer continued an open day whose ring was lost and of which only parts were left.
    reopened_at: Option<Instant>,
    /// The open day has another number than the blocks with its rows: the calendar was changed.
    pub(crate) was_renumbered: bool,
    warned_beyond_horizon: bool,
}

impl DayState {
    /// `reopened`: the writer just continued an open day whose ring was lost.
    pub(crate) fn new(closed_through: i64, reopened: bool) -> Self {
        Self {
            closed_through,
            reopened_at: reopened.then(Instant::now),
            was_renumbered: false,
            warned_beyond_horizon: false,
        }
    }

    /// Whether the open day `day` is to be closed at `now`: `grace` after its last session, after
    /// its last bar and after it was reopened. The last bar was received `quiet` ago.
    ///
    /// Only the end of the session is compared with the wall clock. A bar that was received under a
    /// wrong clock would otherwise keep its day open.
    pub(crate) fn is_close_due(
        &self,
        day: i64,
        calendar: &Calendar,
        grace: Duration,
        quiet: Option<Duration>,
        now: Timestamp,
    ) -> Option<bool> {
        // The span of the day is looked up by its noon, because the last bar may have been a late
        // one of another day.
        let noon = date_from_epoch_days(day).at(12, 0, 0, 0).to_zoned(calendar.zone().clone()).ok()?;
        let span = calendar.trading_day(noon.timestamp().as_millisecond());
        let close = Timestamp::from_millisecond(span.close_ms).ok()?;
        let is_quiet = [quiet, self.reopened_at.map(|at| at.elapsed())].into_iter().flatten().all(|age| age >= grace);
        Some(is_quiet && now.duration_since(close) >= SignedDuration::try_from(grace).ok()?)
    }

    /// Warns once if the calendar does not know the holidays of `day`.
    pub(crate) fn check_horizon(&mut self, calendar: &Calendar, day: Date) {
        let Some(horizon) = calendar.horizon().filter(|&horizon| day > horizon) else { return };
        if std::mem::replace(&mut self.warned_beyond_horizon, true) {
            return;
        }
        tracing::warn!(
            %day, %horizon,
            "calendar {} knows holidays up to {horizon} only: {day} and later weekdays count as trading days",
            calendar.name()
        );
    }
}
