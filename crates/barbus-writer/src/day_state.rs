//! Which trading days are closed, and when the open one is to close.

use std::time::{Duration, Instant};

use barbus_bars::{Calendar, Date, date_from_epoch_days};
use jiff::{SignedDuration, Timestamp};

/// Days before the end of the calendar's table, up to which the writer warns of it.
const HORIZON_WARNINGS: [i32; 3] = [60, 30, -1];

/// The writer's state of the days; the ring itself stores the open day.
#[derive(Debug)]
pub(crate) struct DayState {
    /// Days up to this one (days since 1970-01-01) are closed: their bars are late.
    pub(crate) closed_through: i64,
    /// When the writer continued an open day whose ring was lost and of which only parts were left.
    reopened_at: Option<Instant>,
    /// The open day has another number than the blocks with its rows: the calendar was changed.
    pub(crate) was_renumbered: bool,
    /// How many of [`HORIZON_WARNINGS`] apply to the last day that was checked.
    horizon_stage: usize,
}

impl DayState {
    /// `reopened`: the writer just continued an open day whose ring was lost.
    pub(crate) fn new(closed_through: i64, reopened: bool) -> Self {
        Self { closed_through, reopened_at: reopened.then(Instant::now), was_renumbered: false, horizon_stage: 0 }
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

    /// Warns if the calendar does not know the holidays of `day`, or only of 60 or 30 more days.
    ///
    /// After the end of its table it warns at each call, which is once a day; before it once for
    /// 60 days and once for 30.
    pub(crate) fn check_horizon(&mut self, calendar: &Calendar, day: Date) {
        let Some(horizon) = calendar.horizon() else { return };
        let days_left = (horizon - day).get_days();
        let stage = HORIZON_WARNINGS.iter().filter(|days| days_left <= **days).count();
        let is_new = stage > std::mem::replace(&mut self.horizon_stage, stage);
        if days_left < 0 {
            tracing::warn!(
                %day, %horizon, days_left,
                "calendar {} knows holidays up to {horizon} only: {day} and later weekdays count as trading days: \
                 extend it in calendar.d",
                calendar.name()
            );
        } else if is_new {
            tracing::warn!(
                %day, %horizon, days_left,
                "calendar {} knows holidays up to {horizon} only, {days_left} more days: extend it in calendar.d",
                calendar.name()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stages at which [`DayState::check_horizon`] warns, by the days left.
    #[test]
    fn a_stage_is_reached_once_before_the_end() {
        let calendar = Calendar::preset("XSHG").unwrap();
        let mut state = DayState::new(0, false);
        let mut stage_on = |day: &str| {
            state.check_horizon(&calendar, day.parse().unwrap());
            state.horizon_stage
        };
        let days = ["2026-10-30", "2026-11-02", "2026-11-30", "2026-12-01", "2026-12-31", "2027-01-04"];
        assert_eq!(days.map(&mut stage_on), [0, 1, 1, 2, 2, 3]);
    }
}
