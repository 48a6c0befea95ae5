//! Attaching to the ring of a bus.

use barbus_ring::Ring;

use crate::bus::Bus;
use crate::error::{Error, Result};

/// Maps the bus's ring for reading.
///
/// # Errors
/// [`Error::NoRing`] before a writer has created it, [`Error::OtherBoot`] before a writer has
/// recovered it after a reboot, [`Error::Ring`] if the file is not a ring that this version reads.
pub(crate) fn attach(bus: &Bus) -> Result<Ring> {
    let path = bus.ring();
    if !path.exists() {
        return Err(Error::NoRing { ring: path, bus: bus.path().to_owned() });
    }
    let ring = Ring::attach(&path)?;
    // After a crash of the machine the file is any mixture of old and new pages. Only a writer can
    // determine which rows are complete.
    if !ring.is_of_this_boot() {
        return Err(Error::OtherBoot { ring: path, bus: bus.path().to_owned() });
    }
    Ok(ring)
}
