//! How fresh a ring is: whether its writer runs, and how old its newest bar is.

use std::time::Duration;

use barbus_ring::Ring;
use barbus_shm::{Memory, now_ns};
use jiff::Timestamp;

/// A writer without a heartbeat for this time counts as dead: ten heartbeats.
const HEARTBEAT_TIMEOUT_NS: u64 = 1_000_000_000;

/// Whether the ring's writer has stored a heartbeat lately.
pub(crate) fn writer_alive<M: Memory>(ring: &Ring<M>) -> bool {
    let heartbeat_ns = ring.heartbeat_ns();
    // If the clock was set back, the heartbeat is in the future until the next one.
    heartbeat_ns != 0 && (now_ns() as u64).abs_diff(heartbeat_ns) < HEARTBEAT_TIMEOUT_NS
}

/// How long before `now` the newest row was received.
pub(crate) fn newest_age<M: Memory>(ring: &Ring<M>, now: Timestamp) -> Option<Duration> {
    let received = Timestamp::from_nanosecond(ring.newest_row()?.received_ns.into()).ok()?;
    Some(now.duration_since(received).try_into().unwrap_or_default())
}
