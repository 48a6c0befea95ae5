//! Connections to the daemon, which end when the daemon is stopped or hung.

use std::io::{ErrorKind, Read, Result as IoResult, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::bus::Bus;
use crate::error::{Error, Result};

/// How long the daemon may be silent before it counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to the daemon of `bus`. `patience` limits the connecting and each read and write.
///
/// # Errors
/// [`Error::NoDaemon`] if no daemon listens, [`Error::Unresponsive`] if it does not accept the
/// connection in time, [`Error::Io`] for other answers of the system.
pub(crate) fn connect(bus: &Bus, patience: Duration) -> Result<UnixStream> {
    let path = bus.socket();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Error::NoDaemon { socket: path.clone(), bus: bus.path().to_owned() }
        }
        // The kernel queues connections for a daemon that accepts none, up to a limit.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => unresponsive(bus, patience),
        _ => Error::io(&path, "connect", error),
    };
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    socket.set_write_timeout(Some(patience)).map_err(failed)?;
    socket.set_read_timeout(Some(patience)).map_err(failed)?;
    socket.connect(&SockAddr::unix(&path).map_err(failed)?).map_err(failed)?;
    Ok(socket.into())
}

/// The error for a daemon that was silent for `patience`.
pub(crate) fn unresponsive(bus: &Bus, patience: Duration) -> Error {
    Error::Unresponsive { bus: bus.path().to_owned(), seconds: patience.as_secs() }
}

/// A connection to a daemon that may take any time, as long as it lives: it may wait for a disk.
///
/// While it is silent, another connection asks whether it lives. Without an answer, reads and
/// writes fail with [`ErrorKind::TimedOut`].
#[derive(Debug)]
pub(crate) struct LiveSocket {
    stream: UnixStream,
    bus: Bus,
    patience: Duration,
    /// Whether the daemon lives; it takes the longest time to answer.
    is_alive: fn(&Bus, Duration) -> bool,
}

impl LiveSocket {
    /// Connects to the daemon, which counts as hung when it is silent for `patience`. `is_alive`
    /// asks it.
    ///
    /// # Errors
    /// As [`connect`].
    pub(crate) fn connect(bus: &Bus, patience: Duration, is_alive: fn(&Bus, Duration) -> bool) -> Result<Self> {
        let stream = connect(bus, patience)?;
        let silence = patience / 5;
        let set = stream.set_read_timeout(Some(silence)).and_then(|()| stream.set_write_timeout(Some(silence)));
        set.map_err(|error| Error::io(&bus.socket(), "set a time limit for", error))?;
        Ok(Self { stream, bus: bus.clone(), patience, is_alive })
    }

    /// Another handle of the same connection.
    pub(crate) fn try_clone(&self) -> IoResult<Self> {
        let (stream, bus) = (self.stream.try_clone()?, self.bus.clone());
        Ok(Self { stream, bus, patience: self.patience, is_alive: self.is_alive })
    }

    /// Repeats `attempt` while the daemon is silent and lives.
    fn while_alive<T>(&self, mut attempt: impl FnMut(&UnixStream) -> IoResult<T>) -> IoResult<T> {
        loop {
            match attempt(&self.stream) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if !(self.is_alive)(&self.bus, self.patience * 4 / 5) {
                        let seconds = self.patience.as_secs();
                        let what = format!("it has not answered for {seconds} s: it is stopped or hung");
                        return Err(std::io::Error::new(ErrorKind::TimedOut, what));
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
