//! Requests to the daemon: its state, closing the day, and withdrawing bars.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::time::Duration;

use barbus_bars::Date;
use serde::de::DeserializeOwned;

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::protocol::{Answer, DayClose, Request, Withdrawal};
use crate::reader::Reader;
use crate::socket::{LiveSocket, PATIENCE, connect, unresponsive};
use crate::stat::Stat;
use crate::withdrawn::Selection;

/// The state of the bus: the daemon's answer, or without a daemon what the bus's files show.
///
/// # Errors
/// [`Error::Unresponsive`] if the daemon does not answer within ten seconds; without a daemon the
/// errors of [`Reader::open`].
///
/// ```no_run
/// let stat = barbus::stat(&barbus::Bus::open("BUS")?)?;
/// println!("{} bars, {} symbols", stat.bars, stat.symbols);
/// # Ok::<(), barbus::Error>(())
/// ```
pub fn stat(bus: &Bus) -> Result<Stat> {
    match ask_stat(bus, PATIENCE) {
        Err(Error::NoDaemon { .. }) => Ok(Reader::open(bus.path())?.stat()),
        other => other,
    }
}

/// Requests that the daemon closes the trading day and archives it. With `date`, that day must be
/// the open one or a closed one; without it, the open day is closed.
///
/// It waits for the archive as long as the daemon lives.
///
/// # Errors
/// [`Error::NoDaemon`] without a daemon, [`Error::Refused`] if the day cannot be closed or
/// archived, [`Error::Unresponsive`] if the daemon is stopped or hung.
pub fn request_close_day(bus: &Bus, date: Option<Date>) -> Result<DayClose> {
    ask_patiently(bus, &Request::CloseDay { date })
}

/// Requests that the daemon withdraws bars: they leave the archive, whose file of before is kept in
/// `archive/withdrawn/`, and the bus forgets them.
///
/// # Errors
/// [`Error::NoDaemon`] without a daemon, [`Error::Refused`] if the day is the open one and not in
/// the future, or if the archive cannot be written, [`Error::Unresponsive`] if the daemon is
/// stopped or hung.
pub fn request_withdraw(bus: &Bus, selection: &Selection) -> Result<Withdrawal> {
    let Selection { day, symbols, from, to, bars } = selection.clone();
    ask_patiently(bus, &Request::Withdraw { day, symbols, from, to, bars })
}

/// Waits for the answer as long as the daemon lives: the archive may take a while.
fn ask_patiently<T: DeserializeOwned>(bus: &Bus, request: &Request) -> Result<T> {
    send_request(LiveSocket::connect(bus, PATIENCE, is_alive)?, bus, request)
}

/// Whether the daemon answers a request in time.
pub(crate) fn is_alive(bus: &Bus, patience: Duration) -> bool {
    // Any answer will do. An error of another kind is met by the caller's own connection, too.
    !matches!(ask_stat(bus, patience), Err(Error::Unresponsive { .. } | Error::NoDaemon { .. }))
}

/// The daemon's answer, which must come within `patience`.
pub(crate) fn ask_stat(bus: &Bus, patience: Duration) -> Result<Stat> {
    send_request(connect(bus, patience)?, bus, &Request::Stat {})
}

fn send_request<T: DeserializeOwned>(mut socket: impl Read + Write, bus: &Bus, request: &Request) -> Result<T> {
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
        return Err(unresponsive(bus, PATIENCE));
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
            send_request::<Stat>(own, &bus, &Request::Stat {}).unwrap_err()
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
}
