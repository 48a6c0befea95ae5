//! What the writer counted since it was opened.

use std::time::Duration;

use barbus::protocol::{Ack, Stat};
use barbus_ring::Row;
use jiff::Timestamp;

use crate::clock::Moment;
use crate::rate::Rate;

/// The counters of a writer, for its [`Stat`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    rows: Ack,
    rate: Rate,
    last_frame_ms: Option<i64>,
    last_received: Option<Moment>,
}

impl Counters {
    /// Counters that begin at `now` after `newest`, the newest row of the ring. `boot_ns` is when
    /// it was received, or 0 if that was not in this boot.
    pub(crate) fn after(newest: Option<&Row>, boot_ns: u64, now: Moment) -> Self {
        let received = |row: &Row| {
            // Without the time of this boot, a time of the future counts as now: it was received
            // under a wrong clock.
            let age_ns = (now.wall_ns - row.received_ns).max(0);
            let boot_ns = if boot_ns == 0 { now.boot_ns.saturating_sub(age_ns) } else { boot_ns as i64 };
            Moment { wall_ns: row.received_ns, boot_ns }
        };
        Self { last_frame_ms: newest.map(|row| row.frame_ms), last_received: newest.map(received), ..Self::default() }
    }

    /// Counts the rows of a batch that was ingested at `now`.
    pub(crate) fn add(&mut self, ack: Ack, now: Moment) {
        self.rows += ack;
        self.rate.count(seconds(now), ack.accepted + ack.revised);
    }

    #[inline]
    pub(crate) fn set_last_frame(&mut self, frame_ms: i64) {
        self.last_frame_ms = Some(frame_ms);
    }

    #[inline]
    pub(crate) fn set_last_received(&mut self, received: Moment) {
        self.last_received = Some(received);
    }

    /// How long before `now` the newest bar was received. A step of the wall clock does not change
    /// it.
    pub(crate) fn since_last_received(&self, now: Moment) -> Option<Duration> {
        self.last_received.map(|at| Duration::from_nanos((now.boot_ns - at.boot_ns).max(0) as u64))
    }

    /// Copies the counters to `stat`.
    pub(crate) fn fill(&mut self, stat: &mut Stat, now: Moment) {
        stat.rate = Some(self.rate.per_second(seconds(now)));
        stat.accepted = Some(self.rows.accepted);
        stat.duplicates = Some(self.rows.duplicate);
        stat.revisions = Some(self.rows.revised);
        stat.last_frame = self.last_frame_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        stat.last_received = self.last_received.and_then(|at| Timestamp::from_nanosecond(at.wall_ns.into()).ok());
        stat.last_age_s = self.since_last_received(now).map(|age| age.as_secs_f64());
    }
}

fn seconds(now: Moment) -> i64 {
    now.boot_ns / 1_000_000_000
}
