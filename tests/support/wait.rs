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

/// Waits until every thread of a process has stopped. SIGSTOP is a request: a busy process goes on
/// until its main thread has been given the processor.
pub(crate) fn until_stopped(pid: u32) {
    until(&format!("process {pid} to stop"), || {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let is_stopped = |stat: String| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'));
        threads
            .map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok())
            .all(|stat| stat.is_some_and(is_stopped))
            .then_some(())
    });
}
