//! The process that listens on the bus's socket: its number, and why it is silent.

use std::os::unix::net::UnixStream;

use jiff::Timestamp;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::attach::attach;
use crate::bus::Bus;
use crate::error::Error;
use crate::liveness::writer_alive;

/// The process at the other end of a connection to the daemon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DaemonProcess {
    /// As the pid namespace of this process numbers it; `None` if it is not in that namespace, or
    /// if there is no connection that would tell.
    pub(crate) pid: Option<u32>,
    is_connected: bool,
}

impl DaemonProcess {
    /// The process that listens where `stream` is connected: also one that is stopped.
    pub(crate) fn behind(stream: &UnixStream) -> Self {
        let pid = getsockopt(stream, PeerCredentials).map_or(0, |peer| peer.pid());
        Self { pid: u32::try_from(pid).ok().filter(|pid| *pid > 0), is_connected: true }
    }

    /// A daemon that has not accepted a connection yet.
    pub(crate) fn unknown() -> Self {
        Self { pid: None, is_connected: false }
    }

    /// The error for this daemon of `bus`, which has been silent since `asked`.
    pub(crate) fn silent(self, bus: &Bus, asked: Timestamp) -> Error {
        Error::Unresponsive { bus: bus.path().to_owned(), why: self.silence(bus, asked), pid: self.pid }
    }

    /// Why this daemon of `bus` is silent, and the next step. It has not answered since `asked`.
    pub(crate) fn silence(self, bus: &Bus, asked: Timestamp) -> String {
        let ring = attach(bus).ok();
        let written = ring.as_ref().map(|ring| ring.status().writer_pid).filter(|pid| *pid > 0);
        let process = match (self.pid, written) {
            (None, Some(pid)) if !self.is_connected => Some(format!("process {pid}")),
            (here, own) => process_text(here, own),
        };
        let process = process.map_or_else(|| "the daemon".to_owned(), |process| format!("the daemon, {process},"));
        match self.pid.or(written.filter(|_| !self.is_connected)).and_then(state) {
            Some('T') => {
                let pid = self.pid.or(written).unwrap_or_default();
                return format!("{process} is stopped: to let it go on, run: kill -CONT {pid}");
            }
            Some('t') => return format!("{process} is stopped by a debugger"),
            _ => {}
        }
        // Without a heartbeat all of the process stands still, and has since the last one.
        let last_sign = ring.filter(|ring| !writer_alive(ring)).and_then(|ring| {
            Timestamp::from_nanosecond(ring.heartbeat_ns().into()).ok().filter(|at| *at > Timestamp::UNIX_EPOCH)
        });
        let since = last_sign.map_or(asked, |at| at.min(asked)).strftime("%Y-%m-%dT%H:%M:%SZ");
        format!("{process} does not answer since {since}: see its log, or restart it")
    }
}

/// A process by its number `here` in the pid namespace of this process, and by its `own` one.
pub(crate) fn process_text(here: Option<u32>, own: Option<u32>) -> Option<String> {
    match (here, own) {
        (Some(here), Some(own)) if here != own => Some(format!("process {here} ({own} in its own pid namespace)")),
        (Some(pid), _) => Some(format!("process {pid}")),
        (None, Some(own)) => Some(format!("process {own} of another pid namespace")),
        (None, None) => None,
    }
}

/// The state of a process, such as `T` for a stopped one; `None` if there is no such process.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may have any characters.
    stat.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_and_is_behind_its_own_socket() {
        // The main thread may wait for the one of this test.
        assert!(matches!(state(std::process::id()), Some('R' | 'S')));
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(DaemonProcess::behind(&one).pid, Some(std::process::id()));
    }

    #[test]
    fn a_number_of_another_namespace_is_shown_as_such() {
        let text = |here, own| process_text(here, own).unwrap_or_default();
        assert_eq!(text(Some(7), Some(7)), "process 7");
        assert_eq!(text(Some(4_711), Some(7)), "process 4711 (7 in its own pid namespace)");
        assert_eq!(text(None, Some(7)), "process 7 of another pid namespace");
        assert_eq!(text(None, None), "");
    }
}
