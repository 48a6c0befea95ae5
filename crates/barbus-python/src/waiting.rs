//! Waits for a bus, or a daemon, that is starting.

use std::time::{Duration, Instant};

use barbus::Error;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::raised;

/// Time between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// How long a producer waits for a daemon that is starting, if the caller states no time: seconds.
pub(crate) const DAEMON_WAIT: f64 = 10.0;

/// Tries again for `wait` seconds while the bus or its daemon is not there yet; then it fails as
/// the last attempt did.
pub(crate) fn until_ready<T: Send>(
    py: Python<'_>,
    wait: Option<f64>,
    attempt: impl Fn() -> barbus::Result<T> + Sync,
) -> PyResult<T> {
    retry(py, wait.unwrap_or(0.0), is_starting, attempt)
}

/// As [`until_ready`], and waits [`DAEMON_WAIT`] for the daemon of a bus that exists if the caller
/// states no time.
pub(crate) fn until_connected<T: Send>(
    py: Python<'_>,
    wait: Option<f64>,
    attempt: impl Fn() -> barbus::Result<T> + Sync,
) -> PyResult<T> {
    match wait {
        Some(wait) => retry(py, wait, is_starting, attempt),
        None => retry(py, DAEMON_WAIT, |error| matches!(error, Error::NoDaemon { .. }), attempt),
    }
}

fn retry<T: Send>(
    py: Python<'_>,
    wait: f64,
    may_succeed: impl Fn(&Error) -> bool,
    attempt: impl Fn() -> barbus::Result<T> + Sync,
) -> PyResult<T> {
    let wait = seconds("wait", wait)?;
    let end = Instant::now().checked_add(wait);
    loop {
        let error = match py.detach(&attempt) {
            Ok(ready) => return Ok(ready),
            Err(error) => error,
        };
        let is_over = end.is_some_and(|end| Instant::now() >= end);
        if is_over || !may_succeed(&error) {
            return Err(raised(error));
        }
        py.check_signals()?;
        py.detach(|| std::thread::sleep(RETRY_INTERVAL));
    }
}

/// The duration of an argument in seconds.
pub(crate) fn seconds(argument: &str, value: f64) -> PyResult<Duration> {
    let duration = Duration::try_from_secs_f64(value);
    duration.map_err(|_| PyValueError::new_err(format!("{argument}: give seconds, 0 or more")))
}

fn is_starting(error: &Error) -> bool {
    matches!(
        error,
        Error::NotABus { .. }
            | Error::NoRing { .. }
            | Error::RingLost { .. }
            | Error::OtherBoot { .. }
            | Error::NoDaemon { .. }
    )
}
