//! Verification of a bus's files.

#[cfg(feature = "archive")]
use barbus_archive::{Archive, FileReport};
use barbus_ring::{Ring, RingError, RingReport};

use crate::bus::Bus;
use crate::error::{Error, Result};

/// What [`verify`] found.
#[derive(Debug)]
pub struct VerifyReport {
    /// The report on the ring, or why the file is not a ring.
    pub ring: Result<RingReport, RingError>,
    /// The report on each file of the archive.
    #[cfg(feature = "archive")]
    pub archive: Vec<FileReport>,
}

/// Checks the structure of the ring, the checksums of its sealed blocks, and, with the feature
/// `archive`, each archived day against its checksum and metadata. The bus may be in use.
///
/// # Errors
/// Verification is not possible: the bus has no ring, or the archive's directory cannot be read.
/// Problems that it finds are in the report.
pub fn verify(bus: &Bus) -> Result<VerifyReport> {
    let path = bus.ring();
    if !path.exists() {
        return Err(Error::NoRing { ring: path, bus: bus.path().to_owned() });
    }
    Ok(VerifyReport {
        ring: Ring::attach(&path).map(|ring| ring.verify()),
        #[cfg(feature = "archive")]
        archive: {
            let settings = bus.settings();
            Archive::open_existing(bus.archive(), settings.schema.clone(), settings.calendar.name()).verify()?
        },
    })
}
