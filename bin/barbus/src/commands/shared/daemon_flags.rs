//! The flags on how long a command waits for the daemon, and the wait itself.

use std::time::Duration;

use barbus::{Bus, ConnectOptions, Error, Publisher};
use clap::Args;

use super::errors::print_error;

/// A wait that is not shown: most daemons start faster.
const SILENT_WAIT: Duration = Duration::from_secs(1);

/// How long a producer waits for the daemon.
#[derive(Debug, Args)]
pub(in crate::commands) struct DaemonFlags {
    /// Seconds to wait for a daemon that is starting.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    wait: Duration,
    #[command(flatten)]
    limit: TimeLimit,
}

/// How long the daemon may be silent.
#[derive(Debug, Args)]
pub(in crate::commands) struct TimeLimit {
    /// Seconds without a sign of life after which the daemon counts as hung.
    #[arg(long, value_name = "SECONDS", default_value = "5", env = "BARBUS_TIMEOUT", value_parser = seconds)]
    pub(in crate::commands) timeout: Duration,
}

impl DaemonFlags {
    /// Connects to the daemon of `bus`; says what it waits for if that takes longer than a second.
    pub(in crate::commands) fn connect(&self, bus: &Bus) -> barbus::Result<Publisher> {
        let timeout = self.limit.timeout;
        let silent = self.wait.min(SILENT_WAIT);
        match Publisher::connect_with(bus, ConnectOptions { wait: silent, timeout }) {
            Err(Error::NoDaemon { .. }) if self.wait > silent => {
                let (wait, bus_path) = (self.wait.as_secs_f64(), bus.path().display());
                print_error(format_args!(
                    "{bus_path}: no daemon is running: waiting {wait} s for one; to start one, run: barbusd {bus_path}"
                ));
                Publisher::connect_with(bus, ConnectOptions { wait: self.wait - silent, timeout })
            }
            connected => connected,
        }
    }
}

/// Parses a number of seconds such as `5`, `0.5` or `5s`.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse().ok();
    let duration = number.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "give a number of seconds, 0 or more".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_their_unit() {
        assert_eq!(seconds("5"), Ok(Duration::from_secs(5)));
        assert_eq!(seconds("0.25s"), Ok(Duration::from_millis(250)));
        for wrong in ["", "s", "-1", "5m", "nan"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
