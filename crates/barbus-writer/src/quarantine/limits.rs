//! How much the quarantine may store: bytes a second, and bytes in all.

use std::time::{Duration, Instant};

/// Unused rate is saved for this long: a file with wrong rows is kept, a flood of them is not.
const BURST: Duration = Duration::from_secs(60);
/// How often the files are measured again: an operator may remove some.
const MEASURE: Duration = Duration::from_secs(10);

/// The limits of the quarantine, and what of them is left.
#[derive(Debug)]
pub(super) struct Limits {
    /// Bytes a second.
    rate: u64,
    /// Bytes of all files.
    size: u64,
    left: f64,
    refilled_at: Instant,
    stored: u64,
    measured_at: Option<Instant>,
}

impl Limits {
    pub(super) fn new(rate: u64, size: u64, now: Instant) -> Self {
        let left = rate as f64 * BURST.as_secs_f64();
        Self { rate, size, left, refilled_at: now, stored: 0, measured_at: None }
    }

    /// Takes room for `bytes`. `measure` returns the bytes of all files.
    ///
    /// # Errors
    /// The limit that leaves no room.
    pub(super) fn take(&mut self, bytes: usize, now: Instant, measure: impl FnOnce() -> u64) -> Result<(), String> {
        let elapsed = now.saturating_duration_since(self.refilled_at);
        self.refilled_at = now;
        self.left = (self.left + elapsed.as_secs_f64() * self.rate as f64).min(self.rate as f64 * BURST.as_secs_f64());
        if self.measured_at.is_none_or(|at| now.saturating_duration_since(at) >= MEASURE) {
            self.measured_at = Some(now);
            self.stored = measure();
        }
        if self.stored.saturating_add(bytes as u64) > self.size {
            let size = self.size;
            return Err(format!("the quarantine has {size} bytes, which is ingest.quarantine_size: remove old files"));
        }
        if self.left < bytes as f64 {
            let rate = self.rate;
            return Err(format!("more than {rate} bytes a second, which is ingest.quarantine_rate"));
        }
        self.left -= bytes as f64;
        self.stored += bytes as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_kept_and_a_flood_is_not() {
        let begin = Instant::now();
        let mut limits = Limits::new(10, 100_000, begin);
        let mut at = |seconds: u64, bytes: usize| limits.take(bytes, begin + Duration::from_secs(seconds), || 0);
        at(0, 600).unwrap();
        assert!(at(0, 1).unwrap_err().contains("quarantine_rate"));
        assert!(at(3, 31).is_err());
        at(3, 30).unwrap();
        at(1_000, 600).unwrap();
        assert!(at(1_000, 1).is_err(), "no more than a minute is saved");
    }

    #[test]
    fn removed_files_make_room_again() {
        let begin = Instant::now();
        let mut limits = Limits::new(1_000, 100, begin);
        limits.take(60, begin, || 40).unwrap();
        assert!(limits.take(1, begin, || 0).unwrap_err().contains("quarantine_size"));
        limits.take(100, begin + MEASURE, || 0).unwrap();
    }
}
