//! What a daemon counts for each source of bars and for each kind of work on the disk.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ack::Ack;

/// The streams of one source since the daemon started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStat {
    /// Streams that are open now.
    pub connected: u64,
    /// Rows handled: the sum of the six outcomes.
    pub rows: u64,
    /// New bars.
    pub accepted: u64,
    /// Bars that the bus had already with the same values.
    pub duplicates: u64,
    /// Bars that the bus had with other values.
    pub revised: u64,
    /// Bars that the bus had with other values from a source of higher priority: not published.
    #[serde(default)]
    pub conflicts: u64,
    /// Invalid rows, kept in the quarantine.
    pub quarantined: u64,
    /// Invalid rows that the quarantine had no room for.
    pub refused: u64,
    /// The newest frame among the valid bars of its last batch that had one.
    pub last_frame: Option<Timestamp>,
    /// When its last batch was handled.
    pub last_received: Option<Timestamp>,
}

/// The attempts at one kind of work since the daemon started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskStat {
    /// Attempts that succeeded.
    pub done: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// How long all attempts took together, done and failed, seconds.
    pub total_s: f64,
    /// How long the last one took, seconds.
    pub last_s: f64,
    /// How long the longest one took, seconds.
    pub max_s: f64,
}

impl SourceStat {
    /// Counts a batch that was handled at `now`; `last_frame` is its newest valid one.
    #[doc(hidden)]
    pub fn add(&mut self, batch: Ack, last_frame: Option<Timestamp>, now: Timestamp) {
        self.rows += batch.rows;
        self.accepted += batch.accepted;
        self.duplicates += batch.duplicate;
        self.revised += batch.revised;
        self.conflicts += batch.conflict;
        self.quarantined += batch.quarantined;
        self.refused += batch.refused;
        self.last_frame = last_frame.or(self.last_frame);
        self.last_received = Some(now);
    }
}

impl TaskStat {
    /// Counts an attempt that took `elapsed`.
    #[doc(hidden)]
    pub fn add(&mut self, elapsed: Duration, succeeded: bool) {
        match succeeded {
            true => self.done += 1,
            false => self.failed += 1,
        }
        self.last_s = elapsed.as_secs_f64();
        self.total_s += self.last_s;
        self.max_s = self.max_s.max(self.last_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_source_are_the_sum_of_their_outcomes() {
        let ack = Ack {
            rows: 21,
            accepted: 1,
            duplicate: 2,
            revised: 3,
            quarantined: 4,
            refused: 5,
            conflict: 6,
            ..Ack::default()
        };
        let mut source = SourceStat::default();
        let (frame, now) = (Timestamp::from_second(60).unwrap(), Timestamp::from_second(61).unwrap());
        source.add(ack, Some(frame), now);
        source.add(ack, None, now);
        let published = [source.accepted, source.duplicates, source.revised];
        let others = [source.quarantined, source.refused, source.conflicts];
        assert_eq!((source.rows, published, others), (42, [2, 4, 6], [8, 10, 12]));
        assert_eq!((source.last_frame, source.last_received), (Some(frame), Some(now)));
    }

    #[test]
    fn failed_attempts_count_with_their_time() {
        let mut task = TaskStat::default();
        task.add(Duration::from_secs(3), false);
        task.add(Duration::from_secs(1), true);
        assert_eq!(task, TaskStat { done: 1, failed: 1, total_s: 4.0, last_s: 1.0, max_s: 3.0 });
    }
}
