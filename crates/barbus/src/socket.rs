//! Connections to the daemon, which end when the daemon is stopped or hung.

use std::io::{ErrorKind, Read, Result as IoResult, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::bus::Bus;
use crate::daemon_process::DaemonProcess;
use crate::error::{Error, Result};

/// How long the daemon may be silent before it counts as hung, if the caller states no time.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// A shorter limit would be no time at all for the system.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);

/// Connects to the daemon of `bus`. `timeout` limits the connecting and each read and write.
///
/// # Errors
/// [`Error::NoDaemon`] if no daemon listens, [`Error::Unresponsive`] if it does not accept the
/// connection in time, [`Error::Io`] for other answers of the system.
pub(crate) fn connect(bus: &Bus, timeout: Duration) -> Result<UnixStream> {
    let (path, asked) = (bus.socket(), Timestamp::now());
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Error::NoDaemon { socket: path.clone(), bus: bus.path().to_owned() }
        }
        // The kernel queues connections for a daemon that accepts none, up to a limit.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => DaemonProcess::unknown().silent(bus, asked),
        _ => Error::io(&path, "connect", error),
    };
    let timeout = timeout.max(SHORTEST_TIMEOUT);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    socket.set_write_timeout(Some(timeout)).map_err(failed)?;
    socket.set_read_timeout(Some(timeout)).map_err(failed)?;
    socket.connect(&SockAddr::unix(&path).map_err(failed)?).map_err(failed)?;
    Ok(socket.into())
}

/// A connection to a daemon that may take any time, as long as it lives: it may wait for a disk.
///
/// While it is silent, another connection asks whether it lives. Without an answer, reads and
/// writes fail with [`ErrorKind::TimedOut`] and the reason.
#[derive(Debug)]
pub(crate) struct LiveSocket {
    stream: UnixStream,
    bus: Bus,
    timeout: Duration,
    /// Whether the daemon lives; it takes the longest time to answer.
    is_alive: fn(&Bus, Duration) -> bool,
    silence: Silence,
}

/// Why the daemon of a connection is silent, once it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Silence(Arc<OnceLock<(DaemonProcess, String)>>);

impl Silence {
    /// The error for the daemon of `bus`, if it is silent.
    pub(crate) fn error(&self, bus: &Bus) -> Option<Error> {
        let (process, why) = self.0.get()?;
        Some(Error::Unresponsive { bus: bus.path().to_owned(), why: why.clone(), pid: process.pid })
    }
}

impl LiveSocket {
    /// Connects to the daemon, which counts as hung when it is silent for `timeout`. `is_alive`
    /// asks it.
    ///
    /// # Errors
    /// As [`connect`].
    pub(crate) fn connect(bus: &Bus, timeout: Duration, is_alive: fn(&Bus, Duration) -> bool) -> Result<Self> {
        let timeout = timeout.max(5 * SHORTEST_TIMEOUT);
        let stream = connect(bus, timeout)?;
        let silence = timeout / 5;
        let set = stream.set_read_timeout(Some(silence)).and_then(|()| stream.set_write_timeout(Some(silence)));
        set.map_err(|error| Error::io(&bus.socket(), "set a time limit for", error))?;
        Ok(Self { stream, bus: bus.clone(), timeout, is_alive, silence: Silence::default() })
    }

    /// Another handle of the same connection.
    pub(crate) fn try_clone(&self) -> IoResult<Self> {
        let (stream, bus, silence) = (self.stream.try_clone()?, self.bus.clone(), self.silence.clone());
        Ok(Self { stream, bus, silence, timeout: self.timeout, is_alive: self.is_alive })
    }

    /// The process at the other end.
    pub(crate) fn process(&self) -> DaemonProcess {
        DaemonProcess::behind(&self.stream)
    }

    /// Whether this connection and its clones have ended because the daemon is silent, and why.
    pub(crate) fn silence(&self) -> Silence {
        self.silence.clone()
    }

    /// Repeats `attempt` while the daemon is silent and lives.
    fn while_alive<T>(&self, mut attempt: impl FnMut(&UnixStream) -> IoResult<T>) -> IoResult<T> {
        loop {
            let asked = Timestamp::now();
            match attempt(&self.stream) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if !(self.is_alive)(&self.bus, self.timeout * 4 / 5) {
                        let process = self.process();
                        let (_, why) = self.silence.0.get_or_init(|| (process, process.silence(&self.bus, asked)));
                        return Err(std::io::Error::new(ErrorKind::TimedOut, why.as_str()));
                    }
                }
                other => return other,
            }
        }
    }
}

impl Read for LiveSocket {
    fn read(&mut self, bytes: &mut [u8]) -> IoResult<usize> {
        self.while_alive(|mut stream| stream.read(bytes))
    }
}

impl Write for LiveSocket {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.while_alive(|mut stream| stream.write(bytes))
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}
