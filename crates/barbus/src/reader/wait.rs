use std::time::{Duration, Instant};

use barbus_ring::{Ring, RingError};

/// How a reader waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitStrategy {
    /// Looks again and again: the quickest, and it takes a whole core. No system call.
    Spin,
    /// Looks some thousand times, then gives its core away between looks.
    SpinThenYield,
    /// Sleeps in the kernel until the writer commits.
    #[default]
    Futex,
}

/// Looks before another process is let to the core, or the kernel is asked to wake this one.
const SPINS: u32 = 2_000;
/// Longest sleep without a look: what no commit announces (another ring in this one's place) is seen after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Waits in the way of `wait` until `ready`, at most `timeout`; whether it is. Who has slept looks whether the file is still whole.
pub(crate) fn until(
    ring: &Ring,
    wait: WaitStrategy,
    timeout: Duration,
    ready: impl Fn() -> bool,
) -> Result<bool, RingError> {
    if ready() {
        return Ok(true);
    }
    let end = Instant::now().checked_add(timeout);
    let left = || end.map_or(LONGEST_SLEEP, |end| end.saturating_duration_since(Instant::now()));
    let mut spins = 0u32;
    loop {
        // The count is read before the look: a commit after the look changes it, and the sleep ends at once.
        let seen = ring.commits();
        if ready() {
            return Ok(true);
        }
        spins = spins.saturating_add(1);
        if spins < SPINS || wait == WaitStrategy::Spin {
            if spins.is_multiple_of(64) && left().is_zero() {
                return Ok(false);
            }
            std::hint::spin_loop();
            continue;
        }
        let left = left();
        if left.is_zero() {
            return Ok(false);
        }
        match wait {
            WaitStrategy::Futex => {
                ring.wait(seen, left.min(LONGEST_SLEEP));
                ring.check_length()?;
            }
            _ => std::thread::yield_now(),
        }
    }
}
