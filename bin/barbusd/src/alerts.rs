//! Looks after the readers, on a slow tick beside everything else: who falls behind, and who holds blocks for long, is told by the log.

use std::collections::HashMap;
use std::time::Duration;

use barbus::{Bus, ReaderStat, ReaderState};
use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

/// How often the readers are looked at.
const TICK: Duration = Duration::from_secs(1);
/// Who is warned about has recovered when no more than this part of what he is warned for is left.
const RECOVERED: f64 = 0.5;

/// Looks again and again, for ever.
pub(crate) async fn watch(bus: Bus) {
    if !bus.settings().positions {
        return;
    }
    let mut watch = ReadersWatch::new(bus.settings().warn_lag, bus.settings().warn_pins);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let theirs = bus.clone();
        // A directory that cannot be read says nothing of anybody.
        let Ok(Ok(readers)) = tokio::task::spawn_blocking(move || barbus::readers(&theirs)).await else { continue };
        let now = Timestamp::now();
        for (news, reader) in watch.look(readers, now) {
            tell(news, &reader, now);
        }
    }
}

/// What is new of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// It will be overtaken soon.
    Near,
    /// It was overtaken.
    Lapped,
    /// It was one of these, and is not any more.
    Recovered,
    /// It has held a block for long.
    Holds,
    /// And does not any more.
    LetGo,
    /// It was warned about, and has ended.
    Gone,
}

fn tell(news: News, reader: &ReaderStat, now: Timestamp) {
    // The name is another user's text, without control characters. Debug keeps its end apart from what follows.
    let (name, pid, position) = (&reader.name, reader.pid, reader.position);
    let (lag_bars, lag_s) = (reader.lag_bars, reader.lag_s);
    let held_s = reader.pins_age(now).map(|age| age.as_secs());
    match news {
        News::Near => {
            let ring_used = reader.ring_used.map(|used| format!("{:.0}%", used * 100.0));
            tracing::warn!(?name, pid, position, lag_bars, lag_s, ring_used, "reader falls behind: it will miss bars");
        }
        News::Lapped => tracing::warn!(?name, pid, position, lag_bars, "reader was overtaken: it misses bars"),
        News::Recovered => tracing::info!(?name, pid, position, lag_bars, "reader keeps up again"),
        News::Holds => tracing::warn!(
            ?name,
            pid,
            blocks = reader.pins,
            held_s,
            "reader holds blocks of the ring for long: they cannot be used again"
        ),
        News::LetGo => tracing::info!(?name, pid, "reader has let its blocks go"),
        News::Gone => tracing::info!(?name, pid, "reader that was warned about has ended"),
    }
}

/// What was told so far, by the readers' ids.
#[derive(Debug)]
struct ReadersWatch {
    warn_lag: f64,
    warn_pins: Duration,
    told: HashMap<String, Told>,
}

#[derive(Debug)]
struct Told {
    lag: Option<News>,
    holds: bool,
    last: ReaderStat,
}

impl ReadersWatch {
    fn new(warn_lag: f64, warn_pins: Duration) -> Self {
        Self { warn_lag, warn_pins, told: HashMap::new() }
    }

    /// What is new: each state of each reader once, until it has recovered.
    fn look(&mut self, readers: Vec<ReaderStat>, now: Timestamp) -> Vec<(News, ReaderStat)> {
        let mut news = Vec::new();
        let mut before = std::mem::take(&mut self.told);
        for reader in readers {
            let told = before.remove(&reader.id);
            let (was, held) = told.map_or((None, false), |told| (told.lag, told.holds));
            let used = reader.ring_used.unwrap_or(0.0);
            let lag = match was {
                _ if reader.state == ReaderState::Lapped => Some(News::Lapped),
                None if used >= self.warn_lag => Some(News::Near),
                Some(was) if used > self.warn_lag * RECOVERED => Some(was),
                _ => None,
            };
            let holds = reader.pins > 0 && reader.pins_age(now).is_some_and(|age| age >= self.warn_pins);
            match lag {
                Some(lag) if was != Some(lag) => news.push((lag, reader.clone())),
                None if was.is_some() => news.push((News::Recovered, reader.clone())),
                _ => {}
            }
            match (held, holds) {
                (false, true) => news.push((News::Holds, reader.clone())),
                (true, false) => news.push((News::LetGo, reader.clone())),
                _ => {}
            }
            // Those of whom nothing was told are not kept: there may be many.
            if lag.is_some() || holds {
                self.told.insert(reader.id.clone(), Told { lag, holds, last: reader });
            }
        }
        news.extend(before.into_values().map(|told| (News::Gone, told.last)));
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader as `barbus::readers` gives it; the fields that matter here follow.
    fn reader(id: &str, state: &str, ring_used: f64, held_s: i64) -> ReaderStat {
        let since = Timestamp::from_second(1_000 - held_s).unwrap();
        serde_json::from_value(serde_json::json!({
            "id": id, "name": id, "pid": 7, "uid": 0, "started": null, "state": state, "position": 1, "lag_bars": 5, "lag_s": 1.0,
            "ring_used": ring_used, "pins": u32::from(held_s > 0), "pins_since": (held_s > 0).then_some(since),
        }))
        .unwrap()
    }

    #[test]
    fn each_state_is_told_once_until_it_is_over() {
        let mut watch = ReadersWatch::new(0.75, Duration::from_secs(60));
        let now = Timestamp::from_second(1_000).unwrap();
        let mut look = |readers: &[ReaderStat]| {
            watch.look(readers.to_vec(), now).into_iter().map(|(news, _)| news).collect::<Vec<_>>()
        };
        for (used, state, news) in [
            (0.70, "live", None),
            (0.75, "live", Some(News::Near)),
            (0.80, "live", None),
            (0.70, "live", None),
            (0.76, "live", None),
            (1.0, "lapped", Some(News::Lapped)),
            (1.0, "lapped", None),
            (0.99, "live", None),
            (0.375, "live", Some(News::Recovered)),
            (0.60, "live", None),
            (1.0, "lapped", Some(News::Lapped)),
        ] {
            assert_eq!(
                look(&[reader("a", state, used, 0), reader("b", "live", 0.1, 0)]),
                Vec::from_iter(news),
                "{used}"
            );
        }
        assert_eq!(look(&[]), [News::Gone]);
        assert_eq!(look(&[]), []);
        for (held_s, news) in [(59, None), (60, Some(News::Holds)), (90, None), (1, Some(News::LetGo)), (0, None)] {
            assert_eq!(look(&[reader("a", "live", 0.1, held_s)]), Vec::from_iter(news), "{held_s}");
        }
    }
}
