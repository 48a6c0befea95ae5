//! Fills a ring with its own writer: appends rows in groups and releases blocks.

use barbus::Row;
use barbus_ring::RingWriter;

/// Appends `rows`, across the end of a block if necessary.
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

/// Marks the sealed blocks as archived, so that their slots may be reused.
pub(crate) fn persist(writer: &RingWriter) -> anyhow::Result<()> {
    let maintenance = writer.maintenance();
    maintenance.sync()?;
    for block in maintenance.unpersisted().into_iter().filter(|block| block.sealed) {
        maintenance.mark_persisted(block.block);
    }
    Ok(())
}
