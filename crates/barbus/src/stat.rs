use barbus_archive::Archive;
use barbus_ring::Ring;
use barbus_shm::Memory;

use crate::Bus;
use crate::day::date_of;
use crate::protocol::Stat;

/// What the ring and the archive's directory tell without the daemon.
pub(crate) fn of_ring<M: Memory>(ring: &Ring<M>, bus: &Bus) -> Stat {
    let status = ring.status();
    let settings = bus.settings();
    let archive = Archive::open_existing(bus.archive(), settings.schema.clone(), settings.calendar.name());
    Stat {
        symbols: status.symbols,
        bars: status.next_seq,
        day: status.day.filter(|_| !status.day_closed).map(date_of),
        blocks: ring.geometry().slots,
        blocks_used: status.blocks_used,
        blocks_persisted: status.blocks_persisted,
        days_archived: archive.days().map_or(0, |days| days.len() as u64),
        calendar_horizon: settings.calendar.horizon(),
        ..Stat::default()
    }
}
