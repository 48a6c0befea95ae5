//! How much a folder of lines may store: bytes a second, and bytes in all.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Unused rate is saved for this long: a file with wrong rows is kept, a flood of them is not.
const BURST: Duration = Duration::from_secs(60);
/// How often the files are measured again: an operator may remove some.
const MEASURE: Duration = Duration::from_secs(10);

/// Users whose share is remembered.
const MAX_USERS: usize = 1_024;

/// The limits of a folder, and what of them is left.
#[derive(Debug)]
pub(super) struct Limits {
    /// What the folder is called in messages.
    name: &'static str,
    /// Bytes a second.
    rate: u64,
    /// Bytes of all files.
    size: u64,
    /// For all producers.
    all: Allowance,
    /// For the producers of each user that is limited: one user may take half of the rate, so that
    /// the invalid rows of others are kept.
    users: HashMap<u32, Allowance>,
    stored: u64,
    measured_at: Option<Instant>,
}

/// Bytes that may be stored now; unused ones are saved for [`BURST`].
#[derive(Debug, Clone, Copy)]
struct Allowance {
    rate: f64,
    left: f64,
    refilled_at: Instant,
}

impl Allowance {
    fn new(rate: f64, now: Instant) -> Self {
        Self { rate, left: rate * BURST.as_secs_f64(), refilled_at: now }
    }

    fn has(&mut self, bytes: usize, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.refilled_at);
        self.refilled_at = now;
        self.left = (self.left + elapsed.as_secs_f64() * self.rate).min(self.rate * BURST.as_secs_f64());
        self.left >= bytes as f64
    }
}

impl Limits {
    pub(super) fn new(name: &'static str, rate: u64, size: u64, now: Instant) -> Self {
        let all = Allowance::new(rate as f64, now);
        Self { name, rate, size, all, users: HashMap::new(), stored: 0, measured_at: None }
    }

    /// Takes room for `bytes` of a producer of `user`, if it is limited. `measure` returns the
    /// bytes of all files.
    ///
    /// # Errors
    /// The limit that leaves no room.
    pub(super) fn take(
        &mut self,
        user: Option<u32>,
        bytes: usize,
        now: Instant,
        measure: impl FnOnce() -> u64,
    ) -> Result<(), String> {
        if self.measured_at.is_none_or(|at| now.saturating_duration_since(at) >= MEASURE) {
            self.measured_at = Some(now);
            self.stored = measure();
        }
        if self.stored.saturating_add(bytes as u64) > self.size {
            let Self { name, size, .. } = self;
            return Err(format!("{name} has {size} bytes, which is ingest.quarantine_size: remove old files"));
        }
        let rate = self.rate;
        if self.users.len() >= MAX_USERS {
            self.users.clear();
        }
        let share = || Allowance::new(rate as f64 / 2.0, now);
        let mut of_user = user.map(|user| (user, self.users.entry(user).or_insert_with(share)));
        if let Some((user, allowance)) = &mut of_user
            && !allowance.has(bytes, now)
        {
            return Err(format!("user {user}: more than half of {rate} bytes a second, ingest.quarantine_rate"));
        }
        if !self.all.has(bytes, now) {
            return Err(format!("more than {rate} bytes a second, which is ingest.quarantine_rate"));
        }
        self.all.left -= bytes as f64;
        if let Some((_, allowance)) = of_user {
            allowance.left -= bytes as f64;
        }
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
        let mut limits = Limits::new("the quarantine", 10, 100_000, begin);
        let mut at = |seconds: u64, bytes: usize| limits.take(None, bytes, begin + Duration::from_secs(seconds), || 0);
        at(0, 600).unwrap();
        assert!(at(0, 1).unwrap_err().contains("quarantine_rate"));
        assert!(at(3, 31).is_err());
        at(3, 30).unwrap();
        at(1_000, 600).unwrap();
        assert!(at(1_000, 1).is_err(), "no more than a minute is saved");
    }

    #[test]
    fn one_user_leaves_half_to_the_others() {
        let begin = Instant::now();
        let mut limits = Limits::new("the quarantine", 10, 100_000, begin);
        let mut take = |user, bytes| limits.take(user, bytes, begin, || 0);
        take(Some(7), 300).unwrap();
        assert!(take(Some(7), 1).unwrap_err().contains("user 7"));
        take(Some(8), 100).unwrap();
        take(None, 200).unwrap();
        assert!(take(Some(8), 1).unwrap_err().contains("more than 10 bytes"), "the rate is that of all together");
    }

    #[test]
    fn removed_files_make_room_again() {
        let begin = Instant::now();
        let mut limits = Limits::new("the quarantine", 1_000, 100, begin);
        limits.take(None, 60, begin, || 40).unwrap();
        assert!(limits.take(None, 1, begin, || 0).unwrap_err().contains("quarantine_size"));
        limits.take(None, 100, begin + MEASURE, || 0).unwrap();
    }
}
