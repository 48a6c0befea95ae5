//! How long a call waits before it lets the interpreter handle signals.

use std::time::Duration;

/// Longest wait between two checks for signals: Ctrl-C takes effect within this time.
pub(crate) const CHECK_INTERVAL: Duration = Duration::from_millis(100);
