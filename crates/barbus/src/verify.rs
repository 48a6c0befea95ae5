use barbus_archive::{Archive, FileReport};
use barbus_ring::{Ring, RingError, RingReport};

use crate::{Bus, Error, Result};

/// What [`verify`] found.
#[derive(Debug)]
pub struct VerifyReport {
    /// The ring, or why it is none.
    pub ring: Result<RingReport, RingError>,
    /// Every file of the archive.
    pub archive: Vec<FileReport>,
}

/// Checks the ring's structure and the checksums of its sealed blocks, and every archived day against its metadata.
///
/// The bus may be in use. Problems are in the report; an error is what kept it from being made.
pub fn verify(bus: &Bus) -> Result<VerifyReport> {
    let path = bus.ring();
    if !path.exists() {
        return Err(Error::NoRing { ring: path, bus: bus.path().to_owned() });
    }
    let settings = bus.settings();
    let archive = Archive::open_existing(bus.archive(), settings.schema.clone(), settings.calendar.name());
    Ok(VerifyReport { ring: Ring::attach(&path).map(|ring| ring.verify()), archive: archive.verify()? })
}
