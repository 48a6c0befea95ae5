//! Verification of a bus's files.

#[cfg(feature = "archive")]
use barbus_archive::FileReport;
use barbus_ring::{Ring, RingError, RingReport};

use crate::attach::map;
use crate::bus::Bus;
use crate::error::{Error, Result};
#[cfg(feature = "archive")]
use crate::missing::{missing, missing_by_daemon};

/// What [`verify`] found.
#[derive(Debug)]
pub struct VerifyReport {
    /// The report on the ring, or why the file is not a ring.
    pub ring: Result<RingReport, RingError>,
    /// The report on each file of the archive.
    #[cfg(feature = "archive")]
    pub archive: Vec<FileReport>,
    /// Bars of the ring that the archive should have and has not, a sentence for each day.
    #[cfg(feature = "archive")]
    pub missing: Vec<String>,
}

/// Checks the structure of the ring, the checksums of its sealed blocks, and, with the feature
/// `archive`, each archived day against its checksum and metadata. The bus may be in use.
///
/// # Errors
/// Verification is not possible: the bus has no ring, or one that another user could change, or the
/// archive's directory cannot be read.
/// Problems that it finds are in the report.
pub fn verify(bus: &Bus) -> Result<VerifyReport> {
    let ring = match map(bus) {
        Ok(map) => Ring::attach_to(map),
        Err(Error::Ring(error)) => Err(error),
        Err(error) => return Err(error),
    };
    #[cfg(feature = "archive")]
    let archive = bus.open_archive().verify()?;
    Ok(VerifyReport {
        // After the files: each of them has rows that were in the ring before.
        #[cfg(feature = "archive")]
        missing: {
            let mut found = ring.as_ref().map(|ring| missing(ring, bus, &archive)).unwrap_or_default();
            found.extend(missing_by_daemon(bus, &found));
            found
        },
        ring: ring.map(|ring| ring.verify()),
        #[cfg(feature = "archive")]
        archive,
    })
}
