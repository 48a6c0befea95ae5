use std::time::Duration;

use barbus_archive::Archive;
use barbus_ring::Ring;
use barbus_shm::Memory;
use jiff::Timestamp;

use crate::Bus;
use crate::clock::now_ns;
use crate::day::date_of;
use crate::protocol::Stat;

/// A writer that has said nothing for so long is dead: ten beats.
const SILENCE_NS: u64 = 1_000_000_000;

/// Whether the ring's writer has said lately that it lives.
pub(crate) fn writer_alive<M: Memory>(ring: &Ring<M>) -> bool {
    let beat = ring.heartbeat_ns();
    // A clock that was set back leaves beats in the future: until the next one.
    beat != 0 && (now_ns() as u64).abs_diff(beat) < SILENCE_NS
}

/// How long before `now` the newest row was received.
pub(crate) fn newest_age<M: Memory>(ring: &Ring<M>, now: Timestamp) -> Option<Duration> {
    let received = Timestamp::from_nanosecond(ring.newest_row()?.received_ns.into()).ok()?;
    Some(now.duration_since(received).try_into().unwrap_or_default())
}

/// What the ring and the archive's directory tell without the daemon.
pub(crate) fn of_ring<M: Memory>(ring: &Ring<M>, bus: &Bus) -> Stat {
    let status = ring.status();
    let settings = bus.settings();
    let last = ring.newest_row();
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
        last_age_s: newest_age(ring, Timestamp::now()).map(|age| age.as_secs_f64()),
        writer_alive: writer_alive(ring),
        calendar_horizon: settings.calendar.horizon(),
        ..Stat::default()
    }
}
