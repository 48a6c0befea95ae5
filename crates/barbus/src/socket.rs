//! Connecting to the daemon's socket.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;

use crate::bus::Bus;
use crate::error::{Error, Result};

/// Connects to the daemon of `bus`.
///
/// # Errors
/// [`Error::NoDaemon`] if no daemon listens, [`Error::Io`] for other answers of the system.
pub(crate) fn connect(bus: &Bus) -> Result<UnixStream> {
    let socket = bus.socket();
    UnixStream::connect(&socket).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Error::NoDaemon { socket: socket.clone(), bus: bus.path().to_owned() }
        }
        _ => Error::io(&socket, "connect", error),
    })
}
