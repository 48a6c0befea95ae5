//! Requests to the daemon: its state, whether it lives, and withdrawing bars.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::bus::Bus;
use crate::daemon_process::DaemonProcess;
use crate::error::{Error, Result};
use crate::protocol::{Answer, Pong, Request, Withdrawal};
use crate::reader::Reader;
use crate::socket::{DEFAULT_TIMEOUT, LiveSocket, connect};
use crate::stat::Stat;
use crate::withdrawn::Selection;

/// The state of the bus: the daemon's answer, or without one what the bus's files show. As
/// [`stat_within`] five seconds.
///
/// # Errors
/// As [`stat_within`].
///
/// ```no_run
/// let stat = barbus::stat(&barbus::Bus::open("BUS")?)?;
/// println!("{} bars, {} symbols", stat.bars, stat.symbols);
/// # Ok::<(), barbus::Error>(())
/// ```
pub fn stat(bus: &Bus) -> Result<Stat> {
    stat_within(bus, DEFAULT_TIMEOUT)
}

/// The state of the bus: the daemon's answer, or without one what the bus's files show.
///
/// A daemon has `timeout` to answer. If it does not, [`Stat::daemon_silent`] says why.
///
/// # Errors
/// Without an answer those of [`Reader::open`], and [`Error::Io`] if the files cannot be read
/// within `timeout` (five seconds at least) because their disk does not answer either.
pub fn stat_within(bus: &Bus, timeout: Duration) -> Result<Stat> {
    match ask_stat(bus, timeout) {
        Err(Error::NoDaemon { .. }) => stat_of_files(bus, timeout),
        Err(Error::Unresponsive { why, pid, .. }) => {
            let mut stat = stat_of_files(bus, timeout)?;
            (stat.pid_here, stat.daemon_silent) = (pid, Some(why));
            Ok(stat)
        }
        other => other,
    }
}

/// The state as the files show it. In a thread, because a file system that has lost its disk or its
/// server lets a call wait for ever.
fn stat_of_files(bus: &Bus, timeout: Duration) -> Result<Stat> {
    // To read files takes milliseconds, however soon a silent daemon is given up.
    let timeout = timeout.max(DEFAULT_TIMEOUT);
    let path = bus.path().to_owned();
    let read = move || Reader::open(&path).map(|reader| reader.stat());
    within(timeout, read).unwrap_or_else(|| {
        let what = format!("its file system has not answered for {} s", timeout.as_secs_f64());
        Err(Error::io(bus.path(), "read", std::io::Error::new(ErrorKind::TimedOut, what)))
    })
}

/// The result of `work`; `None` if it takes longer than `timeout`.
fn within<T: Send + 'static>(timeout: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, result) = sync_channel(1);
    // The thread of a call that never returns ends with the process.
    std::thread::Builder::new().spawn(move || drop(done.send(work()))).ok()?;
    result.recv_timeout(timeout).ok()
}

/// Requests that the daemon withdraws bars: they leave the archive, whose file of before is kept in
/// `archive/withdrawn/`, and the bus forgets them. It is [`request_withdraw_within`] five seconds.
///
/// # Errors
/// As [`request_withdraw_within`].
pub fn request_withdraw(bus: &Bus, selection: &Selection) -> Result<Withdrawal> {
    request_withdraw_within(bus, selection, DEFAULT_TIMEOUT)
}

/// As [`request_withdraw`], with another time limit.
///
/// It waits for the archive as long as the daemon lives, and gives up when the daemon has been
/// silent for `timeout`.
///
/// # Errors
/// [`Error::NoDaemon`] without a daemon, [`Error::Refused`] if the day is the open one and not in
/// the future, or if the archive cannot be written, [`Error::Unresponsive`] if the daemon is
/// stopped or hung.
pub fn request_withdraw_within(bus: &Bus, selection: &Selection, timeout: Duration) -> Result<Withdrawal> {
    let Selection { day, symbols, from, to, bars } = selection.clone();
    ask_patiently(bus, &Request::Withdraw { day, symbols, from, to, bars }, timeout)
}

/// Waits for the answer as long as the daemon lives: the archive may take a while.
pub(crate) fn ask_patiently<T: DeserializeOwned>(bus: &Bus, request: &Request, timeout: Duration) -> Result<T> {
    let socket = LiveSocket::connect(bus, timeout, is_alive)?;
    let process = socket.process();
    send_request(socket, bus, process, request)
}

/// Whether the daemon answers a request in time.
pub(crate) fn is_alive(bus: &Bus, timeout: Duration) -> bool {
    let asked: Result<Pong> = connect(bus, timeout).and_then(|socket| {
        let process = DaemonProcess::behind(&socket);
        send_request(socket, bus, process, &Request::Ping {})
    });
    // Any answer will do. An error of another kind is met by the caller's own connection, too.
    !matches!(asked, Err(Error::Unresponsive { .. } | Error::NoDaemon { .. }))
}

/// The daemon's answer, which must come within `timeout`.
pub(crate) fn ask_stat(bus: &Bus, timeout: Duration) -> Result<Stat> {
    let socket = connect(bus, timeout)?;
    let process = DaemonProcess::behind(&socket);
    let stat: Stat = send_request(socket, bus, process, &Request::Stat {})?;
    Ok(Stat { pid_here: process.pid, ..stat })
}

fn send_request<T: DeserializeOwned>(
    mut socket: impl Read + Write,
    bus: &Bus,
    process: DaemonProcess,
    request: &Request,
) -> Result<T> {
    let asked = Timestamp::now();
    let protocol = |what: String| Error::Protocol { bus: bus.path().to_owned(), what };
    let mut line = serde_json::to_vec(request).map_err(|error| protocol(error.to_string()))?;
    line.push(b'\n');
    // The daemon may reject the connection and hang up before it reads the request. The write then
    // fails, but the reason can still be read.
    let written = socket.write_all(&line);
    let mut reply = String::new();
    let read = BufReader::new(socket).read_line(&mut reply);
    let is_late = |error: &std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    if read.as_ref().is_err_and(is_late) {
        return Err(process.silent(bus, asked));
    }
    if reply.is_empty() {
        written.map_err(|error| Error::io(&bus.socket(), "write", error))?;
        read.map_err(|error| Error::io(&bus.socket(), "read", error))?;
        return Err(protocol("the daemon hung up without an answer: see its log".into()));
    }
    if let Ok(Answer::Error { error }) = serde_json::from_str(&reply) {
        return Err(Error::Refused { bus: bus.path().to_owned(), why: error });
    }
    serde_json::from_str(&reply)
        .map_err(|error| protocol(format!("the daemon answered {:?}: {error}", reply.trim_end())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::settings::InitOptions;

    /// A daemon that rejects a connection does not wait for the request.
    #[test]
    fn the_daemons_reason_is_reported_even_if_the_request_could_not_be_sent() {
        let folder = tempfile::tempdir().unwrap();
        let bus =
            Bus::init(&folder.path().join("bus"), &InitOptions { calendar: "24x7".into(), preset: None }).unwrap();
        let rejected = |answer: &[u8]| {
            let (own, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(answer).unwrap();
            drop(theirs);
            send_request::<Stat>(own, &bus, DaemonProcess::unknown(), &Request::Stat {}).unwrap_err()
        };
        match rejected(b"{\"error\":\"too many connections\"}\n") {
            Error::Refused { why, .. } => assert_eq!(why, "too many connections"),
            other => panic!("{other:?}"),
        }
        match rejected(b"") {
            Error::Io { action, source, .. } => assert_eq!((action, source.kind()), ("write", ErrorKind::BrokenPipe)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn work_that_never_ends_is_given_up() {
        let (_open, never) = sync_channel::<()>(0);
        assert_eq!(within(Duration::from_millis(10), move || never.recv()), None);
        assert_eq!(within(Duration::from_secs(240), || 7), Some(7));
    }
}
