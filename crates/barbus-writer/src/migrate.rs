//! Writing old days again with the present columns of a bus.

use barbus::internal::Owners;
use barbus::{Bus, Date, Result};
use barbus_archive::{Archive, Migrated};

use crate::places::{lock_archive, lock_bus};

/// Writes each archived day that has other columns than `bus.toml` names again with these, and
/// calls `each` with the day and what was done. Returns how many days had the columns already.
///
/// It holds the locks of the writer: no daemon may run. It may be interrupted and started again.
///
/// # Errors
/// [`Error::Busy`](barbus::Error::Busy) while a writer runs,
/// [`Error::Archive`](barbus::Error::Archive) if a file is damaged or cannot be written: the days
/// before it are done.
pub fn migrate(bus: &Bus, mut each: impl FnMut(Date, Migrated)) -> Result<usize> {
    let owners = Owners::of(bus)?;
    let _lock = lock_bus(bus, &owners)?;
    let _archive_lock = lock_archive(bus, &owners)?;
    let settings = bus.settings();
    let archive = Archive::open(bus.archive(), settings.schema.clone(), settings.calendar.name())?;
    let mut present = 0;
    for day in archive.days()? {
        match archive.migrate(day)? {
            Some(migrated) => each(day, migrated),
            None => present += 1,
        }
    }
    Ok(present)
}
