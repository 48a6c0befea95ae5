//! Since when producers have waited for room in the ring, and what they wait for.

use std::time::{Duration, Instant};

use barbus::protocol::Stat;
use barbus_ring::RingFull;
use jiff::Timestamp;

use crate::writer::Writer;

/// A shorter wait is normal while a day is archived, and is not logged.
const LOG_AFTER: Duration = Duration::from_secs(1);

/// One wait for room in the ring.
#[derive(Debug)]
pub(crate) struct FullRing {
    began: Instant,
    began_at: Timestamp,
    full: RingFull,
    is_logged: bool,
}

impl Writer {
    /// Records that the ring has no room for the next row.
    pub(crate) fn note_full_ring(&mut self, full: RingFull) {
        let began = || FullRing { began: Instant::now(), began_at: Timestamp::now(), full, is_logged: false };
        let wait = self.full_ring.get_or_insert_with(began);
        wait.full = full;
        if wait.is_logged || wait.began.elapsed() < LOG_AFTER {
            return;
        }
        wait.is_logged = true;
        let cause = self.full_ring_cause(full);
        tracing::warn!(%cause, "the ring is full: producers wait");
    }

    /// Ends the wait, if there was one.
    #[inline]
    pub(crate) fn end_full_ring(&mut self) {
        if self.full_ring.is_some() {
            self.log_end_of_full_ring();
        }
    }

    #[cold]
    fn log_end_of_full_ring(&mut self) {
        if let Some(wait) = self.full_ring.take().filter(|wait| wait.is_logged) {
            let waited_s = wait.began.elapsed().as_secs();
            tracing::info!(waited_s, "the ring has room again");
        }
    }

    /// Adds the wait to `stat`.
    pub(crate) fn fill_full_ring(&self, stat: &mut Stat) {
        let Some(wait) = &self.full_ring else { return };
        stat.ring_full_at = Some(wait.began_at);
        stat.ring_full_cause = Some(self.full_ring_cause(wait.full));
    }

    fn full_ring_cause(&self, full: RingFull) -> String {
        if let Some(failure) = self.flusher.status().last_failure {
            return format!("the archive cannot be written: {failure}");
        }
        if let Some(failure) = self.syncer.waiter().last_failure() {
            return format!("the ring cannot be synced: {failure}");
        }
        match full.pinned {
            0 => "its bars are being archived".to_owned(),
            pinned => format!("readers hold {pinned} of its {} blocks", full.blocks),
        }
    }
}
