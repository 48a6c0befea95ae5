//! What the tasks of a relay share: its report and the wish to end it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use barbus::{RelayDirection, RelayStat};
use jiff::Timestamp;

use super::folder::{Folder, replace_file};

/// How often the report is written.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often the same failure is logged.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// The report of this relay, which its tasks and threads change.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    stat: Arc<Mutex<RelayStat>>,
    stopping: Arc<AtomicBool>,
    /// The last failure in the log, and when it was logged.
    last_complaint: Arc<Mutex<Option<(String, Instant)>>>,
}

impl Shared {
    /// A relay that has just started.
    pub(crate) fn new(name: &str, direction: RelayDirection, stream: &str, prefix: &str) -> Self {
        let mut stat = RelayStat::default();
        stat.name = name.to_owned();
        stat.direction = direction;
        stat.stream = stream.to_owned();
        stat.prefix = prefix.to_owned();
        stat.pid = std::process::id();
        stat.started = Some(Timestamp::now());
        Self { stat: Arc::new(Mutex::new(stat)), stopping: Arc::default(), last_complaint: Arc::default() }
    }

    /// Changes the report.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut RelayStat) -> T) -> T {
        change(&mut self.stat.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps a failure for the operators.
    pub(crate) fn failed(&self, why: &str) {
        self.update(|stat| {
            stat.last_error = Some(why.to_owned());
            stat.last_error_at = Some(Timestamp::now());
        });
    }

    /// Keeps a failure, and logs it with what the relay does next; the same one once a minute.
    pub(crate) fn complain(&self, why: &str, next: &str) {
        self.failed(why);
        let mut last = self.last_complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_some_and(|(text, at)| text == why && at.elapsed() < COMPLAINT_INTERVAL) {
            tracing::debug!("{why}: {next}");
            return;
        }
        tracing::warn!("{why}: {next}");
        *last = Some((why.to_owned(), Instant::now()));
    }

    /// Asks threads to end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether they shall end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Writes the report every second, for ever.
    pub(crate) async fn write_reports(self, folder: Folder) {
        let mut ticks = tokio::time::interval(INTERVAL);
        let mut has_failed = false;
        loop {
            ticks.tick().await;
            match self.write(&folder) {
                Ok(()) => has_failed = false,
                Err(error) if !has_failed => {
                    tracing::warn!("the report of the relay cannot be written: {error}");
                    has_failed = true;
                }
                Err(_) => {}
            }
        }
    }

    /// Writes the last report.
    pub(crate) fn end(&self, folder: &Folder) {
        self.update(|stat| (stat.ended, stat.connected) = (true, false));
        if let Err(error) = self.write(folder) {
            tracing::warn!("the report of the relay cannot be written: {error}");
        }
    }

    fn write(&self, folder: &Folder) -> std::io::Result<()> {
        let (name, text) = self.update(|stat| {
            stat.updated = Some(Timestamp::now());
            (stat.name.clone(), serde_json::to_vec(stat))
        });
        replace_file(&folder.file(&format!("{name}.json")), &text?, false)
    }
}
