//! Waits for a bus, or a daemon, that is starting.

use std::time::{Duration, Instant};

use barbus::Error;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::raised;

/// Time between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Tries again for `wait` seconds while the bus or its daemon is not there yet; then it fails as
/// the last attempt did.
pub(crate) fn until_ready<T: Send>(
    py: Python<'_>,
    wait: Option<f64>,
    attempt: impl Fn() -> barbus::Result<T> + Sync,
) -> PyResult<T> {
    let wait = wait.map_or(Ok(Duration::ZERO), Duration::try_from_secs_f64);
    let wait = wait.map_err(|_| PyValueError::new_err("wait: give seconds, 0 or more"))?;
    let end = Instant::now().checked_add(wait);
    loop {
        let error = match py.detach(&attempt) {
            Ok(ready) => return Ok(ready),
            Err(error) => error,
        };
        let is_over = end.is_some_and(|end| Instant::now() >= end);
        if is_over || !is_starting(&error) {
            return Err(raised(error));
        }
        py.check_signals()?;
        py.detach(|| std::thread::sleep(RETRY_INTERVAL));
    }
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
