use barbus_archive::Archive;
use barbus_ring::{Follower, Ring, Start};
use barbus_shm::Memory;
use jiff::Timestamp;

use crate::Bus;
use crate::day::date_of;
use crate::protocol::Stat;

/// What the ring and the archive's directory tell without the daemon.
pub(crate) fn of_ring<M: Memory>(ring: &Ring<M>, bus: &Bus) -> Stat {
    let status = ring.status();
    let settings = bus.settings();
    let last = status.next_seq.checked_sub(1).and_then(|seq| {
        let mut rows = Vec::new();
        Follower::new(ring, Start::Seq(seq)).ok()?.poll(ring, &mut rows, 1);
        rows.first().copied().filter(|row| row.seq == seq)
    });
    let archive = Archive::open_existing(bus.archive(), settings.schema.clone(), settings.calendar.name());
    Stat {
        symbols: status.symbols,
        bars: status.next_seq,
        day: status.day.filter(|_| !status.day_closed).map(date_of),
        blocks: ring.geometry().slots,
        blocks_used: status.blocks_used,
        blocks_persisted: status.blocks_persisted,
        days_archived: archive.days().map_or(0, |days| days.len() as u64),
        last_frame: last.and_then(|row| Timestamp::from_millisecond(row.frame_ms).ok()),
        last_received: last.and_then(|row| Timestamp::from_nanosecond(row.received_ns.into()).ok()),
        calendar_horizon: settings.calendar.horizon(),
        ..Stat::default()
    }
}
