//! The clocks, in the unit that the ring and the readers' position files use.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time, nanoseconds since 1970-01-01 UTC.
#[inline]
pub fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() as i64 * 1_000_000_000 + i64::from(since.subsec_nanos())
}

/// The time since this boot of the machine, nanoseconds; suspended time counts.
///
/// Nobody can set this clock, so the age of something that happened in this boot is measured by it.
/// Processes compare it only within one boot and one time namespace.
#[inline]
pub fn boot_ns() -> i64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    now.map_or(0, |now| now.tv_sec() * 1_000_000_000 + now.tv_nsec())
}
