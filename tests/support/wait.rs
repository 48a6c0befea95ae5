//! Waiting for something to become true, without betting on how long it takes.
//!
//! The deadline is generous because it is met only when a test fails; the condition is looked at every few milliseconds.

use std::time::{Duration, Instant};

/// After this a thing that a test waits for is held to never come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

const INTERVAL: Duration = Duration::from_millis(5);

/// Looks until `look` gives a value; panics with `what` when it has not after [`PATIENCE`].
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(INTERVAL);
    }
}
