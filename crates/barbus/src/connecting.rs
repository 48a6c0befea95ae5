//! Connecting to a daemon that may be starting.

use std::time::{Duration, Instant};

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::socket::{DEFAULT_TIMEOUT, connect};

/// Time between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// How long a producer waits for its daemon: see [`Publisher::connect_with`].
///
/// [`Publisher::connect_with`]: crate::Publisher::connect_with
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectOptions {
    /// How long to wait for a daemon that is starting: 10 s by default.
    pub wait: Duration,
    /// How long the daemon may be silent before it counts as hung: 5 s by default. A daemon that
    /// waits for its disk is not silent.
    pub timeout: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { wait: Duration::from_secs(10), timeout: DEFAULT_TIMEOUT }
    }
}

/// Waits until the daemon of `bus` accepts a connection.
///
/// # Errors
/// As [`connect`]; [`Error::NoDaemon`] after `options.wait`.
pub(crate) fn await_daemon(bus: &Bus, options: ConnectOptions) -> Result<()> {
    let begun = Instant::now();
    loop {
        match connect(bus, options.timeout) {
            Err(Error::NoDaemon { .. }) if begun.elapsed() < options.wait => {
                std::thread::sleep(RETRY_INTERVAL.min(options.wait));
            }
            connected => return connected.map(drop),
        }
    }
}
