//! How a reader waits for the next event.

use std::time::{Duration, Instant};

use barbus_ring::{Ring, RingError};

/// How a reader waits for the next event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitStrategy {
    /// Polls without a pause, and without a system call. It has the lowest latency and uses a whole
    /// core.
    Spin,
    /// Polls some thousand times, then yields its core to other processes between polls.
    SpinThenYield,
    /// Sleeps in the kernel until the writer commits.
    #[default]
    Futex,
}

/// Polls before the first yield or sleep: a bar that arrives soon is read without a system call.
const SPINS: u32 = 2_000;
/// Longest sleep between two polls. Not every event is a commit that wakes the reader: a new ring
/// in the place of the old one is noticed after this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    Ready,
    TimedOut,
    /// A signal handler ran while the reader slept in the kernel.
    Interrupted,
}

/// Waits until `ready`, for at most `timeout`, or until a signal that `stops_at_signals`.
///
/// # Errors
/// The ring's file was truncated: this is checked after each sleep, before anything is read.
pub(super) fn wait_until(
    ring: &Ring,
    wait: WaitStrategy,
    stops_at_signals: bool,
    timeout: Duration,
    ready: impl Fn() -> bool,
) -> Result<Waited, RingError> {
    if ready() {
        return Ok(Waited::Ready);
    }
    let end = Instant::now().checked_add(timeout);
    let left = || end.map_or(LONGEST_SLEEP, |end| end.saturating_duration_since(Instant::now()));
    let mut spins = 0u32;
    loop {
        // The count is read before the check. A commit between the check and the sleep changes it,
        // and the sleep then ends at once: no commit is missed.
        let seen = ring.commits();
        if ready() {
            return Ok(Waited::Ready);
        }
        spins = spins.saturating_add(1);
        if spins < SPINS || wait == WaitStrategy::Spin {
            if spins.is_multiple_of(64) && left().is_zero() {
                return Ok(Waited::TimedOut);
            }
            std::hint::spin_loop();
            continue;
        }
        let left = left();
        if left.is_zero() {
            return Ok(Waited::TimedOut);
        }
        match wait {
            WaitStrategy::Futex => {
                let interrupted = ring.wait(seen, left.min(LONGEST_SLEEP));
                ring.check_length()?;
                if interrupted && stops_at_signals && !ready() {
                    return Ok(Waited::Interrupted);
                }
            }
            _ => std::thread::yield_now(),
        }
    }
}
