//! The periods of an interval, aligned to the sessions of a calendar.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::Interval;
use crate::calendar::{Calendar, OpeningAuction, TradingDay};

/// A span of market time that becomes one bar. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    /// The bars of the period end after this instant.
    pub after_ms: i64,
    /// The end of the period: the bars end at this instant at the latest, and the bar of the whole
    /// period is labelled with it.
    pub end_ms: i64,
    /// The trading day; of a week or a month the last one.
    pub day: Date,
}

impl Period {
    /// Whether a bar that ends at `frame_end_ms` lies in the period.
    pub fn contains(&self, frame_end_ms: i64) -> bool {
        self.after_ms < frame_end_ms && frame_end_ms <= self.end_ms
    }
}

/// Finds the periods of bars. Bars of one day are found without a look at the calendar.
///
/// Minutes are counted from the beginning of each session. A bar outside every session is in a
/// period of its own kind: the time between two sessions, or beside the first or last, is divided
/// in the same way. A bar of an opening auction that ends where the first session begins is in the
/// first period, if the calendar says that the auction has a bar of its own.
///
/// ```
/// use barbus_bars::{Calendar, Interval, Periods};
///
/// let mut hours = Periods::new(Calendar::preset("XSHG")?, Interval::Minutes(60));
/// let end = |frame_ms| hours.of(frame_ms).end_ms;
/// // 2024-07-04 in Shanghai: 09:31, 10:30, 10:31 and 13:01.
/// let minutes = [1_720_056_660_000, 1_720_060_200_000, 1_720_060_260_000, 1_720_069_260_000];
/// let ends = minutes.map(end);
/// // 10:30, 10:30, 11:30 and 14:00: no bar reaches over lunch.
/// assert_eq!(ends, [1_720_060_200_000, 1_720_060_200_000, 1_720_063_800_000, 1_720_072_800_000]);
/// # Ok::<(), barbus_bars::CalendarError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Periods {
    calendar: Calendar,
    interval: Interval,
    day: TradingDay,
    /// The day divided at the beginnings and ends of its sessions: after, until.
    spans: Vec<(i64, i64)>,
    /// The first session, if the opening auction has a bar of its own, which ends where it begins.
    auction: Option<(i64, i64)>,
    /// The period of the day, the week or the month.
    whole: Period,
}

impl Periods {
    /// The periods of `interval` by the hours of `calendar`: of one symbol, or of a product group.
    pub fn new(calendar: Calendar, interval: Interval) -> Self {
        let day = calendar.trading_day(0);
        let whole = Period { after_ms: day.after_ms, end_ms: day.until_ms, day: day.date };
        let mut periods = Self { calendar, interval, day, spans: Vec::new(), auction: None, whole };
        periods.load(day);
        periods
    }

    /// The interval.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// The period of a bar that ends at `frame_end_ms`.
    pub fn of(&mut self, frame_end_ms: i64) -> Period {
        if !self.day.contains(frame_end_ms) {
            self.load(self.calendar.trading_day(frame_end_ms));
        }
        let Interval::Minutes(minutes) = self.interval else {
            // A bar after the last session makes the period longer.
            return Period { end_ms: self.whole.end_ms.max(frame_end_ms), ..self.whole };
        };
        let length_ms = i64::from(minutes) * 60_000;
        let period = |after_ms: i64, until_ms: i64, frame_ms: i64| {
            let before = (frame_ms - after_ms - 1).div_euclid(length_ms) * length_ms;
            let after_ms = after_ms + before;
            Period { after_ms, end_ms: (after_ms + length_ms).min(until_ms), day: self.day.date }
        };
        match self.auction {
            Some((after, until)) if (after - 59_999..=until.min(after + length_ms)).contains(&frame_end_ms) => {
                Period { after_ms: after - 60_000, ..period(after, until, after + 1) }
            }
            _ => {
                let span = self.spans.partition_point(|(_, until)| *until < frame_end_ms);
                // The spans divide the whole day.
                let (after, until) = self.spans.get(span).copied().unwrap_or((self.day.after_ms, self.day.until_ms));
                period(after, until, frame_end_ms)
            }
        }
    }

    fn load(&mut self, day: TradingDay) {
        self.day = day;
        let sessions = self.calendar.sessions(day.date);
        self.spans.clear();
        let mut at = day.after_ms;
        for session in &sessions {
            if at < session.start_ms {
                self.spans.push((at, session.start_ms));
            }
            self.spans.push((session.start_ms, session.end_ms));
            at = session.end_ms;
        }
        if at < day.until_ms {
            self.spans.push((at, day.until_ms));
        }
        let own_bar = self.calendar.opening_auction() == OpeningAuction::OwnBar;
        let first = sessions.iter().find(|session| !session.extended).filter(|_| own_bar);
        self.auction = first.map(|first| (first.start_ms, first.end_ms));
        self.whole = self.whole_period(day);
    }

    /// The period of the interval, if it is a day or longer.
    fn whole_period(&self, day: TradingDay) -> Period {
        let (first, last) = match self.interval {
            Interval::Minutes(_) | Interval::Day => (day.date, day.date),
            Interval::Week => {
                let monday = day
                    .date
                    .tomorrow()
                    .map_or(day.date, |next| next.nth_weekday(-1, Weekday::Monday).unwrap_or(day.date));
                (monday, monday.saturating_add(6.days()))
            }
            Interval::Month => (day.date.first_of_month(), day.date.last_of_month()),
        };
        let after_ms = if first == day.date { day.after_ms } else { self.first_instant(first, day) };
        // The last trading day of the period, or the day of the bar where that is no trading day.
        let last_day = match self.calendar.is_trading_day(last) {
            true => last,
            false => self.calendar.previous_trading_day(last).max(day.date),
        };
        let close_ms = self.close_of(last_day).unwrap_or(day.close_ms);
        Period { after_ms, end_ms: close_ms, day: last_day }
    }

    /// When the first trading day of a week or a month begins, which is that of `day` or an earlier
    /// one.
    fn first_instant(&self, first: Date, day: TradingDay) -> i64 {
        match self.calendar.days_begin_in_evening() {
            // The evening before a Monday or the first of a month may be part of its day.
            true => {
                let first_day = self.calendar.next_trading_day(first);
                self.calendar
                    .sessions(first_day)
                    .first()
                    .map_or(day.after_ms, |session| self.calendar.trading_day(session.start_ms + 1).after_ms)
            }
            false => self.calendar.span_of_date(first).0,
        }
    }

    /// When the last session of a day ends, by the hours of the symbol.
    fn close_of(&self, date: Date) -> Option<i64> {
        self.calendar.sessions(date).last().map(|session| session.end_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::CalendarSpec;
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    /// The ends of the periods of all minutes of a day, as local times, each once.
    fn ends(calendar: &Calendar, interval: &str, day: Date) -> Vec<String> {
        let zone = calendar.zone().clone();
        let mut periods = Periods::new(calendar.clone(), interval.parse().unwrap());
        let mut ends: Vec<i64> = calendar.minutes(day).into_iter().map(|minute| periods.of(minute).end_ms).collect();
        ends.dedup();
        let local =
            |ms| jiff::Timestamp::from_millisecond(ms).unwrap().to_zoned(zone.clone()).strftime("%H:%M").to_string();
        ends.into_iter().map(local).collect()
    }

    #[test]
    fn minutes_are_counted_from_the_beginning_of_each_session() {
        let stocks = Calendar::preset("XSHG").unwrap();
        let day = date(2024, 7, 4);
        assert_eq!(ends(&stocks, "1h", day), ["10:30", "11:30", "14:00", "15:00"]);
        assert_eq!(ends(&stocks, "2h", day), ["11:30", "15:00"]);
        assert_eq!(ends(&stocks, "4h", day), ["11:30", "15:00"]);
        assert_eq!(ends(&stocks, "5m", day).len(), 48);
        // 120 minutes are no multiple of 50: the last bar of each session is shorter.
        assert_eq!(ends(&stocks, "50m", day), ["10:20", "11:10", "11:30", "13:50", "14:40", "15:00"]);
        assert_eq!(ends(&stocks, "1d", day), ["15:00"]);
    }

    #[test]
    fn breaks_nights_and_early_closes_end_periods() {
        let futures = Calendar::preset("CN-FUTURES").unwrap().of_symbol("rb2410");
        let hours = ends(&futures, "1h", date(2024, 7, 4));
        assert_eq!(hours, ["22:00", "23:00", "10:00", "10:15", "11:30", "14:30", "15:00"]);
        let shares = Calendar::preset("XNYS").unwrap().regular();
        // The day after Thanksgiving closes at 13:00.
        assert_eq!(ends(&shares, "1h", date(2026, 11, 27)), ["10:30", "11:30", "12:30", "13:00"]);
        assert_eq!(ends(&shares, "1d", date(2026, 11, 27)), ["13:00"]);
        // The clocks went back on 2026-11-01; the session begins at the same local time.
        assert_eq!(ends(&shares, "4h", date(2026, 10, 30)), ends(&shares, "4h", date(2026, 11, 2)));
    }

    #[test]
    fn an_auction_with_a_bar_of_its_own_is_in_the_first_period() {
        let spec: CalendarSpec = toml::from_str("preset = \"XSHG\"\nopening_auction = \"own-bar\"").unwrap();
        let calendar = Calendar::from_spec(spec).unwrap();
        let day = date(2024, 7, 4);
        assert_eq!(ends(&calendar, "5m", day).len(), 48);
        let minutes = calendar.minutes(day);
        let mut periods = Periods::new(calendar, Interval::Minutes(5));
        assert_eq!(periods.of(minutes[0]), periods.of(minutes[5]));
        assert_ne!(periods.of(minutes[0]), periods.of(minutes[6]));
        assert!(periods.of(minutes[0]).contains(minutes[0]));
        // Without the setting the bar lies before the session, as a period of its own.
        let mut plain = Periods::new(Calendar::preset("XSHG").unwrap(), Interval::Minutes(5));
        assert_eq!(plain.of(minutes[0]).end_ms, minutes[0]);
    }

    #[test]
    fn weeks_and_months_end_with_their_last_trading_day() {
        let stocks = Calendar::preset("XSHG").unwrap();
        let close = |day: Date| *stocks.minutes(day).last().unwrap();
        let mut weeks = Periods::new(stocks.clone(), Interval::Week);
        let (monday, friday) = (date(2024, 7, 1), date(2024, 7, 5));
        assert_eq!(weeks.of(close(monday)), weeks.of(close(friday)));
        assert_eq!(weeks.of(close(monday)).end_ms, close(friday));
        assert_ne!(weeks.of(close(friday)), weeks.of(close(date(2024, 7, 8))));
        // The National Day holidays end the week on a Monday.
        assert_eq!(weeks.of(close(date(2024, 9, 30))).day, date(2024, 9, 30));
        let mut months = Periods::new(stocks.clone(), Interval::Month);
        assert_eq!(months.of(close(monday)).end_ms, close(date(2024, 7, 31)));
        assert_eq!(months.of(close(monday)), months.of(close(date(2024, 7, 31))));
        assert!(months.of(close(monday)).contains(close(monday)));
    }

    #[test]
    fn the_night_before_a_week_belongs_to_the_week() {
        let futures = Calendar::preset("CN-FUTURES").unwrap().of_symbol("rb2410");
        let mut weeks = Periods::new(futures.clone(), Interval::Week);
        let monday = futures.minutes(date(2024, 7, 8));
        let week = weeks.of(monday[0]);
        assert!(week.contains(monday[0]) && week.contains(*monday.last().unwrap()));
        assert_eq!(week, weeks.of(*futures.minutes(date(2024, 7, 12)).last().unwrap()));
    }

    #[test]
    fn every_minute_is_in_the_period_found_for_it() {
        for name in ["XSHG", "XNYS", "CN-FUTURES", "CME", "24x7"] {
            let calendar = Calendar::preset(name).unwrap();
            for interval in ["1m", "2m", "7m", "1h", "4h", "1d", "1w", "1M"] {
                let mut periods = Periods::new(calendar.clone(), interval.parse().unwrap());
                let start = date(2024, 3, 7).to_zoned(TimeZone::UTC).unwrap().timestamp().as_millisecond();
                for minute in 0..5 * 24 * 60 {
                    let frame_ms = start + minute * 60_000;
                    let period = periods.of(frame_ms);
                    assert!(period.contains(frame_ms), "{name} {interval} {frame_ms} {period:?}");
                    assert_eq!(periods.of(period.end_ms), period, "{name} {interval} {frame_ms}");
                }
            }
        }
    }
}
