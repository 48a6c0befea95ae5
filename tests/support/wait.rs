//! Waits for a condition, without assumptions about how long it takes.
//!
//! The condition is polled every few milliseconds; only a failing test reaches the deadline.

use std::time::{Duration, Instant};

/// A condition that has not become true after this time fails the test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

const INTERVAL: Duration = Duration::from_millis(5);

/// Polls until `poll` returns a value; panics with `what` after [`PATIENCE`].
pub(crate) fn until<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(INTERVAL);
    }
}
