//! Pushing beside the daemon: each day within seconds of its close or of a late bar.

use std::time::{Duration, Instant};

use barbus::internal::Backoff;
use tokio::signal::unix::{SignalKind, signal};

use super::pass::PassReport;
use super::session::Session;
use crate::bucket::failure::{Failure, Kind};
use crate::bucket::local;
use crate::bucket::output::{bytes, count};

/// How often the archive's files are compared with those before.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The longest time between two passes: a place that was taken over, and objects that another
/// program has removed, are noticed in this time.
const PASS_INTERVAL: Duration = Duration::from_secs(60);
/// The first and the longest pause after a failure.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// Pushes until SIGTERM or SIGINT.
///
/// # Errors
/// Another bus has taken the place, or the first pass was refused: by the service, or because of a
/// file of this machine. A failure that may pass is logged and tried again.
pub(super) async fn watch(mut session: Session) -> Result<(), Failure> {
    let no_signal = |error| Failure::new(Kind::Unfit, format!("cannot wait for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signal)?;
    tokio::select! {
        // An upload that is given up here is not visible; the next push removes it.
        ended = watch_for_ever(&mut session) => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

async fn watch_for_ever(session: &mut Session) -> Result<(), Failure> {
    let [first, longest] = PAUSES;
    let mut backoff = Backoff::new(first, longest);
    let (mut is_first, mut problems) = (true, Vec::new());
    tracing::info!(bus = %session.bus.path().display(), to = session.place.name, "watching");
    loop {
        let seen = local::days(&session.bus);
        let begun = Instant::now();
        match session.pass().await {
            Ok(report) => {
                backoff.reset();
                is_first = false;
                log(&report);
                if report.problems != problems {
                    report.problems.iter().for_each(|problem| tracing::warn!("{problem}"));
                    problems = report.problems;
                }
            }
            Err(failure) if failure.kind == Kind::Owned || (is_first && failure.kind != Kind::Passing) => {
                return Err(failure);
            }
            Err(failure) => {
                backoff.fail(Instant::now());
                let again_in = backoff.remaining(Instant::now()).unwrap_or_default().as_secs_f64().ceil();
                tracing::warn!(again_in_seconds = again_in, "{failure}");
            }
        }
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            if backoff.retry_at().is_some() {
                if backoff.remaining(Instant::now()).is_none() {
                    break;
                }
                continue;
            }
            let is_changed = match (&seen, local::days(&session.bus)) {
                (Ok(seen), Ok(now)) => *seen != now,
                _ => true,
            };
            if is_changed || begun.elapsed() >= PASS_INTERVAL {
                break;
            }
        }
    }
}

fn log(report: &PassReport) {
    for day in &report.pushed {
        tracing::info!(day = %day.day, rows = day.rows, size = bytes(day.bytes), version = day.version, "pushed");
    }
    if !report.removed.is_empty() {
        tracing::info!(manifest = report.manifest, "{} removed by --keep", count(report.removed.len(), "day"));
    }
}
