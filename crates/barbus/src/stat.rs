//! `Stat`: how a bus is doing, from its files alone or with what its writer adds.

use std::collections::BTreeMap;
use std::time::Duration;

use barbus_archive::Archive;
use barbus_bars::Date;
use barbus_ring::Ring;
use barbus_shm::Memory;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Bus, ReaderStat};
use barbus_bars::date_from_epoch_days;
use barbus_shm::now_ns;

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

/// How a bus is. What only a running daemon knows is `None` without one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stat {
    /// Process number of the daemon, where one runs.
    pub pid: Option<u32>,
    /// Whether a writer, the daemon or another one, has said within the last second that it lives.
    #[serde(default)]
    pub writer_alive: bool,
    /// Symbols on the bus.
    pub symbols: u32,
    /// Bars in this line of sequence numbers: the next one's number.
    pub bars: u64,
    /// Bars a second over the last ten seconds.
    pub rate: Option<f64>,
    /// End of the bar that came last.
    pub last_frame: Option<Timestamp>,
    /// When it was received.
    pub last_received: Option<Timestamp>,
    /// Seconds since then.
    pub last_age_s: Option<f64>,
    /// The trading day that is open.
    pub day: Option<Date>,
    /// Blocks of the ring.
    pub blocks: u32,
    /// Blocks with rows.
    pub blocks_used: u32,
    /// Blocks whose rows are all archived.
    pub blocks_persisted: u32,
    /// Days that have a file.
    pub days_archived: u64,
    /// Closed days with rows that are not in their files yet.
    pub days_waiting: Vec<Date>,
    /// Bars accepted since the daemon started.
    pub accepted: Option<u64>,
    /// Duplicates since the daemon started.
    pub duplicates: Option<u64>,
    /// Revisions since the daemon started.
    pub revisions: Option<u64>,
    /// Quarantined bars since the daemon started, by the code of the reason.
    pub quarantined: BTreeMap<String, u64>,
    /// Connections of producers now.
    pub producers: Option<u64>,
    /// Readers that are seen now, see [`crate::readers`].
    #[serde(default)]
    pub readers: Option<u64>,
    /// Bars that the one of them has not read that is most behind.
    #[serde(default)]
    pub readers_lag_bars: Option<u64>,
    /// The last failure of the archive, until a success.
    pub last_flush_error: Option<String>,
    /// When it was.
    pub last_flush_error_at: Option<Timestamp>,
    /// The last failure to put the ring on disk, until a success.
    #[serde(default)]
    pub last_sync_error: Option<String>,
    /// When it was.
    #[serde(default)]
    pub last_sync_error_at: Option<Timestamp>,
    /// Last date of the calendar's holiday table.
    pub calendar_horizon: Option<Date>,
}

impl Stat {
    /// What the ring and the archive's directory tell without the daemon.
    pub fn from_files<M: Memory>(ring: &Ring<M>, bus: &Bus) -> Self {
        let status = ring.status();
        let settings = bus.settings();
        let last = ring.newest_row();
        let archive = Archive::open_existing(bus.archive(), settings.schema.clone(), settings.calendar.name());
        Self {
            symbols: status.symbols,
            bars: status.next_seq,
            day: status.day.filter(|_| !status.day_closed).map(date_from_epoch_days),
            blocks: ring.geometry().slots,
            blocks_used: status.blocks_used,
            blocks_persisted: status.blocks_persisted,
            days_archived: archive.days().map_or(0, |days| days.len() as u64),
            last_frame: last.and_then(|row| Timestamp::from_millisecond(row.frame_ms).ok()),
            last_received: last.and_then(|row| Timestamp::from_nanosecond(row.received_ns.into()).ok()),
            last_age_s: newest_age(ring, Timestamp::now()).map(|age| age.as_secs_f64()),
            writer_alive: writer_alive(ring),
            calendar_horizon: settings.calendar.horizon(),
            ..Self::default()
        }
    }

    /// Takes over who reads the bus.
    pub fn set_readers(&mut self, readers: Option<&[ReaderStat]>) {
        self.readers = readers.map(|readers| readers.len() as u64);
        self.readers_lag_bars = readers.and_then(|readers| readers.iter().filter_map(|reader| reader.lag_bars).max());
    }
}
