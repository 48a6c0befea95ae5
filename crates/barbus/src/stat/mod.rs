//! `Stat`: the state of a bus, as its `files` show it and as its daemon completes it; and the
//! `alarms` in it.

mod alarms;
mod counts;
mod files;

use std::collections::BTreeMap;

use barbus_bars::Date;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::daemon_process::process_text;

pub use counts::{SourceStat, TaskStat};

use crate::removed::RemovedDay;

/// The state of a bus. What only a running daemon knows is `None` without one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stat {
    /// Process number of the daemon, in its own pid namespace.
    pub pid: Option<u32>,
    /// The same in the pid namespace of the program that asked; `None` if the daemon is not in it.
    #[serde(default)]
    pub pid_here: Option<u32>,
    /// Why the daemon did not answer: the state is then that of the bus's files.
    #[serde(default)]
    pub daemon_silent: Option<String>,
    /// Version of the daemon, with its commit if that is known.
    #[serde(default)]
    pub version: Option<String>,
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
    /// The day that `archive.keep` removed last.
    #[serde(default)]
    pub removed_last: Option<RemovedDay>,
    /// Closed days with bars that are not in their files yet.
    pub days_waiting: Vec<Date>,
    /// Parts in the archive's work folder: files with bars of days that have no file of their own
    /// yet.
    #[serde(default)]
    pub parts: u64,
    /// The bars of the open day and of days before it that the daemon has in memory, oldest first.
    #[serde(default)]
    pub days: Vec<DayBars>,
    /// Bars accepted since the daemon started.
    pub accepted: Option<u64>,
    /// Duplicates since the daemon started.
    pub duplicates: Option<u64>,
    /// Revisions since the daemon started.
    pub revisions: Option<u64>,
    /// Bars since the daemon started that had other values from a source of higher priority, and
    /// were not published; `None` without `sources.priority` in `bus.toml`.
    #[serde(default)]
    pub conflicts: Option<u64>,
    /// Those of them that `conflicts/` had no room for: they were only counted.
    #[serde(default)]
    pub conflicts_unkept: Option<u64>,
    /// Why conflicts were last not kept, until some are kept again.
    #[serde(default)]
    pub last_conflicts_error: Option<String>,
    /// When that happened.
    #[serde(default)]
    pub last_conflicts_error_at: Option<Timestamp>,
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
    /// The producers' streams since the daemon started, by the `barbus.source` that they state; by
    /// `user NAME` if they state none. At most 64 names; the streams of further ones are counted
    /// under `other`.
    #[serde(default)]
    pub sources: BTreeMap<String, SourceStat>,
    /// The writes of day files and parts since the daemon started.
    #[serde(default)]
    pub flushes: Option<TaskStat>,
    /// The syncs of the ring to disk since the daemon started, without those before a flush.
    #[serde(default)]
    pub syncs: Option<TaskStat>,
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
    /// The same of the ring's file system.
    #[serde(default)]
    pub ring_free_bytes: Option<u64>,
    /// The same of the quarantine's file system.
    #[serde(default)]
    pub quarantine_free_bytes: Option<u64>,
    /// Size of the files in the quarantine, bytes.
    #[serde(default)]
    pub quarantine_bytes: u64,
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

impl Stat {
    /// The process of the daemon that answered: by its number for the program that asked, and by
    /// its own one if they differ. `None` without an answer.
    pub fn process(&self) -> Option<String> {
        self.pid.and_then(|own| process_text(self.pid_here, Some(own)))
    }
}
