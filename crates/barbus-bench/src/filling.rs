//! Filling a ring by its own writer: rows in runs, and its blocks again and again.

use barbus::Row;
use barbus_ring::RingWriter;

/// Appends `rows`, also where they meet the end of a block.
#[inline]
pub(crate) fn append_all(writer: &mut RingWriter, rows: &mut [Row]) -> anyhow::Result<()> {
    let mut rest = rows;
    while !rest.is_empty() {
        let room = writer.reserve_rows()?.min(rest.len());
        let (now, later) = rest.split_at_mut(room);
        writer.append(now);
        rest = later;
    }
    Ok(())
}

/// Lets the sealed blocks be used again, as if they were archived.
pub(crate) fn persist(writer: &RingWriter) -> anyhow::Result<()> {
    let maintenance = writer.maintenance();
    maintenance.sync()?;
    for block in maintenance.unpersisted().into_iter().filter(|block| block.sealed) {
        maintenance.mark_persisted(block.block);
    }
    Ok(())
}
