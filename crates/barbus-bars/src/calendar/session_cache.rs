//! Whether a bar lies in a session, with the sessions of the last day cached.

use super::sessions::Session;
use super::spec::OpeningAuction;
use super::trading_day::{Calendar, TradingDay};

/// Where a bar lies in the hours of its symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarPlace {
    /// In a session of the regular hours.
    Regular,
    /// In a session outside the regular hours.
    Extended,
    /// In no session.
    Outside,
}

/// Finds the sessions of bars. Bars of one day are found without a look at the calendar.
///
/// ```
/// use barbus_bars::{BarPlace, Calendar, SessionCache};
///
/// let mut sessions = SessionCache::new(Calendar::preset("XSHG")?);
/// let noon = 1_720_065_600_000; // 2024-07-04, 12:00 in Shanghai
/// assert_eq!(sessions.place(noon), BarPlace::Outside);
/// assert_eq!(sessions.place(noon - 1_800_000), BarPlace::Regular);
/// # Ok::<(), barbus_bars::CalendarError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SessionCache {
    calendar: Calendar,
    day: TradingDay,
    sessions: Vec<Session>,
    /// The end of the bar of an opening auction that has one of its own.
    auction_ms: Option<i64>,
}

impl SessionCache {
    /// For the hours of `calendar`.
    pub fn new(calendar: Calendar) -> Self {
        let day = calendar.trading_day(0);
        let mut cache = Self { calendar, day, sessions: Vec::new(), auction_ms: None };
        cache.load(day);
        cache
    }

    fn load(&mut self, day: TradingDay) {
        self.day = day;
        self.sessions = self.calendar.sessions(day.date);
        let own_bar = self.calendar.table.auction == OpeningAuction::OwnBar;
        let first = self.sessions.iter().find(|session| !session.extended);
        self.auction_ms = first.filter(|_| own_bar).map(|session| session.start_ms);
    }

    /// Where a bar that ends at `frame_end_ms` lies.
    pub fn place(&mut self, frame_end_ms: i64) -> BarPlace {
        if !self.day.contains(frame_end_ms) {
            self.load(self.calendar.trading_day(frame_end_ms));
        }
        if self.auction_ms == Some(frame_end_ms) {
            return BarPlace::Regular;
        }
        match self.sessions.iter().find(|session| session.has_bar(frame_end_ms)) {
            Some(session) if session.extended => BarPlace::Extended,
            Some(_) => BarPlace::Regular,
            None => BarPlace::Outside,
        }
    }
}
