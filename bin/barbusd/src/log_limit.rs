//! Limits how many lines of one kind the log gets, however often peers cause them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_secs(10);
/// Most lines of a kind in a period.
const MAX_LINES: u32 = 20;

/// The lines of one kind.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<Option<Period>>);

#[derive(Debug, Clone, Copy)]
struct Period {
    began: Instant,
    lines: u32,
    suppressed: u64,
}

impl LogLimit {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether to write the next line: with the number of lines that were left out before it.
    pub(crate) fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Period { began: now, lines: 0, suppressed: state.map_or(0, |period| period.suppressed) };
        let is_over = |period: &Period| now.saturating_duration_since(period.began) >= PERIOD;
        let period = match &mut *state {
            Some(period) if !is_over(period) => period,
            other => other.insert(fresh),
        };
        if period.lines == MAX_LINES {
            period.suppressed += 1;
            return None;
        }
        period.lines += 1;
        Some(std::mem::take(&mut period.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_reported_with_the_next_line() {
        let (limit, begin) = (LogLimit::new(), Instant::now());
        let admitted = (0..1_000).filter(|_| limit.admit_at(begin).is_some()).count();
        assert_eq!(admitted, MAX_LINES as usize);
        assert_eq!(limit.admit_at(begin + PERIOD), Some(980));
        assert_eq!(limit.admit_at(begin + PERIOD), Some(0));
    }
}
