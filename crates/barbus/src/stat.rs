//! `Stat`: the state of a bus, as its files show it and as its daemon completes it.

use std::collections::BTreeMap;
use std::path::Path;

use barbus_bars::{Calendar, Date, date_from_epoch_days};
use barbus_ring::Ring;
use barbus_shm::Memory;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::bus::Bus;
use crate::liveness::{newest_age, writer_alive};
use crate::positions::ReaderStat;

/// The state of a bus. What only a running daemon knows is `None` without one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stat {
    /// Process number of the daemon.
    pub pid: Option<u32>,
    /// Whether a writer, the daemon or a program that embeds one, has stored a heartbeat within the
    /// last second.
    #[serde(default)]
    pub writer_alive: bool,
    /// Symbols on the bus.
    pub symbols: u32,
    /// Symbols that the ring has room for.
    #[serde(default)]
    pub symbols_max: Option<u32>,
    /// Why bars of new symbols are quarantined, until there is room for them.
    #[serde(default)]
    pub symbol_table_full: Option<String>,
    /// Bars that were ever written in the ring's lineage: the sequence number of the next bar.
    pub bars: u64,
    /// Bars a second over the last ten seconds.
    pub rate: Option<f64>,
    /// Frame of the bar that was written last.
    pub last_frame: Option<Timestamp>,
    /// When that bar was received.
    pub last_received: Option<Timestamp>,
    /// Seconds since then.
    pub last_age_s: Option<f64>,
    /// The open trading day.
    pub day: Option<Date>,
    /// Blocks of the ring.
    pub blocks: u32,
    /// Blocks with rows.
    pub blocks_used: u32,
    /// Blocks whose rows are all archived.
    pub blocks_persisted: u32,
    /// Days that have a file.
    pub days_archived: u64,
    /// Closed days with bars that are not in their files yet.
    pub days_waiting: Vec<Date>,
    /// The bars of the open day and of days before it that the daemon has in memory, oldest first.
    #[serde(default)]
    pub days: Vec<DayBars>,
    /// Bars accepted since the daemon started.
    pub accepted: Option<u64>,
    /// Duplicates since the daemon started.
    pub duplicates: Option<u64>,
    /// Revisions since the daemon started.
    pub revisions: Option<u64>,
    /// The symbols with the most revisions since the daemon started, at most five.
    #[serde(default)]
    pub most_revised: BTreeMap<String, u64>,
    /// Quarantined bars since the daemon started, by the code of the reason.
    pub quarantined: BTreeMap<String, u64>,
    /// Bars outside the sessions of their symbols since the daemon started; `None` if
    /// `bars.outside_sessions` is `take`.
    #[serde(default)]
    pub outside_sessions: Option<u64>,
    /// Invalid rows that the quarantine had no room for, since the daemon started: they were only
    /// counted.
    #[serde(default)]
    pub refused: Option<u64>,
    /// Why rows were last kept out of the quarantine, until rows are stored again.
    #[serde(default)]
    pub last_quarantine_error: Option<String>,
    /// When that happened.
    #[serde(default)]
    pub last_quarantine_error_at: Option<Timestamp>,
    /// Number of connected producers.
    pub producers: Option<u64>,
    /// Number of readers in the list of [`readers`](crate::readers()).
    #[serde(default)]
    pub readers: Option<u64>,
    /// Unread bars of the reader that is furthest behind.
    #[serde(default)]
    pub readers_lag_bars: Option<u64>,
    /// The last failure to write the archive, until a success.
    pub last_flush_error: Option<String>,
    /// When it happened.
    pub last_flush_error_at: Option<Timestamp>,
    /// The last failure to sync the ring to disk, until a success.
    #[serde(default)]
    pub last_sync_error: Option<String>,
    /// When it happened.
    #[serde(default)]
    pub last_sync_error_at: Option<Timestamp>,
    /// Why the ring's file cannot be relied on, until it can: it was removed, moved or replaced, or
    /// it shares disk blocks with a copy.
    #[serde(default)]
    pub ring_error: Option<String>,
    /// When that was found.
    #[serde(default)]
    pub ring_error_at: Option<Timestamp>,
    /// Since when producers have waited for room in the ring; `None` if they do not wait.
    #[serde(default)]
    pub ring_full_at: Option<Timestamp>,
    /// What they wait for: the archive, the disk, or readers that hold blocks.
    #[serde(default)]
    pub ring_full_cause: Option<String>,
    /// Free space on the archive's file system for a user without privileges, bytes; `None` if it
    /// is not known.
    #[serde(default)]
    pub archive_free_bytes: Option<u64>,
    /// Size of the ring's file, bytes.
    #[serde(default)]
    pub ring_bytes: u64,
    /// How often the ring continued in a new file since the daemon started, because readers held
    /// its blocks or its symbol table was full.
    #[serde(default)]
    pub rings_replaced: Option<u64>,
    /// Replaced rings that readers still have open.
    #[serde(default)]
    pub rings_held: Option<u64>,
    /// The size of their files, bytes: they take it up until their readers release them.
    #[serde(default)]
    pub rings_held_bytes: Option<u64>,
    /// Whether readers hold all blocks of the ring but its reserve, in which the writer goes on.
    #[serde(default)]
    pub ring_in_reserve: bool,
    /// Last date of the calendar's holiday table.
    pub calendar_horizon: Option<Date>,
    /// Why the daemon did not take the calendar that its files describe at its last SIGHUP: it goes
    /// on with the one before. `None` if it did, and without a daemon.
    #[serde(default)]
    pub calendar_refused: Option<String>,
    /// Days until then, from today in the market; negative after it.
    #[serde(default)]
    pub calendar_days_left: Option<i32>,
}

/// The bars of a trading day, each counted once whatever its revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayBars {
    /// The trading day.
    pub day: Date,
    /// Bars that the bus has acknowledged.
    pub acknowledged: u64,
    /// Bars in the day's file; 0 without one.
    pub archived: u64,
}

/// The days ahead of the end of a holiday table that are an alarm.
const HORIZON_DAYS: i32 = 14;

impl Stat {
    /// The state as the ring and the archive's directory show it.
    #[doc(hidden)]
    pub fn from_files<M: Memory>(ring: &Ring<M>, bus: &Bus) -> Self {
        let mut stat = Self::from_ring(ring, bus);
        stat.add_archive(bus);
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

    /// Adds what the archive's directory shows.
    #[doc(hidden)]
    pub fn add_archive(&mut self, bus: &Bus) {
        self.days_archived = bus.archived_days().map_or(0, |days| days.len() as u64);
        self.archive_free_bytes = free_bytes(&bus.archive());
    }

    /// The days of [`Stat::days`] whose files have fewer bars than were acknowledged, although they
    /// do not wait.
    pub fn days_incomplete(&self) -> impl Iterator<Item = &DayBars> {
        let settled = |day: &&DayBars| Some(day.day) != self.day && !self.days_waiting.contains(&day.day);
        self.days.iter().filter(settled).filter(|day| day.archived < day.acknowledged)
    }

    /// What an operator should attend to, a phrase each; empty if all is well.
    ///
    /// ```
    /// let stat = barbus::protocol::Stat { last_flush_error: Some("disk full".into()), ..Default::default() };
    /// assert_eq!(stat.alarms(), ["no writer: its heartbeat is missing", "archive: disk full"]);
    /// ```
    pub fn alarms(&self) -> Vec<String> {
        let with = |what: &str, why: &Option<String>| why.as_ref().map(|why| format!("{what}: {why}"));
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let is_near = |horizon: &Date| (*horizon - today).get_days() < HORIZON_DAYS;
        let alarms = [
            (!self.writer_alive).then(|| "no writer: its heartbeat is missing".to_owned()),
            with("archive", &self.last_flush_error),
            with("sync", &self.last_sync_error),
            with("ring", &self.ring_error),
            with("quarantine", &self.last_quarantine_error),
            self.ring_full_at.and_then(|at| with(&format!("ring full since {at}"), &self.ring_full_cause)),
            self.archive_free_bytes
                .filter(|&free| free < self.ring_bytes)
                .map(|free| format!("archive: {free} bytes are free on its file system, less than the ring has")),
            self.calendar_horizon
                .filter(is_near)
                .map(|horizon| format!("calendar: its holidays are known through {horizon} only")),
        ];
        let incomplete = self.days_incomplete().map(|DayBars { day, acknowledged, archived }| {
            format!("archive: {day} has {archived} bars, and {acknowledged} were acknowledged: run barbus verify")
        });
        alarms.into_iter().flatten().chain(incomplete).collect()
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
