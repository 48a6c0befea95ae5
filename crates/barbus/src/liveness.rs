//! How fresh a ring is: whether its writer runs, and how old its newest bar is.

use std::time::Duration;

use barbus_ring::Ring;
use barbus_shm::{Memory, boot_ns, now_ns};
use jiff::{SignedDuration, Timestamp};

/// A writer without a heartbeat for this time counts as dead: ten heartbeats.
const HEARTBEAT_TIMEOUT_NS: u64 = 1_000_000_000;

/// Whether the ring's writer has stored a heartbeat lately.
pub(crate) fn writer_alive<M: Memory>(ring: &Ring<M>) -> bool {
    let age_ns = match ring.heartbeat_boot_ns() {
        // If the clock was set back, the heartbeat is in the future until the next one.
        0 => (now_ns() as u64).abs_diff(ring.heartbeat_ns()),
        at_ns => (boot_ns() as u64).abs_diff(at_ns),
    };
    ring.heartbeat_ns() != 0 && age_ns < HEARTBEAT_TIMEOUT_NS
}

/// How long ago the newest row was received: by the clock of this boot, which nobody can set, if
/// the writer has stored that time.
pub(crate) fn newest_age<M: Memory>(ring: &Ring<M>, now: Timestamp) -> Option<Duration> {
    let received = received(ring)?;
    match ring.received_boot_ns() {
        0 => Some(now.duration_since(received).try_into().unwrap_or_default()),
        at_ns => Some(Duration::from_nanos((boot_ns() as u64).saturating_sub(at_ns))),
    }
}

/// The present time as the writer's clock showed it when it received the newest row: the age of an
/// older row follows from it, also after the clock was set.
pub(crate) fn now_as_received<M: Memory>(ring: &Ring<M>) -> Timestamp {
    let now = Timestamp::now();
    let age = newest_age(ring, now).and_then(|age| SignedDuration::try_from(age).ok());
    received(ring).zip(age).and_then(|(received, age)| received.checked_add(age).ok()).unwrap_or(now)
}

fn received<M: Memory>(ring: &Ring<M>) -> Option<Timestamp> {
    Timestamp::from_nanosecond(ring.newest_row()?.received_ns.into()).ok()
}
