//! How far a trading day is: which minutes of each session have bars.

use barbus_bars::{Calendar, Session, TradingDay};

const MINUTE_MS: i64 = 60_000;

/// The sessions of a trading day with the minutes that have bars.
#[derive(Debug)]
pub(super) struct DayProgress {
    pub(super) day: TradingDay,
    pub(super) sessions: Vec<SessionProgress>,
    /// The end of the newest bar, milliseconds UTC.
    pub(super) newest_ms: i64,
    /// The last minute that was marked, which most bars share.
    marked_ms: i64,
}

/// A session and its minutes.
#[derive(Debug)]
pub(super) struct SessionProgress {
    pub(super) name: String,
    /// Whether no bar is expected in it.
    pub(super) extended: bool,
    /// Whether each minute of it has a bar of any symbol.
    has_bar: Vec<bool>,
    session: Session,
    /// Whether each minute up to the newest one should have a bar.
    is_exact: bool,
}

impl DayProgress {
    /// A day without a bar.
    pub(super) fn new(calendar: &Calendar, day: TradingDay) -> DayProgress {
        // With product groups the sessions reach from the first to the last minute of any group,
        // and the groups that trade may have breaks.
        let is_exact = calendar.groups().next().is_none();
        let progress = |session: Session| SessionProgress {
            name: session.name.to_string(),
            extended: session.extended,
            has_bar: vec![false; session.minutes().count()],
            is_exact: is_exact && !session.extended,
            session,
        };
        let sessions = calendar.sessions(day.date).into_iter().map(progress).collect();
        DayProgress { day, sessions, newest_ms: i64::MIN, marked_ms: i64::MIN }
    }

    /// Marks the minute of a bar that ends at `frame_ms`.
    pub(super) fn mark(&mut self, frame_ms: i64) {
        if frame_ms == self.marked_ms {
            return;
        }
        self.marked_ms = frame_ms;
        self.newest_ms = self.newest_ms.max(frame_ms);
        if let Some(found) = self.sessions.iter_mut().find(|progress| progress.session.has_bar(frame_ms)) {
            let minute = (frame_ms - found.session.start_ms - 1) / MINUTE_MS;
            if let Some(has_bar) = found.has_bar.get_mut(minute as usize) {
                *has_bar = true;
            }
        }
    }
}

impl SessionProgress {
    /// The minutes of the session.
    pub(super) fn minutes(&self) -> usize {
        self.has_bar.len()
    }

    /// The minutes that have a bar.
    pub(super) fn with_bars(&self) -> usize {
        self.has_bar.iter().filter(|has_bar| **has_bar).count()
    }

    /// The minutes before the end of the newest bar that have none, where each should have one.
    pub(super) fn missing(&self, newest_ms: i64) -> usize {
        if !self.is_exact {
            return 0;
        }
        let passed = ((newest_ms.saturating_sub(self.session.start_ms)) / MINUTE_MS).max(0) as usize;
        self.has_bar.iter().take(passed).filter(|has_bar| !**has_bar).count()
    }
}

#[cfg(test)]
mod tests {
    use barbus_bars::Date;

    use super::*;

    fn day_of(calendar: &str, date: Date) -> DayProgress {
        let calendar = Calendar::preset(calendar).unwrap();
        let noon = date.at(12, 0, 0, 0).to_zoned(calendar.zone().clone()).unwrap().timestamp().as_millisecond();
        DayProgress::new(&calendar, calendar.trading_day(noon))
    }

    #[test]
    fn minutes_count_once_in_their_session_and_holes_are_missing() {
        let mut day = day_of("XSHG", Date::constant(2024, 7, 4));
        assert_eq!(day.sessions.iter().map(SessionProgress::minutes).collect::<Vec<_>>(), [120, 120]);
        let start_ms = day.sessions[0].session.start_ms;
        let counts = |day: &DayProgress| {
            day.sessions.iter().map(|session| (session.with_bars(), session.missing(day.newest_ms))).collect::<Vec<_>>()
        };
        assert_eq!(counts(&day), [(0, 0), (0, 0)]);
        for minute in [1, 1, 2, 4] {
            day.mark(start_ms + minute * MINUTE_MS);
        }
        assert_eq!(counts(&day), [(3, 1), (0, 0)], "the third minute has no bar");
        day.mark(start_ms + 3 * MINUTE_MS);
        assert_eq!(counts(&day), [(4, 0), (0, 0)]);
        // At lunch, outside every session.
        day.mark(start_ms + 150 * MINUTE_MS);
        assert_eq!(counts(&day), [(4, 116), (0, 0)]);
        day.mark(day.sessions[1].session.start_ms + MINUTE_MS);
        assert_eq!(counts(&day), [(4, 116), (1, 0)]);
    }

    #[test]
    fn sessions_without_expected_bars_miss_none() {
        let mut stocks = day_of("XNYS", Date::constant(2024, 7, 5));
        let start_ms = stocks.sessions[1].session.start_ms;
        stocks.mark(start_ms + MINUTE_MS);
        assert!(stocks.sessions[0].extended && stocks.sessions[0].missing(stocks.newest_ms) == 0);
        assert_eq!((stocks.sessions[1].with_bars(), stocks.sessions[1].missing(stocks.newest_ms)), (1, 0));
        let mut futures = day_of("CN-FUTURES", Date::constant(2024, 7, 4));
        let end_ms = futures.sessions[0].session.end_ms;
        futures.mark(end_ms);
        assert_eq!(futures.sessions[0].missing(futures.newest_ms), 0, "some groups end at 23:00");
    }
}
