//! The pauses between retries: each is twice as long as the one before, up to a limit.

use std::time::{Duration, Instant};

/// When to retry after a failure.
///
/// ```
/// use barbus::internal::Backoff;
/// use std::time::{Duration, Instant};
///
/// let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
/// let now = Instant::now();
/// assert_eq!(backoff.retry_at(), None, "nothing has failed");
/// backoff.fail(now);
/// assert_eq!(backoff.retry_at(), Some(now + Duration::from_millis(100)));
/// backoff.fail(now);
/// assert_eq!(backoff.remaining(now), Some(Duration::from_millis(200)));
/// backoff.reset();
/// assert_eq!(backoff.remaining(now), None);
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    /// After a failure, the length of the pause and its end.
    pause: Option<(Duration, Instant)>,
}

impl Backoff {
    /// Pauses of `first`, twice `first`, and so on, none above `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, pause: None }
    }

    /// Starts the next pause at `now`.
    pub fn fail(&mut self, now: Instant) {
        let length = self.pause.map_or(self.first, |(length, _)| length.saturating_mul(2).min(self.longest));
        self.pause = Some((length, now + length));
    }

    /// After a success: the next failure starts with the first pause again.
    pub fn reset(&mut self) {
        self.pause = None;
    }

    /// The end of the pause; `None` if there was no failure since the last success.
    pub fn retry_at(&self) -> Option<Instant> {
        self.pause.map(|(_, end)| end)
    }

    /// How much of the pause remains at `now`; `None` if no pause is running.
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        self.retry_at().map(|end| end.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let now = Instant::now();
        let mut pause = || {
            backoff.fail(now);
            backoff.remaining(now).unwrap().as_secs()
        };
        assert_eq!([(); 4].map(|()| pause()), [1, 2, 4, 5]);
        assert_eq!(backoff.remaining(now + Duration::from_secs(5)), None, "the pause is over");
        backoff.reset();
        assert_eq!(backoff.retry_at(), None);
        backoff.fail(now);
        assert_eq!(backoff.remaining(now), Some(Duration::from_secs(1)));
    }
}
