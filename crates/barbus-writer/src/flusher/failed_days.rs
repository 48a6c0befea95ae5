//! Closed days whose files cannot be written. Each is retried by itself and stops no other day.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use barbus::internal::Backoff;

use crate::failure::Failure;
use crate::flusher::shared::DayError;

/// Pauses after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What distinguishes a file from another one at its path, or from itself before a change; `None`
/// without a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileState(Option<(u64, u64, u64, i64, i64)>);

impl FileState {
    pub(crate) fn of(path: &Path) -> Self {
        let state = |file: fs::Metadata| (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec());
        Self(fs::metadata(path).ok().map(state))
    }
}

#[derive(Debug)]
struct FailedDay {
    failure: Failure,
    backoff: Backoff,
    /// The day's file after the last attempt.
    file: FileState,
}

/// The days that failed, each until its next success.
#[derive(Debug, Default)]
pub(crate) struct FailedDays(BTreeMap<i64, FailedDay>);

impl FailedDays {
    /// The failure of the first of the days.
    pub(crate) fn first(&self) -> Option<Failure> {
        self.0.values().next().map(|day| day.failure.clone())
    }

    /// The days, in order.
    pub(crate) fn days(&self) -> impl Iterator<Item = i64> {
        self.0.keys().copied()
    }

    /// Whether `day` is to be tried now; `None` if it has not failed. It is tried after its pause,
    /// and as soon as its file was changed: a person has put it right.
    pub(crate) fn is_due(&self, day: i64, now: Instant, file: impl FnOnce() -> FileState) -> Option<bool> {
        self.0.get(&day).map(|failed| failed.backoff.remaining(now).is_none() || failed.file != file())
    }

    /// Records that `day` failed at `now`.
    pub(crate) fn fail(&mut self, day: i64, (date, error): DayError, file: FileState, now: Instant) {
        let before = self.0.remove(&day);
        let failure = Failure::after(before.as_ref().map(|day| &day.failure), Some(date), error.to_string());
        let mut backoff = before.map_or(Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), |day| day.backoff);
        backoff.fail(now);
        self.0.insert(day, FailedDay { failure, backoff, file });
    }

    /// Forgets every day but those that `keep` names: they have succeeded or have no rows.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(i64) -> bool) {
        self.0.retain(|&day, _| keep(day));
    }

    pub(crate) fn remove(&mut self, day: i64) {
        self.0.remove(&day);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barbus::{Date, Error};

    /// A file that was put right is not left waiting for the end of a pause of half a minute.
    #[test]
    fn a_changed_file_ends_the_pause_of_its_day() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("day");
        let error = || (Date::constant(1970, 1, 2), Error::Protocol { bus: path.clone(), what: "damaged".into() });
        let mut failed = FailedDays::default();
        let now = Instant::now();
        let due = |failed: &FailedDays, now| failed.is_due(1, now, || FileState::of(&path));
        assert_eq!(due(&failed, now), None);
        fs::write(&path, "x").unwrap();
        for _ in 0..20 {
            failed.fail(1, error(), FileState::of(&path), now);
        }
        assert_eq!(failed.first().unwrap().tries, 20);
        assert_eq!(due(&failed, now + LONGEST_PAUSE / 2), Some(false));
        assert_eq!(due(&failed, now + LONGEST_PAUSE), Some(true));
        fs::write(&path, "whole").unwrap();
        assert_eq!(due(&failed, now), Some(true));
        failed.fail(1, error(), FileState::of(&path), now);
        fs::remove_file(&path).unwrap();
        assert_eq!(due(&failed, now), Some(true));
        failed.retain(|_| false);
        assert_eq!((due(&failed, now), failed.days().count()), (None, 0));
    }
}
