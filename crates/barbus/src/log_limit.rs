//! Limits how often a line of one kind is written to the log, and counts what is left out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Limits the lines of one kind in a period. The next line that is written has the count of those
/// that were left out.
///
/// A state that lasts is logged when it begins and when it ends. This is for events that others can
/// cause at any rate.
#[derive(Debug)]
pub struct LogLimit {
    most: u32,
    period: Duration,
    state: Mutex<Option<Period>>,
}

#[derive(Debug, Clone, Copy)]
struct Period {
    began: Instant,
    lines: u32,
    /// Events since the last line.
    events: u64,
}

impl LogLimit {
    /// For lines that peers cause: twenty in ten seconds.
    pub const fn of_peers() -> Self {
        Self::new(20, Duration::from_secs(10))
    }

    /// At most `most` lines in each `period`.
    pub const fn new(most: u32, period: Duration) -> Self {
        Self { most, period, state: Mutex::new(None) }
    }

    /// Counts `events` of one line. If the line is to be written, returns how many there were since
    /// the last one, these included.
    pub fn admit(&self, events: u64) -> Option<u64> {
        self.admit_at(events, Instant::now())
    }

    /// Counts one event. If its line is to be written, returns the number of lines that were left
    /// out before it, `None` without one.
    pub fn admit_line(&self) -> Option<Option<u64>> {
        self.admit(1).map(|events| Some(events - 1).filter(|left_out| *left_out > 0))
    }

    fn admit_at(&self, events: u64, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Period { began: now, lines: 0, events: state.map_or(0, |period| period.events) };
        let is_over = |period: &Period| now.saturating_duration_since(period.began) >= self.period;
        let period = match &mut *state {
            Some(period) if !is_over(period) => period,
            other => other.insert(fresh),
        };
        period.events += events;
        if period.lines == self.most {
            return None;
        }
        period.lines += 1;
        Some(std::mem::take(&mut period.events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_reported_with_the_next_line() {
        let (limit, begin) = (LogLimit::of_peers(), Instant::now());
        let admitted = (0..1_000).filter(|_| limit.admit_at(1, begin).is_some()).count();
        assert_eq!(admitted, 20);
        assert_eq!(limit.admit_at(1, begin + limit.period), Some(981));
        assert_eq!(limit.admit_at(7, begin + limit.period), Some(7));
        assert_eq!(limit.admit_line(), Some(None));
    }
}
