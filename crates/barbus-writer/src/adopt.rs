//! Putting days of elsewhere into the archive of a bus that no writer has open.

use std::path::Path;

use barbus::internal::Owners;
use barbus::{Bus, Date, Result};
use barbus_archive::{Archive, DayMeta};
use barbus_shm::WriterLock;

use crate::places::{lock_archive, lock_bus, mark_archived};

/// The archive of a bus, with the locks of its writer: no daemon runs as long as this lives.
#[derive(Debug)]
pub struct IdleArchive {
    bus: Bus,
    archive: Archive,
    _locks: [Option<WriterLock>; 2],
}

impl IdleArchive {
    /// Opens the archive of `bus`, and makes its directory if it is missing.
    ///
    /// # Errors
    /// [`Error::Busy`](barbus::Error::Busy) while a writer runs, and as
    /// [`Writer::open`](crate::Writer::open) for the archive.
    pub fn open(bus: &Bus) -> Result<Self> {
        let owners = Owners::of(bus)?;
        let locks = [Some(lock_bus(bus, &owners)?), lock_archive(bus, &owners)?];
        let settings = bus.settings();
        let archive = Archive::open(bus.archive(), settings.schema.clone(), settings.calendar.name())?;
        Ok(Self { bus: bus.clone(), archive, _locks: locks })
    }

    /// Takes over the file of `day` at `source`, as [`Archive::adopt`] does.
    ///
    /// # Errors
    /// [`Error::Archive`](barbus::Error::Archive) as there: nothing is changed then.
    pub fn adopt(&self, day: Date, source: &Path) -> Result<DayMeta> {
        let meta = self.archive.adopt(day, source)?;
        mark_archived(&self.bus);
        Ok(meta)
    }
}
