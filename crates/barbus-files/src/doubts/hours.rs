//! Whether bars lie within the sessions of the market.

use barbus_bars::{Calendar, Session, TradingDay};

use super::Doubt;

/// Fewest bars that say something.
const MIN_BARS: u64 = 10;

/// Counts bars outside of the sessions.
#[derive(Debug)]
pub(super) struct Hours {
    calendar: Option<Calendar>,
    /// The day of the last bar and its sessions.
    day: Option<(TradingDay, Vec<Session>)>,
    /// Whether the last frame was outside.
    last: (i64, bool),
    bars: u64,
    outside: u64,
    example: Option<i64>,
}

impl Hours {
    pub(super) fn new(calendar: Option<Calendar>) -> Hours {
        Hours { calendar, day: None, last: (i64::MIN, false), bars: 0, outside: 0, example: None }
    }

    /// Adds a bar.
    pub(super) fn add(&mut self, frame_ms: i64) {
        let Some(calendar) = &self.calendar else { return };
        let (_, sessions) = match self.day.take() {
            Some(day) if day.0.contains(frame_ms) => self.day.insert(day),
            _ => {
                let day = calendar.trading_day(frame_ms);
                self.day.insert((day, calendar.sessions(day.date)))
            }
        };
        if self.last.0 != frame_ms {
            self.last = (frame_ms, !sessions.iter().any(|session| session.has_bar(frame_ms)));
        }
        self.bars += 1;
        if self.last.1 {
            self.outside += 1;
            self.example.get_or_insert(frame_ms);
        }
    }

    /// The doubt, if more than half of the bars are outside.
    pub(super) fn doubt(&self, shown: impl Fn(i64) -> String) -> Option<Doubt> {
        let (calendar, example) = (self.calendar.as_ref()?, self.example?);
        (self.bars >= MIN_BARS && self.outside * 2 > self.bars).then(|| Doubt {
            what: format!(
                "{} of {} bars are outside the sessions of {}, such as one that would end at {}",
                self.outside,
                self.bars,
                calendar.name(),
                shown(example)
            ),
            way_out: "give the zone of the times with --zone, or --epoch-zone for epochs of a wall clock".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(calendar: &str, first: &str, bars: i64) -> Option<String> {
        let mut hours = Hours::new(Some(Calendar::preset(calendar).unwrap()));
        let first = first.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        (0..bars).for_each(|minute| hours.add(first + minute * 60_000));
        hours.doubt(|ms| ms.to_string()).map(|doubt| doubt.to_string())
    }

    /// Promise 9: times of another zone are not silently stored.
    #[test]
    fn bars_in_the_night_of_their_market_are_doubted() {
        // 01:31 UTC taken for 01:31 in Shanghai.
        assert!(doubt("XSHG", "2024-03-03T17:31:00Z", 120).unwrap().contains("--zone"));
        assert_eq!(doubt("XSHG", "2024-03-04T01:31:00Z", 120), None);
        // A Sunday.
        assert!(doubt("XNYS", "2024-03-03T15:00:00Z", 120).is_some());
        assert_eq!(doubt("24x7", "2024-03-03T15:00:00Z", 120), None);
        assert_eq!(doubt("XSHG", "2024-03-03T17:31:00Z", 3), None, "too few bars");
    }
}
