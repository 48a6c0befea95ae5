//! Taking over a ring that is older than its archive: a backup that was put back, or a file system
//! that was rolled back.
//!
//! The archive has rows with sequence numbers that the ring would assign again, and it would skip
//! the new rows. So the bus goes on in a new ring, of another lineage and behind the archive.

use barbus::{Bus, Result};
use barbus_archive::Archive;
use barbus_ring::{RingWriter, Spec};

use crate::flusher::DayArchiver;
use crate::removed_days::RemovedDays;
use crate::spec::ring_spec;
use crate::trading_day::CurrentCalendar;
use crate::withdrawals::Withdrawals;

/// Replaces a ring that is older than `archive`. Its rows that the archive lacks are archived
/// first.
///
/// # Errors
/// A row cannot be archived, or the new ring cannot be created. The ring is left as it was.
pub(crate) fn leave_older_ring(
    ring: &mut RingWriter,
    bus: &Bus,
    withdrawals: &Withdrawals,
    removed_days: &RemovedDays,
) -> Result<()> {
    let settings = bus.settings();
    let open_archive = || Archive::open(bus.archive(), settings.schema.clone(), settings.calendar.name());
    let archive = open_archive()?;
    let geometry = ring.ring().geometry();
    let (lineage, old_symbols, old_bytes) = (geometry.lineage, geometry.symbols, geometry.symbol_bytes);
    let (next_seq, archived) = (ring.next_seq(), archive.covered_through(lineage)?);
    if archived <= next_seq {
        return Ok(());
    }
    tracing::warn!(
        next_seq,
        archived,
        "the ring is older than the archive, such as one from a backup: it ends at row {next_seq}, and the archive \
         has rows up to {archived}. The bus goes on in a new ring; restart readers, and publish again what is missing"
    );
    let open = ring.day();
    ring.seal_block();
    let mut archiver = DayArchiver::new(
        ring.maintenance(),
        archive,
        settings,
        (withdrawals.clone(), removed_days.clone()),
        CurrentCalendar::new(settings.calendar.clone()),
    );
    archiver.scan();
    archiver.sync(None)?;
    let days = archiver.backlog().days(open.unwrap_or(i64::MAX), i64::MIN);
    for &day in days.closed.iter().chain(&days.late) {
        let rows = archiver.gather(day);
        archiver.write_file(day, &rows)?;
    }
    for &day in &days.open {
        archiver.spill(day)?;
    }
    // The symbols keep their ids, so the new ring has room for all of them.
    let spec = ring_spec(bus);
    let (symbols, symbol_bytes) = (spec.symbols.max(old_symbols), spec.symbol_bytes.max(old_bytes));
    ring.begin_lineage(&bus.ring(), &Spec { first_seq: archived, symbols, symbol_bytes, ..spec })?;
    Ok(())
}
