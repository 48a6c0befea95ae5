//! How long the disks last: from what was free over the last minutes.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Measures of the last so long count.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Measures are at least so far apart.
const STEP: Duration = Duration::from_secs(5);
/// A shorter time tells no rate.
const LEAST: Duration = Duration::from_secs(60);

/// What needs room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Archive,
    Quarantine,
    Ring,
}

impl Place {
    /// Its name in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Quarantine => "quarantine",
            Self::Ring => "ring",
        }
    }
}

/// What was free, and when.
#[derive(Debug, Default)]
pub(crate) struct FreeSpace(BTreeMap<Place, VecDeque<(Instant, u64)>>);

impl FreeSpace {
    /// Notes what is free now. Returns the seconds until nothing is, at the rate of the last
    /// minutes; `None` while that is not known, or if the space does not shrink.
    pub(crate) fn note(&mut self, place: Place, free_bytes: u64, now: Instant) -> Option<f64> {
        let measures = self.0.entry(place).or_default();
        while measures.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            measures.pop_front();
        }
        if measures.back().is_none_or(|(at, _)| now.duration_since(*at) >= STEP) {
            measures.push_back((now, free_bytes));
        }
        let &(since, before) = measures.front()?;
        let span = now.duration_since(since);
        let taken = before.checked_sub(free_bytes).filter(|taken| *taken > 0 && span >= LEAST)?;
        Some(free_bytes as f64 / (taken as f64 / span.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_until_full_follows_from_minutes_not_from_a_moment() {
        let mut free = FreeSpace::default();
        let start = Instant::now();
        let mut note = |s: u64, bytes: u64| free.note(Place::Archive, bytes, start + Duration::from_secs(s));
        assert_eq!(note(0, 1000), None);
        assert_eq!(note(30, 970), None, "a shorter time tells no rate");
        assert_eq!(note(60, 940), Some(940.0));
        assert_eq!(note(100, 900), Some(900.0));
        // A file was removed: nothing is taken.
        assert_eq!(note(110, 2000), None);
    }

    #[test]
    fn old_measures_are_forgotten() {
        let mut free = FreeSpace::default();
        let start = Instant::now();
        let mut note = |s: u64, bytes: u64| free.note(Place::Ring, bytes, start + Duration::from_secs(s));
        note(0, 10_000);
        note(1000, 5000);
        assert_eq!(note(1100, 4900), Some(4900.0));
    }
}
