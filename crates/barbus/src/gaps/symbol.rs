//! The bars of one symbol on one day, compared with the minutes that are expected of it.

use barbus_bars::{BarPlace, Calendar, Date, SessionCache};

/// One minute.
const MINUTE_MS: i64 = 60_000;

/// Minutes in a row by the ends of their bars, milliseconds UTC: the first and the last.
pub type MinuteRange = (i64, i64);

/// The bars of a symbol on a day.
#[derive(Debug, Clone, PartialEq)]
pub struct SymbolGaps {
    /// The symbol.
    pub symbol: String,
    /// The product group whose hours apply; `None` for the hours of the whole market.
    pub group: Option<String>,
    /// Bars that are expected in the regular hours.
    pub expected: u64,
    /// Those that there are.
    pub present: u64,
    /// The others.
    pub missing: Vec<MinuteRange>,
    /// Missing minutes in which no symbol has a bar: the feed was perhaps down. In the others only
    /// this symbol has none: perhaps it did not trade.
    pub without_bars: u64,
    /// Each session, in order.
    pub sessions: Vec<SessionGaps>,
    /// Bars in sessions outside the regular hours, where none is expected.
    pub extended: u64,
    /// Bars in no session.
    pub outside: u64,
    /// End of the first bar, milliseconds UTC.
    pub first_ms: Option<i64>,
    /// End of the last bar.
    pub last_ms: Option<i64>,
}

/// The bars of a symbol in one session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionGaps {
    /// The session's name.
    pub name: String,
    /// Bars that are expected.
    pub expected: u64,
    /// Those that there are.
    pub present: u64,
}

/// What is expected of the symbols of one product group on one day.
pub(super) struct Expectation {
    calendar: Calendar,
    /// Each regular session with the ends of its bars.
    sessions: Vec<(String, Vec<i64>)>,
}

impl Expectation {
    /// The minutes up to `until_ms` of the hours of `calendar`.
    pub(super) fn new(calendar: Calendar, day: Date, until_ms: i64) -> Self {
        let minutes = calendar.minutes(day);
        let regular: Vec<_> = calendar.sessions(day).into_iter().filter(|session| !session.extended).collect();
        let first_ms = regular.first().map(|session| session.start_ms);
        let ends = |session: &barbus_bars::Session| {
            // The bar of an opening auction ends when the first session begins.
            let of_session =
                |end: &&i64| session.has_bar(**end) || (first_ms == Some(**end) && first_ms == Some(session.start_ms));
            minutes.iter().filter(of_session).copied().filter(|end| *end <= until_ms).collect()
        };
        let sessions = regular.iter().map(|session| (session.name.to_string(), ends(session))).collect();
        Self { calendar, sessions }
    }

    /// The ends of the expected bars.
    pub(super) fn minutes(&self) -> impl Iterator<Item = i64> {
        self.sessions.iter().flat_map(|(_, ends)| ends.iter().copied())
    }

    /// Compares the bars of a symbol, by their `frames` in order, with what is expected.
    pub(super) fn compare(&self, symbol: &str, frames: &[i64], is_without: impl Fn(i64) -> bool) -> SymbolGaps {
        let (mut missing, mut sessions, mut without_bars) = (Vec::new(), Vec::new(), 0);
        for (name, ends) in &self.sessions {
            let absent: Vec<i64> = ends.iter().copied().filter(|end| frames.binary_search(end).is_err()).collect();
            without_bars += absent.iter().filter(|end| is_without(**end)).count() as u64;
            let expected = ends.len() as u64;
            sessions.push(SessionGaps { name: name.clone(), expected, present: expected - absent.len() as u64 });
            missing.extend(ranges(&absent));
        }
        let mut places = SessionCache::new(self.calendar.clone());
        let (mut extended, mut outside) = (0, 0);
        for &frame_ms in frames {
            match places.place(frame_ms) {
                BarPlace::Regular => {}
                BarPlace::Extended => extended += 1,
                BarPlace::Outside => outside += 1,
            }
        }
        SymbolGaps {
            symbol: symbol.to_owned(),
            group: self.calendar.group().map(str::to_owned),
            expected: sessions.iter().map(|session| session.expected).sum(),
            present: sessions.iter().map(|session| session.present).sum(),
            missing,
            without_bars,
            sessions,
            extended,
            outside,
            first_ms: frames.first().copied(),
            last_ms: frames.last().copied(),
        }
    }
}

/// Minutes in order as ranges without a pause.
pub(super) fn ranges(minutes: &[i64]) -> Vec<MinuteRange> {
    minutes.chunk_by(|a, b| b - a == MINUTE_MS).map(|run| (run[0], run[run.len() - 1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Date = Date::constant(2024, 7, 4);

    #[test]
    fn missing_minutes_are_ranges_within_sessions() {
        let calendar = Calendar::preset("XSHG").unwrap();
        let minutes = calendar.minutes(DAY);
        let expected = Expectation::new(calendar, DAY, i64::MAX);
        let all = expected.compare("X", &minutes, |_| true);
        assert_eq!((all.expected, all.present, all.missing, all.outside), (240, 240, vec![], 0));
        // Without the last two minutes of the morning and the first of the afternoon.
        let frames: Vec<i64> = minutes.iter().copied().filter(|m| !minutes[118..121].contains(m)).collect();
        let gaps = expected.compare("X", &frames, |end| end == minutes[120]);
        assert_eq!(gaps.missing, [(minutes[118], minutes[119]), (minutes[120], minutes[120])]);
        assert_eq!((gaps.present, gaps.without_bars), (237, 1));
        let sessions: Vec<(&str, u64)> = gaps.sessions.iter().map(|s| (s.name.as_str(), s.present)).collect();
        assert_eq!(sessions, [("morning", 118), ("afternoon", 119)]);
        // A bar of the auction and one at lunch.
        let stray = [minutes[0] - MINUTE_MS, minutes[0], minutes[119] + MINUTE_MS];
        assert_eq!(expected.compare("X", &stray, |_| false).outside, 2);
    }

    #[test]
    fn a_running_day_expects_what_has_passed() {
        let calendar = Calendar::preset("XSHG").unwrap();
        let minutes = calendar.minutes(DAY);
        let expected = Expectation::new(calendar, DAY, minutes[9]);
        assert_eq!(expected.compare("X", &minutes[..10], |_| false).expected, 10);
    }
}
