//! Walks over all rows of a ring, each with its trading day.

use barbus_bars::{Calendar, Date};
use barbus_ring::{Polled, Ring, RingReader, RingStart, Row};
use barbus_shm::Memory;

use crate::withdrawn_rows::WithdrawnRows;

/// Rows that are read at once.
const ROWS_AT_ONCE: usize = 4_096;

/// Calls `each` for every row of `ring` that is not `withdrawn`, oldest first, with its trading day
/// by `calendar`.
///
/// It ends early at a damaged block: `Ring::verify` names what is wrong.
pub(crate) fn for_each_row<M: Memory>(
    ring: &Ring<M>,
    calendar: &Calendar,
    withdrawn: &WithdrawnRows,
    mut each: impl FnMut(Date, &Row),
) {
    // A ring without rows has no oldest one.
    let Ok(mut reader) = RingReader::new(ring, RingStart::Oldest) else { return };
    let mut span = calendar.trading_day(0);
    let mut rows = Vec::with_capacity(ROWS_AT_ONCE);
    loop {
        rows.clear();
        match reader.poll(ring, &mut rows, ROWS_AT_ONCE) {
            Polled::Rows(_) => {}
            Polled::DayClosed(_) | Polled::Lapped { .. } => continue,
            Polled::Empty | Polled::Corrupt => return,
        }
        for row in &rows {
            if !span.contains(row.frame_ms) {
                span = calendar.trading_day(row.frame_ms);
            }
            if !withdrawn.cover(span.date, row, || ring.symbol(row.symbol).unwrap_or_default()) {
                each(span.date, row);
            }
        }
    }
}
