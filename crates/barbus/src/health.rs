//! Health: whether the writer runs, and whether the bus has the bars that its market gives.

use std::collections::BTreeMap;
use std::time::Duration;

use barbus_bars::{Calendar, Session};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::bus::Bus;
use crate::reader::Reader;

/// How a bus is, for monitors: an answer of [`health`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Whether a writer, the daemon or a program that embeds one, runs.
    pub alive: bool,
    /// Whether it also has fresh bars, if its market is open.
    pub ready: bool,
    /// Why it is not alive or not ready, a phrase each; empty if it is ready.
    pub reasons: Vec<String>,
    /// The regular session that is open; `None` while bars are not expected.
    pub session: Option<String>,
    /// When that session began.
    pub session_since: Option<Timestamp>,
    /// Seconds since the newest bar was received; `None` without a bar in the ring.
    pub last_age_s: Option<f64>,
}

/// How a bus is. It reads the files of the bus only, so a daemon that is stopped does not delay it.
///
/// A bus is ready if its writer runs and, in the regular sessions of its symbols, the newest bar
/// was received less than `grace` ago. A session that began less than `grace` ago need not have a
/// bar yet. At lunch, at night and on holidays no bar is expected.
///
/// ```no_run
/// let health = barbus::health(&barbus::Bus::open("BUS")?, std::time::Duration::from_secs(120));
/// assert!(health.ready, "{:?}", health.reasons);
/// # Ok::<(), barbus::Error>(())
/// ```
pub fn health(bus: &Bus, grace: Duration) -> Health {
    let now = Timestamp::now();
    match Reader::open(bus.path()) {
        Ok(mut reader) => {
            let age = reader.newest_age();
            let alive = reader.writer_alive();
            let open = open_session(&bus.settings().calendar, reader.symbol_names(), now.as_millisecond());
            Observation { alive, age, open }.judge(bus, now, grace)
        }
        Err(error) => Health { reasons: vec![error.to_string()], ..Health::default() },
    }
}

/// What the files of a bus show at one moment.
struct Observation {
    alive: bool,
    age: Option<Duration>,
    open: Option<Session>,
}

impl Observation {
    fn judge(self, bus: &Bus, now: Timestamp, grace: Duration) -> Health {
        let mut reasons = Vec::new();
        if !self.alive {
            reasons.push("no writer: its heartbeat is missing".to_owned());
        }
        let since = self.open.as_ref().and_then(|open| Timestamp::from_millisecond(open.start_ms).ok());
        if let Some((session, since)) = self.open.as_ref().zip(since) {
            let open_for = Duration::try_from(now.duration_since(since)).unwrap_or_default();
            let silence = self.age.map_or(open_for, |age| age.min(open_for));
            if silence > grace {
                let zone = TimeZone::get(bus.settings().schema.zone()).unwrap_or(TimeZone::UTC);
                let opened = since.to_zoned(zone).strftime("%H:%M").to_string();
                let name = &session.name;
                reasons
                    .push(format!("no bar for {} s, and the session {name} is open since {opened}", silence.as_secs()));
            }
        }
        Health {
            alive: self.alive,
            ready: reasons.is_empty(),
            reasons,
            session: self.open.map(|session| session.name.to_string()),
            session_since: since,
            last_age_s: self.age.map(|age| age.as_secs_f64()),
        }
    }
}

/// Of the regular sessions that are open for some of these symbols, the one that opened first; for
/// no symbols, that of the whole market.
fn open_session(calendar: &Calendar, symbols: &[String], now_ms: i64) -> Option<Session> {
    let calendar = calendar.regular();
    let mut hours: BTreeMap<Option<String>, Calendar> = BTreeMap::new();
    if calendar.groups().next().is_some() {
        for symbol in symbols {
            let view = calendar.of_symbol(symbol);
            hours.entry(view.group().map(str::to_owned)).or_insert(view);
        }
    }
    if hours.is_empty() {
        hours.insert(None, calendar);
    }
    hours.values().filter_map(|view| view.session_at(now_ms)).min_by_key(|session| session.start_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::InitOptions;

    /// 2024-07-04 09:30 in Shanghai, a Thursday.
    const OPEN_MS: i64 = 1_720_056_600_000;
    const MINUTE_MS: i64 = 60_000;
    const GRACE: Duration = Duration::from_secs(120);

    fn at(minutes: i64) -> i64 {
        OPEN_MS + minutes * MINUTE_MS
    }

    /// The health of a living writer this many minutes after the market opened.
    fn judged(minutes: i64, age_s: Option<u64>) -> Health {
        let folder = tempfile::tempdir().unwrap();
        let bus =
            Bus::init(&folder.path().join("bus"), &InitOptions { calendar: "XSHG".into(), preset: None }).unwrap();
        let open = open_session(&bus.settings().calendar, &[], at(minutes));
        let observation = Observation { alive: true, age: age_s.map(Duration::from_secs), open };
        observation.judge(&bus, Timestamp::from_millisecond(at(minutes)).unwrap(), GRACE)
    }

    #[test]
    fn fresh_bars_are_expected_while_the_market_is_open() {
        assert!(judged(10, Some(60)).ready);
        let stale = judged(10, Some(121));
        assert!(stale.alive && !stale.ready);
        assert_eq!(stale.reasons, ["no bar for 121 s, and the session morning is open since 09:30"]);
        assert_eq!(judged(10, None).reasons, ["no bar for 600 s, and the session morning is open since 09:30"]);
    }

    #[test]
    fn a_session_that_has_just_begun_needs_no_bar_yet() {
        let night = Some(18 * 3600);
        assert!(judged(2, night).ready);
        assert!(!judged(3, night).ready);
        // After lunch, the newest bar is that of 11:30.
        assert!(judged(3 * 60 + 31, Some(91 * 60)).ready);
        assert!(!judged(3 * 60 + 33, Some(93 * 60)).ready);
    }

    #[test]
    fn quiet_is_right_while_the_market_is_closed() {
        let quiet = Some(100 * 3600);
        let lunch = judged(150, quiet);
        assert!(lunch.ready && lunch.session.is_none(), "{lunch:?}");
        assert!(judged(-1, quiet).ready, "before the open");
        assert!(judged(12 * 60, quiet).ready, "at night");
        assert!(judged(2 * 24 * 60 + 10, quiet).ready, "on a Saturday");
    }

    /// 22:00 in Shanghai: copper trades, and the stock index does not.
    #[test]
    fn the_sessions_are_those_of_the_symbols_on_the_bus() {
        let calendar = Calendar::preset("CN-FUTURES").unwrap();
        let night = at(12 * 60 + 30);
        let open = |symbols: &[&str]| {
            let symbols: Vec<String> = symbols.iter().map(|symbol| (*symbol).to_owned()).collect();
            open_session(&calendar, &symbols, night).map(|session| session.name.to_string())
        };
        assert_eq!(open(&["IF2409"]), None);
        assert!(open(&["IF2409", "cu2409"]).is_some());
    }

    #[test]
    fn without_a_writer_nothing_is_ready() {
        let folder = tempfile::tempdir().unwrap();
        let bus =
            Bus::init(&folder.path().join("bus"), &InitOptions { calendar: "24x7".into(), preset: None }).unwrap();
        let health = health(&bus, GRACE);
        assert!(!health.alive && !health.ready);
        assert!(health.reasons[0].contains("no ring yet"), "{:?}", health.reasons);
    }
}
