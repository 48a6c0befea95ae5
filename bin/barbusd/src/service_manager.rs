//! Tells the service manager, such as systemd, how the daemon is.
//!
//! Without one (`NOTIFY_SOCKET` is not set) nothing is sent.

use std::time::{Duration, Instant};

use barbus::Bus;
use sd_notify::NotifyState;

use crate::shared_writer::SharedWriter;

/// How often the status line is renewed.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);
/// Pings in one watchdog interval: one that comes late is no reason for a restart.
const PINGS: u32 = 3;

/// The connection to the service manager.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    is_present: bool,
    /// The interval of pings; `None` if the service manager asks for none.
    ping_interval: Option<Duration>,
    pinged_at: Option<Instant>,
    status: String,
    status_at: Option<Instant>,
    /// Why no ping was sent last.
    stalled: Option<&'static str>,
}

impl ServiceManager {
    /// The one that the environment names.
    pub(crate) fn of_environment() -> Self {
        Self {
            is_present: std::env::var_os("NOTIFY_SOCKET").is_some(),
            ping_interval: sd_notify::watchdog_enabled().map(|interval| interval / PINGS),
            pinged_at: None,
            status: String::new(),
            status_at: None,
            stalled: None,
        }
    }

    /// The socket of `bus` accepts connections.
    pub(crate) fn ready(&self, bus: &Bus) {
        let status = format!("listening on {}", bus.socket().display());
        self.send(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }

    /// The daemon reads its calendar again, until it is [`reloaded`].
    pub(crate) fn reloading(&self) {
        // Without the time a newer systemd waits for it; an older one needs none.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now]),
            Err(_) => self.send(&[NotifyState::Reloading]),
        }
    }

    /// The daemon ends: it archives the closed days first.
    pub(crate) fn stopping(&self) {
        self.send(&[NotifyState::Stopping, NotifyState::Status("ending: archiving the closed days")]);
    }

    /// Reports progress. The accept loop calls it often, each time after it has had the writer, so
    /// that a loop or a writer that stands still sends nothing.
    pub(crate) fn progress(&mut self, writer: &SharedWriter) {
        let now = Instant::now();
        let is_due = |at: Option<Instant>, interval| at.is_none_or(|at| now - at >= interval);
        if let Some(interval) = self.ping_interval
            && is_due(self.pinged_at, interval)
        {
            self.pinged_at = Some(now);
            let stalled = writer.stalled();
            if let Some(what) = stalled
                && self.stalled != stalled
            {
                tracing::error!("{what}: the watchdog of the service manager will restart the daemon");
            }
            self.stalled = stalled;
            if stalled.is_none() {
                self.send(&[NotifyState::Watchdog]);
            }
        }
        if self.is_present && is_due(self.status_at, STATUS_INTERVAL) {
            self.status_at = Some(now);
            let status = writer.status_line().unwrap_or_default();
            if !status.is_empty() && status != self.status {
                self.send(&[NotifyState::Status(&status)]);
                self.status = status;
            }
        }
    }

    fn send(&self, state: &[NotifyState<'_>]) {
        if self.is_present {
            // A service manager that does not listen is no reason to end.
            let _ = sd_notify::notify(state);
        }
    }
}

/// The calendar was read again, or was refused.
pub(crate) fn reloaded() {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}
