//! The wall clock in the unit that the ring and the readers' position files use.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time, nanoseconds since 1970-01-01 UTC.
#[inline]
pub fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() as i64 * 1_000_000_000 + i64::from(since.subsec_nanos())
}
