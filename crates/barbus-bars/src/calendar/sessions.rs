//! The sessions and the expected minutes of a trading day.

use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::Date;

use super::hours::Hours;
use super::spec::{Evening, OpeningAuction};
use super::trading_day::{Calendar, after, before};

/// A market that is open for this many trading days without a pause never closes.
const SEARCHED_DAYS: usize = 400;
/// One minute.
pub(super) const MINUTE_MS: i64 = 60_000;

/// A session of a trading day. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Session {
    /// Its name, such as `night`, `morning` or `regular`.
    pub name: Arc<str>,
    /// When it begins.
    pub start_ms: i64,
    /// When it ends.
    pub end_ms: i64,
    /// Whether it is outside the regular hours: bars may occur in it, and none is expected.
    pub extended: bool,
}

impl Session {
    /// Whether a bar that ends at `frame_end_ms` lies in the session.
    pub fn has_bar(&self, frame_end_ms: i64) -> bool {
        self.start_ms < frame_end_ms && frame_end_ms <= self.end_ms
    }

    /// The ends of its minutes, in milliseconds.
    pub fn minutes(&self) -> impl DoubleEndedIterator<Item = i64> + use<> {
        let (start_ms, count) = (self.start_ms, (self.end_ms - self.start_ms) / MINUTE_MS);
        (1..=count).map(move |minute| start_ms + minute * MINUTE_MS)
    }
}

impl Calendar {
    /// The sessions of trading day `date`, in order of time; empty on any other date.
    ///
    /// ```
    /// use barbus_bars::{Calendar, Date};
    ///
    /// let stocks = Calendar::preset("XNYS")?;
    /// // The day after Thanksgiving ends early.
    /// let sessions = stocks.sessions(Date::constant(2026, 11, 27));
    /// let names: Vec<&str> = sessions.iter().map(|session| &*session.name).collect();
    /// assert_eq!(names, ["pre", "regular", "post"]);
    /// assert_eq!(sessions[1].minutes().count(), 210);
    /// assert!(stocks.sessions(Date::constant(2026, 11, 26)).is_empty());
    /// # Ok::<(), barbus_bars::CalendarError>(())
    /// ```
    pub fn sessions(&self, date: Date) -> Vec<Session> {
        if !self.is_trading_day(date) {
            return Vec::new();
        }
        let mut sessions = Vec::new();
        if !self.table.merged.is_empty() {
            // Holidays before this day whose sessions belong to it.
            let mut merged = self.first_date_of(date);
            while merged < date {
                if self.table.merged.contains(&merged) {
                    self.add_sessions(merged, &mut sessions);
                }
                merged = after(merged);
            }
        }
        self.add_sessions(date, &mut sessions);
        sessions.sort_by_key(|session| session.start_ms);
        sessions
    }

    /// Adds the sessions of one date.
    fn add_sessions(&self, date: Date, sessions: &mut Vec<Session>) {
        for span in self.hours().on(date, self.has_usual_hours(date)) {
            if span.extended && self.only_regular {
                continue;
            }
            let base = if span.start < 0 { self.date_after_evening(date) } else { Some(date) };
            let Some(base) = base else { continue };
            sessions.push(Session {
                start_ms: self.instant_ms(base, span.start),
                end_ms: self.instant_ms(base, span.end),
                name: span.name,
                extended: span.extended,
            });
        }
    }

    /// The date after the evening on which the evening sessions of trading day `date` begin; `None`
    /// if there are none because of a holiday.
    fn date_after_evening(&self, date: Date) -> Option<Date> {
        if self.table.evening == Evening::DateBefore {
            return Some(date);
        }
        let last = self.previous_trading_day(date);
        let mut between = after(last);
        while between < date {
            if self.table.is_holiday(between) {
                return None;
            }
            between = after(between);
        }
        Some(after(last))
    }

    /// The ends of the bars that are expected on trading day `date` of a symbol that trades in
    /// every minute, in order: the minutes of the regular sessions, and the bar of the opening
    /// auction where it has one of its own.
    ///
    /// ```
    /// use barbus_bars::{Calendar, CalendarSpec, Date};
    ///
    /// let day = Date::constant(2024, 7, 4);
    /// assert_eq!(Calendar::preset("XSHG")?.minutes(day).len(), 240);
    /// let own_bar: CalendarSpec = toml::from_str("preset = \"XSHG\"\nopening_auction = \"own-bar\"")?;
    /// assert_eq!(Calendar::from_spec(own_bar)?.minutes(day).len(), 241);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn minutes(&self, date: Date) -> Vec<i64> {
        let sessions = self.sessions(date);
        let regular: Vec<&Session> = sessions.iter().filter(|session| !session.extended).collect();
        let own_bar = self.table.auction == OpeningAuction::OwnBar;
        let auction = regular.first().filter(|_| own_bar).map(|session| session.start_ms);
        auction.into_iter().chain(regular.iter().flat_map(|session| session.minutes())).collect()
    }

    /// Whether the trades of the opening auction have a bar of their own.
    pub fn opening_auction(&self) -> OpeningAuction {
        self.table.auction
    }

    /// Whether the regular hours of `date` end earlier than usual.
    pub fn closes_early(&self, date: Date) -> bool {
        self.is_trading_day(date) && self.hours().closes_early(date, self.has_usual_hours(date))
    }

    /// The trading days from `from` to `through`, both included.
    pub fn trading_days(&self, from: Date, through: Date) -> impl Iterator<Item = Date> + '_ {
        from.series(1.day()).take_while(move |date| *date <= through).filter(|date| self.is_trading_day(*date))
    }

    /// Whether the market is open at an instant (milliseconds UTC), also outside the regular hours.
    ///
    /// ```
    /// use barbus_bars::Calendar;
    ///
    /// let stocks = Calendar::preset("XSHG")?;
    /// let lunch = 1_720_065_600_000; // 2024-07-04, 12:00 in Shanghai
    /// assert!(!stocks.is_open(lunch));
    /// assert_eq!(stocks.next_open(lunch), Some(lunch + 3_600_000));
    /// assert_eq!(stocks.previous_close(lunch), Some(lunch - 1_800_000));
    /// # Ok::<(), barbus_bars::CalendarError>(())
    /// ```
    pub fn is_open(&self, at_ms: i64) -> bool {
        self.session_at(at_ms).is_some()
    }

    /// The session that contains an instant (milliseconds UTC).
    pub fn session_at(&self, at_ms: i64) -> Option<Session> {
        // A bar that ends at the boundary belongs to the day before it, the instant to the next.
        let day = self.trading_day(at_ms.saturating_add(1)).date;
        self.sessions(day).into_iter().find(|session| session.start_ms <= at_ms && at_ms < session.end_ms)
    }

    /// The first instant after `at_ms` at which the market opens after having been closed; `None`
    /// for a market that never closes.
    pub fn next_open(&self, at_ms: i64) -> Option<i64> {
        let mut date = self.trading_day(at_ms.saturating_add(1)).date;
        let mut closed_at = self.last_end(before(date));
        for _ in 0..SEARCHED_DAYS {
            for session in self.sessions(date) {
                if session.start_ms > at_ms && closed_at != Some(session.start_ms) {
                    return Some(session.start_ms);
                }
                closed_at = Some(session.end_ms);
            }
            date = self.next_trading_day(after(date));
        }
        None
    }

    /// The last instant at or before `at_ms` at which the market closed; `None` for a market
    /// that never closes.
    pub fn previous_close(&self, at_ms: i64) -> Option<i64> {
        let mut date = self.next_trading_day(self.trading_day(at_ms.saturating_add(1)).date);
        let mut opens_at = self.sessions(self.next_trading_day(after(date))).first().map(|session| session.start_ms);
        for _ in 0..SEARCHED_DAYS {
            for session in self.sessions(date).iter().rev() {
                if session.end_ms <= at_ms && opens_at != Some(session.end_ms) {
                    return Some(session.end_ms);
                }
                opens_at = Some(session.start_ms);
            }
            date = self.previous_trading_day(date);
        }
        None
    }

    /// The end of the last session up to the trading day `date` or the last one before it.
    fn last_end(&self, date: Date) -> Option<i64> {
        let date = if self.is_trading_day(date) { date } else { self.previous_trading_day(date) };
        self.sessions(date).last().map(|session| session.end_ms)
    }

    /// The hours of the product group, or those of the market.
    fn hours(&self) -> &Hours {
        self.group.map_or(&self.table.hours, |group| &self.table.groups[group].hours)
    }
}
