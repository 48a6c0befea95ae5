//! The last failure of a thread that retries: the flusher or the syncer.

use std::fmt;

use barbus_bars::Date;
use jiff::Timestamp;

/// The last failure of the flusher or of the syncer, kept until the next success.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// The trading day that is not archived; `None` for a sync, which concerns the whole ring.
    pub day: Option<Date>,
    /// The reason.
    pub error: String,
    /// The time of the last attempt.
    pub at: Timestamp,
    /// Failed attempts since the last success.
    pub tries: u32,
}

impl Failure {
    /// The failure that follows `previous`: it counts one attempt more.
    pub(crate) fn after(previous: Option<&Self>, day: Option<Date>, error: String) -> Self {
        Self { day, error, at: Timestamp::now(), tries: previous.map_or(0, |last| last.tries) + 1 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(day) = self.day {
            write!(f, "{day}: ")?;
        }
        write!(f, "{} (tried {} times)", self.error, self.tries)
    }
}

/// Logs a failure once, however often it is retried, and the recovery from it.
#[derive(Debug)]
pub(crate) struct FailureLog {
    failed: &'static str,
    recovered: &'static str,
    logged: Option<Failure>,
}

impl FailureLog {
    /// Logs `failed` for a failure and `recovered` for the success after it.
    pub(crate) fn new(failed: &'static str, recovered: &'static str) -> Self {
        Self { failed, recovered, logged: None }
    }

    /// Logs the result of an attempt, if it differs from the result before it.
    pub(crate) fn update(&mut self, failure: Option<Failure>) {
        match (&failure, &self.logged) {
            (Some(new), Some(logged)) if (new.day, &new.error) == (logged.day, &logged.error) => {}
            (Some(Failure { day, error, .. }), _) => {
                tracing::warn!(day = day.map(tracing::field::display), %error, "{}", self.failed);
            }
            (None, Some(Failure { day, .. })) => {
                tracing::info!(day = day.map(tracing::field::display), "{}", self.recovered);
            }
            (None, None) => {}
        }
        self.logged = failure;
    }
}
