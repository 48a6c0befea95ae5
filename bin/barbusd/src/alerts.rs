//! Watches the readers of the bus, and logs which of them fall behind or hold blocks for long.

use std::collections::HashMap;
use std::time::Duration;

use barbus::internal::LogLimit;
use barbus::{Bus, ReaderStat, ReaderState};
use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

/// How often the position files of the readers are read.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// A reader has recovered when its lag is at most this share of the lag that raises a warning.
/// Without the margin a reader near the threshold would be logged again and again.
const RECOVERED: f64 = 0.5;

/// The lines about readers.
static LINES: LogLimit = LogLimit::new(100, Duration::from_secs(10));

/// Watches the readers until the task is aborted.
pub(crate) async fn watch(bus: Bus) {
    if !bus.settings().positions {
        return;
    }
    let mut alerts = ReaderAlerts::new(bus.settings().warn_lag, bus.settings().warn_pins);
    let mut tick = interval(CHECK_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let task_bus = bus.clone();
        let Ok(Ok(readers)) = tokio::task::spawn_blocking(move || barbus::readers(&task_bus)).await else {
            // The directory cannot be read, so the readers are unknown. The next tick tries again.
            continue;
        };
        let now = Timestamp::now();
        for (alert, reader) in alerts.update(readers, now) {
            report(alert, &reader, now);
        }
    }
}

/// A change in the state of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alert {
    /// The writer will soon overtake it.
    FallingBehind,
    /// The writer has overtaken it.
    Lapped,
    /// It was falling behind or lapped, and keeps up again.
    Recovered,
    /// It has held a block for long.
    Holding,
    /// It has released the blocks that it held for long.
    Released,
    /// A reader with a warning has ended.
    Ended,
}

fn report(alert: Alert, reader: &ReaderStat, now: Timestamp) {
    // Another user chose the name. It has no control characters, and its Debug form is quoted, so
    // it cannot pass for another field of the line.
    let (name, pid, position) = (&reader.name, reader.pid, reader.position);
    let (lag_bars, lag_s) = (reader.lag_bars, reader.lag_s);
    // A thousand readers may fall behind together.
    let Some(suppressed) = LINES.admit_line() else { return };
    match alert {
        Alert::FallingBehind => {
            let ring_used = reader.ring_used.map(|used| format!("{:.0}%", used * 100.0));
            tracing::warn!(
                ?name,
                pid,
                position,
                lag_bars,
                lag_s,
                ring_used,
                suppressed,
                "reader falls behind: it will miss bars: give it a processor, or the bus a larger ring.size"
            );
        }
        Alert::Lapped => tracing::warn!(
            ?name,
            pid,
            position,
            lag_bars,
            suppressed,
            "reader was overtaken: it misses bars: it gets them by barbus bars, or from the archive"
        ),
        Alert::Recovered => tracing::info!(?name, pid, position, lag_bars, "reader keeps up again"),
        Alert::Holding => {
            let held_s = reader.pins_age(now).map(|age| age.as_secs());
            tracing::warn!(
                ?name,
                pid,
                blocks = reader.pins,
                held_s,
                suppressed,
                "reader holds blocks of the ring for long: the writer cannot reuse them: let it drop its views, or end it"
            );
        }
        Alert::Released => tracing::info!(?name, pid, "reader has released its blocks"),
        Alert::Ended => tracing::info!(?name, pid, "reader with a warning has ended"),
    }
}

/// The warnings that are in force, by reader.
#[derive(Debug)]
struct ReaderAlerts {
    warn_lag: f64,
    warn_pins: Duration,
    /// By the id of the reader. Only readers with a warning: there may be many without.
    warned: HashMap<String, Warnings>,
}

#[derive(Debug)]
struct Warnings {
    /// [`Alert::FallingBehind`] or [`Alert::Lapped`].
    lag: Option<Alert>,
    is_holding: bool,
    reader: ReaderStat,
}

impl ReaderAlerts {
    fn new(warn_lag: f64, warn_pins: Duration) -> Self {
        Self { warn_lag, warn_pins, warned: HashMap::new() }
    }

    /// Takes the current readers and returns the changes. It repeats no alert of a reader
    /// before that reader has recovered.
    fn update(&mut self, readers: Vec<ReaderStat>, now: Timestamp) -> Vec<(Alert, ReaderStat)> {
        let mut alerts = Vec::new();
        let mut previous = std::mem::take(&mut self.warned);
        for reader in readers {
            let warnings = previous.remove(&reader.id);
            let (had_lag, was_holding) = warnings.map_or((None, false), |before| (before.lag, before.is_holding));
            let lag = self.lag(&reader, had_lag);
            let is_holding = reader.pins > 0 && reader.pins_age(now).is_some_and(|age| age >= self.warn_pins);
            match lag {
                Some(lag) if had_lag != Some(lag) => alerts.push((lag, reader.clone())),
                None if had_lag.is_some() => alerts.push((Alert::Recovered, reader.clone())),
                _ => {}
            }
            match (was_holding, is_holding) {
                (false, true) => alerts.push((Alert::Holding, reader.clone())),
                (true, false) => alerts.push((Alert::Released, reader.clone())),
                _ => {}
            }
            if lag.is_some() || is_holding {
                self.warned.insert(reader.id.clone(), Warnings { lag, is_holding, reader });
            }
        }
        alerts.extend(previous.into_values().map(|warnings| (Alert::Ended, warnings.reader)));
        alerts
    }

    /// The warning about the lag of a reader that had the warning `before`.
    fn lag(&self, reader: &ReaderStat, before: Option<Alert>) -> Option<Alert> {
        let used = reader.ring_used.unwrap_or(0.0);
        match before {
            _ if reader.state == ReaderState::Lapped => Some(Alert::Lapped),
            None if used >= self.warn_lag => Some(Alert::FallingBehind),
            Some(before) if used > self.warn_lag * RECOVERED => Some(before),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader as `barbus::readers` returns it. Only the parameters matter here.
    fn reader(id: &str, state: &str, ring_used: f64, held_s: i64) -> ReaderStat {
        let since = Timestamp::from_second(1_000 - held_s).unwrap();
        serde_json::from_value(serde_json::json!({
            "id": id, "name": id, "pid": 7, "uid": 0, "started": null, "state": state, "position": 1, "lag_bars": 5, "lag_s": 1.0,
            "ring_used": ring_used, "pins": u32::from(held_s > 0), "pins_since": (held_s > 0).then_some(since),
        }))
        .unwrap()
    }

    #[test]
    fn each_state_is_reported_once_until_the_reader_recovers() {
        let mut alerts = ReaderAlerts::new(0.75, Duration::from_secs(60));
        let now = Timestamp::from_second(1_000).unwrap();
        let mut update = |readers: &[ReaderStat]| {
            alerts.update(readers.to_vec(), now).into_iter().map(|(alert, _)| alert).collect::<Vec<_>>()
        };
        for (used, state, alert) in [
            (0.70, "live", None),
            (0.75, "live", Some(Alert::FallingBehind)),
            (0.80, "live", None),
            (0.70, "live", None),
            (0.76, "live", None),
            (1.0, "lapped", Some(Alert::Lapped)),
            (1.0, "lapped", None),
            (0.99, "live", None),
            (0.375, "live", Some(Alert::Recovered)),
            (0.60, "live", None),
            (1.0, "lapped", Some(Alert::Lapped)),
        ] {
            assert_eq!(
                update(&[reader("a", state, used, 0), reader("b", "live", 0.1, 0)]),
                Vec::from_iter(alert),
                "{used}"
            );
        }
        assert_eq!(update(&[]), [Alert::Ended]);
        assert_eq!(update(&[]), []);
        for (held_s, alert) in
            [(59, None), (60, Some(Alert::Holding)), (90, None), (1, Some(Alert::Released)), (0, None)]
        {
            assert_eq!(update(&[reader("a", "live", 0.1, held_s)]), Vec::from_iter(alert), "{held_s}");
        }
    }
}
