//! Attaching to the ring of a bus.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use barbus_ring::{Ring, RingError};
use barbus_shm::{ReadMap, ShmError};

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::owners::Owners;
use crate::socket::connect;

/// How long a daemon may take to accept the connection that shows that it runs.
const PATIENCE: Duration = Duration::from_secs(1);

/// Attaches to the bus's ring for reading.
///
/// # Errors
/// [`Error::NoRing`] before a writer has created it, [`Error::RingLost`] if it was removed while
/// the daemon runs, [`Error::OtherBoot`] before a writer has recovered it after a reboot,
/// [`Error::Untrusted`] for a file that another user could change, [`Error::Ring`] if the file is
/// not a ring that this version reads.
pub(crate) fn attach(bus: &Bus) -> Result<Ring> {
    let ring = Ring::attach_to(map(bus)?)?;
    // After a crash of the machine the file is any mixture of old and new pages. Only a writer can
    // determine which rows are complete.
    if !ring.is_of_this_boot() {
        return Err(Error::OtherBoot { ring: bus.ring(), bus: bus.path().to_owned() });
    }
    // A reader that keeps everything must not take the ring from the others.
    let most = f64::from(ring.geometry().slots) * bus.settings().max_pins;
    ring.limit_pins((most as usize).max(1));
    Ok(ring)
}

/// Maps the bus's ring for reading, whatever it holds.
///
/// # Errors
/// As [`attach`].
pub(crate) fn map(bus: &Bus) -> Result<ReadMap> {
    let path: &Path = &bus.ring();
    let map = ReadMap::open(path).map_err(|error| match error {
        ShmError::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
            let (ring, bus_path) = (path.to_owned(), bus.path().to_owned());
            match connect(bus, PATIENCE) {
                Err(Error::NoDaemon { .. }) => Error::NoRing { ring, bus: bus_path },
                // A daemon listens after it has opened its ring.
                _ => Error::RingLost { ring, bus: bus_path },
            }
        }
        error => RingError::from(error).into(),
    })?;
    Owners::of(bus)?.check_file(map.file(), path)?;
    Ok(map)
}
