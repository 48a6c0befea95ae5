//! The state of a bus as its ring and its folders show it.

use std::fs::read_dir;
use std::path::Path;

use barbus_bars::{Calendar, date_from_epoch_days};
use barbus_ring::Ring;
use barbus_shm::Memory;
use jiff::Timestamp;

use crate::bus::Bus;
use crate::liveness::{newest_age, writer_alive};
use crate::positions::ReaderStat;
use crate::removed::RemovedDay;
use crate::stat::Stat;

impl Stat {
    /// The state as the ring and the archive's directory show it.
    #[doc(hidden)]
    pub fn from_files<M: Memory>(ring: &Ring<M>, bus: &Bus) -> Self {
        let mut stat = Self::from_ring(ring, bus);
        stat.add_folders(bus);
        stat
    }

    /// The state as the ring alone shows it, so that it takes some microseconds.
    #[doc(hidden)]
    pub fn from_ring<M: Memory>(ring: &Ring<M>, bus: &Bus) -> Self {
        let status = ring.status();
        let settings = bus.settings();
        let last = ring.newest_row();
        Self {
            symbols: status.symbols,
            symbols_max: Some(ring.geometry().symbols),
            bars: status.next_seq,
            day: status.day.filter(|_| !status.day_closed).map(date_from_epoch_days),
            blocks: ring.geometry().slots,
            blocks_used: status.blocks_used,
            blocks_persisted: status.blocks_persisted,
            last_frame: last.and_then(|row| Timestamp::from_millisecond(row.frame_ms).ok()),
            last_received: last.and_then(|row| Timestamp::from_nanosecond(row.received_ns.into()).ok()),
            last_age_s: newest_age(ring, Timestamp::now()).map(|age| age.as_secs_f64()),
            writer_alive: writer_alive(ring),
            ring_bytes: ring.geometry().file_bytes,
            calendar_horizon: settings.calendar.horizon(),
            calendar_days_left: days_left(&settings.calendar),
            ..Self::default()
        }
    }

    /// Adds what the folders of the archive and of the quarantine show, and what their disks do.
    #[doc(hidden)]
    pub fn add_folders(&mut self, bus: &Bus) {
        let (archive, quarantine, ring) = (bus.archive(), bus.quarantine(), bus.ring());
        self.days_archived = bus.archived_days().map_or(0, |days| days.len() as u64);
        self.removed_last = RemovedDay::load(bus).ok().and_then(|mut removed| removed.pop());
        self.parts = bus.parts();
        self.archive_free_bytes = free_bytes(&archive);
        self.ring_free_bytes = ring.parent().and_then(free_bytes);
        self.quarantine_free_bytes = free_bytes(&quarantine);
        self.quarantine_bytes = file_bytes(&quarantine);
    }

    /// Adds the readers; `None` if they cannot be listed.
    #[doc(hidden)]
    pub fn set_readers(&mut self, readers: Option<&[ReaderStat]>) {
        self.readers = readers.map(|readers| readers.len() as u64);
        self.readers_lag_bars = readers.and_then(|readers| readers.iter().filter_map(|reader| reader.lag_bars).max());
    }
}

fn days_left(calendar: &Calendar) -> Option<i32> {
    let today = Timestamp::now().to_zoned(calendar.zone().clone()).date();
    calendar.horizon().map(|horizon| (horizon - today).get_days())
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(folder).ok()?;
    found.blocks_available().checked_mul(found.fragment_size())
}

fn file_bytes(folder: &Path) -> u64 {
    let Ok(entries) = read_dir(folder) else { return 0 };
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|found| found.len()).sum()
}
