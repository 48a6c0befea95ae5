//! What the writer counted since it was opened.

use std::collections::BTreeMap;

use barbus::protocol::{Ack, Stat};
use barbus_bars::Fault;
use barbus_ring::Row;
use jiff::Timestamp;

use crate::rate::Rate;

/// The counters of a writer, for its [`Stat`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    rows: Ack,
    /// Quarantined rows by the code of their fault.
    quarantined: BTreeMap<&'static str, u64>,
    rate: Rate,
    last_frame_ms: Option<i64>,
    last_received_ns: Option<i64>,
}

impl Counters {
    /// Counters that begin after `newest`, the newest row of the ring.
    pub(crate) fn after(newest: Option<&Row>) -> Self {
        Self {
            last_frame_ms: newest.map(|row| row.frame_ms),
            last_received_ns: newest.map(|row| row.received_ns),
            ..Self::default()
        }
    }

    /// Counts the rows of a batch that was ingested at `now`.
    pub(crate) fn add(&mut self, ack: Ack, now: Timestamp) {
        self.rows += ack;
        self.rate.count(now.as_second(), ack.accepted + ack.revised);
    }

    pub(crate) fn add_quarantined(&mut self, fault: &Fault, rows: u64) {
        *self.quarantined.entry(fault.code()).or_default() += rows;
    }

    #[inline]
    pub(crate) fn set_last_frame(&mut self, frame_ms: i64) {
        self.last_frame_ms = Some(frame_ms);
    }

    #[inline]
    pub(crate) fn set_last_received(&mut self, received_ns: i64) {
        self.last_received_ns = Some(received_ns);
    }

    /// When the newest bar was received.
    pub(crate) fn last_received(&self) -> Option<Timestamp> {
        self.last_received_ns.and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok())
    }

    /// Copies the counters to `stat`.
    pub(crate) fn fill(&mut self, stat: &mut Stat, now: Timestamp) {
        stat.rate = Some(self.rate.per_second(now.as_second()));
        stat.accepted = Some(self.rows.accepted);
        stat.duplicates = Some(self.rows.duplicate);
        stat.revisions = Some(self.rows.revised);
        stat.quarantined = self.quarantined.iter().map(|(&code, &count)| (code.to_owned(), count)).collect();
        stat.last_frame = self.last_frame_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        stat.last_received = self.last_received();
        stat.last_age_s = stat.last_received.map(|at| now.duration_since(at).as_secs_f64().max(0.0));
    }
}
