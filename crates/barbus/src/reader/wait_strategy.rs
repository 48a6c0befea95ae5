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
    /// Sleeps in the kernel until the writer commits. It polls before that, up to some thousand
    /// times where bars follow one another quickly, and some ten times where they do not.
    #[default]
    Futex,
}

/// Most polls before the first yield or sleep: a bar that arrives soon is read without a system
/// call.
const MAX_SPINS: u32 = 2_000;
/// Fewest polls before a sleep.
const MIN_SPINS: u32 = 16;
/// Of a bar that arrives after a shorter sleep, polling would have been the better way.
const SHORT_SLEEP: Duration = Duration::from_micros(50);
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

/// How many times a reader polls before it sleeps in the kernel, which its waits teach it.
///
/// Polling saves a sleep if the next bar arrives soon. If bars arrive once a minute it is in vain,
/// and takes the core from the other readers at the moment when all of them have bars to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpinBudget(u32);

impl Default for SpinBudget {
    fn default() -> Self {
        Self(MAX_SPINS)
    }
}

impl SpinBudget {
    /// Polling paid, or would have paid.
    fn raise(&mut self) {
        self.0 = (self.0 * 2).min(MAX_SPINS);
    }

    /// It slept for this long, after polling in vain.
    fn slept(&mut self, duration: Duration) {
        match duration < SHORT_SLEEP {
            true => self.raise(),
            false => self.0 = (self.0 / 2).max(MIN_SPINS),
        }
    }
}

/// Waits until `ready`, for at most `timeout`, or until a signal that `stops_at_signals`.
///
/// # Errors
/// The ring's file was truncated: this is checked after each sleep, before anything is read.
pub(super) fn wait_until(
    ring: &Ring,
    wait: WaitStrategy,
    budget: &mut SpinBudget,
    stops_at_signals: bool,
    timeout: Duration,
    ready: impl Fn() -> bool,
) -> Result<Waited, RingError> {
    if ready() {
        return Ok(Waited::Ready);
    }
    let begun = Instant::now();
    let most_spins = match wait {
        WaitStrategy::Spin => u32::MAX,
        WaitStrategy::SpinThenYield => MAX_SPINS,
        WaitStrategy::Futex => budget.0,
    };
    let mut spins = 0u32;
    loop {
        // The count is read before the check. A commit between the check and the sleep changes it,
        // and the sleep then ends at once: no commit is missed.
        let seen = ring.commits();
        if ready() {
            if spins < most_spins {
                budget.raise();
            }
            return Ok(Waited::Ready);
        }
        spins = spins.saturating_add(1);
        if spins < most_spins {
            if spins.is_multiple_of(64) && begun.elapsed() >= timeout {
                return Ok(Waited::TimedOut);
            }
            std::hint::spin_loop();
            continue;
        }
        let now = Instant::now();
        let left = timeout.saturating_sub(now - begun);
        if left.is_zero() {
            return Ok(Waited::TimedOut);
        }
        match wait {
            WaitStrategy::Futex => {
                let interrupted = ring.wait(seen, left.min(LONGEST_SLEEP));
                ring.check_length()?;
                budget.slept(now.elapsed());
                if interrupted && stops_at_signals && !ready() {
                    return Ok(Waited::Interrupted);
                }
            }
            _ => std::thread::yield_now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_that_sleep_long_make_polling_rarer_and_short_ones_bring_it_back() {
        let mut budget = SpinBudget::default();
        assert_eq!(budget.0, MAX_SPINS);
        (0..20).for_each(|_| budget.slept(Duration::from_secs(60)));
        assert_eq!(budget.0, MIN_SPINS);
        budget.slept(SHORT_SLEEP / 2);
        budget.raise();
        assert_eq!(budget.0, 4 * MIN_SPINS);
        (0..20).for_each(|_| budget.raise());
        assert_eq!(budget.0, MAX_SPINS);
    }
}
