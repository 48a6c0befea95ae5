//! Since when producers have waited for room in the ring, and what they wait for.

use std::time::{Duration, Instant};

use barbus::protocol::Stat;
use barbus_ring::RingFull;
use jiff::Timestamp;

use crate::flusher::Flusher;
use crate::syncer::Syncer;

/// A shorter wait is normal while a day is archived, and is not logged.
const LOG_AFTER: Duration = Duration::from_secs(1);

/// The wait for room in the ring, while there is one.
#[derive(Debug, Default)]
pub(crate) struct FullRing(Option<Wait>);

#[derive(Debug)]
struct Wait {
    began: Instant,
    began_at: Timestamp,
    full: RingFull,
    is_logged: bool,
}

impl FullRing {
    /// Records that the ring has no room for the next row.
    pub(crate) fn note(&mut self, full: RingFull, flusher: &Flusher, syncer: &Syncer) {
        let began = || Wait { began: Instant::now(), began_at: Timestamp::now(), full, is_logged: false };
        let wait = self.0.get_or_insert_with(began);
        wait.full = full;
        if !wait.is_logged && wait.began.elapsed() >= LOG_AFTER {
            wait.is_logged = true;
            tracing::warn!(cause = %cause(full, flusher, syncer), "the ring is full: producers wait: remove the cause");
        }
    }

    /// Ends the wait, if there was one.
    #[inline]
    pub(crate) fn end(&mut self) {
        if self.0.is_some() {
            self.log_end();
        }
    }

    #[cold]
    fn log_end(&mut self) {
        if let Some(wait) = self.0.take().filter(|wait| wait.is_logged) {
            tracing::info!(waited_s = wait.began.elapsed().as_secs(), "the ring has room again");
        }
    }

    /// Adds the wait to `stat`.
    pub(crate) fn fill(&self, stat: &mut Stat, flusher: &Flusher, syncer: &Syncer) {
        if let Some(wait) = &self.0 {
            stat.ring_full_at = Some(wait.began_at);
            stat.ring_full_cause = Some(cause(wait.full, flusher, syncer));
        }
    }
}

fn cause(full: RingFull, flusher: &Flusher, syncer: &Syncer) -> String {
    if let Some(failure) = flusher.status().last_failure {
        return format!("the archive cannot be written: {failure}");
    }
    if let Some(failure) = syncer.waiter().last_failure() {
        return format!("the ring cannot be synced: {failure}");
    }
    if full.unread > 0 {
        return format!("late bars need {} of its {} blocks, which are being read", full.unread, full.blocks);
    }
    match full.pinned {
        0 => "its bars are being archived".to_owned(),
        pinned => format!("readers hold {pinned} of its {} blocks", full.blocks),
    }
}
