//! Bars a second over the last ten seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const SPAN: Duration = Duration::from_secs(10);

/// Counts bars as they arrive.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// When bars were counted, and how many had been counted by then, the oldest first.
    counted: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Notes that `total` bars were counted by `now`.
    pub(super) fn note(&mut self, now: Instant, total: u64) {
        self.counted.push_back((now, total));
        // The newest count before the span begins it.
        while self.counted.len() > 2 && now.duration_since(self.counted[1].0) >= SPAN {
            self.counted.pop_front();
        }
    }

    /// Bars a second; `None` before the second count.
    pub(super) fn per_second(&self) -> Option<f64> {
        let (&(from, before), &(to, after)) = (self.counted.front()?, self.counted.back()?);
        let seconds = to.duration_since(from).as_secs_f64();
        (seconds > 0.0).then(|| after.saturating_sub(before) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_ten_seconds() {
        let start = Instant::now();
        let mut rate = Rate::default();
        rate.note(start, 1_000_000);
        assert_eq!(rate.per_second(), None);
        for second in 1..=30 {
            // A burst in the fifth second, and nothing after it.
            rate.note(start + Duration::from_secs(second), 1_000_000 + if second >= 5 { 5_000 } else { 0 });
            let expected = if (5..=14).contains(&second) { 5_000.0 / second.min(10) as f64 } else { 0.0 };
            assert_eq!(rate.per_second(), Some(expected), "after {second} s");
        }
    }
}
