//! The values of a bus's settings.

use std::path::PathBuf;
use std::time::Duration;

use barbus_bars::{BarSchema, Calendar, Label, Rules};
use serde::Deserialize;

use crate::ack::AckMode;

/// A user or a group in `bus.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Account {
    /// By its number.
    Id(u32),
    /// By its name.
    Name(String),
}

/// `[sources]`: which source's value of a bar stands where several sources give the bar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The sources by falling priority, at most [`Sources::MAX`]: `feed` is the name that a
    /// producer states, `user NAME` is each producer of that Unix user. Empty: the last value
    /// stands.
    pub priority: Vec<String>,
    /// How far a symbol must go on, by the ends of its bars, without anything from a source before
    /// the source counts as silent.
    pub silence: Duration,
}

impl Sources {
    /// Most sources with a priority.
    pub const MAX: usize = 14;
    /// How an entry begins that names a user.
    pub const USER: &str = "user ";
}

/// What becomes of a bar that lies in no session of its symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutsideSessions {
    /// It is published like any other, and not counted.
    #[default]
    Take,
    /// It goes to the quarantine.
    Quarantine,
    /// It is published and counted, and the log says so.
    Warn,
}

/// How much of a kind of file is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Everything.
    #[default]
    Everything,
    /// The files of this number of days.
    Days(u32),
    /// Files of this size together, bytes.
    Bytes(u64),
}

/// The settings of a bus.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The market's calendar: which trading day a bar belongs to.
    pub calendar: Calendar,
    /// The columns of a bar.
    pub schema: BarSchema,
    /// What the frames of a producer mark by default.
    pub label: Label,
    /// The rules that a bar must satisfy.
    pub rules: Rules,
    /// What becomes of bars outside the sessions.
    pub outside_sessions: OutsideSessions,
    /// A bar that ends later than the clock plus this is quarantined.
    pub max_ahead: Duration,
    /// A bar that ends at this moment or before it is quarantined, milliseconds UTC.
    pub oldest_ms: i64,
    /// How long after the end of its last session, and after its last bar, the daemon closes a day.
    pub grace: Duration,
    /// The ring file, relative to the bus.
    pub ring_path: PathBuf,
    /// Size of a new ring file, bytes.
    pub ring_bytes: u64,
    /// Rows per block of a new ring.
    pub rows_per_block: u32,
    /// Symbols that a new ring has room for.
    pub symbols: u32,
    /// The most symbols that the ring is enlarged for.
    pub max_symbols: u32,
    /// Rows in the tip of a new ring.
    pub tip_rows: u32,
    /// How often the ring is synced to disk.
    pub sync: Duration,
    /// The daemon's socket, relative to the bus.
    pub socket: PathBuf,
    /// Longest message of a producer, bytes.
    pub max_message_bytes: u64,
    /// Most memory for the messages of all producers, bytes.
    pub ingest_memory_bytes: u64,
    /// Bytes that the quarantine takes a second, on average over a minute.
    pub quarantine_bytes_per_second: u64,
    /// Most bytes of all files in the quarantine.
    pub quarantine_bytes: u64,
    /// Most connections of one user; the daemon's own user and root have no limit of their own.
    pub connections_per_user: u32,
    /// A producer that sends nothing for this long is disconnected.
    pub idle: Duration,
    /// A message that does not arrive within this time ends its connection; a long one has more.
    pub message_timeout: Duration,
    /// When rows are acknowledged by default.
    pub ack: AckMode,
    /// Users that may use the socket. If `allow_groups` is empty too, the socket's mode alone
    /// decides.
    pub allow_users: Vec<Account>,
    /// Groups whose members may use the socket.
    pub allow_groups: Vec<Account>,
    /// Users that may close the trading day. If `control_groups` is empty too, every user of the
    /// socket may.
    pub control_users: Vec<Account>,
    /// Groups whose members may close the trading day.
    pub control_groups: Vec<Account>,
    /// Which source's value of a bar stands.
    pub sources: Sources,
    /// The directory of the archive, relative to the bus.
    pub archive_path: PathBuf,
    /// How long late bars of a closed day are collected before its file is rewritten.
    pub late: Duration,
    /// How often the bars of the open day are written to disk if the ring is on a tmpfs.
    pub spill: Duration,
    /// Which archived days are kept; older ones are removed.
    pub archive_keep: Keep,
    /// Which files of the quarantine are kept; older ones are removed.
    pub quarantine_keep: Keep,
    /// The part of the ring's blocks, from 0 to 1, that a reader pins at once. Beyond it, rows are
    /// copied.
    pub max_pins: f64,
    /// How many replaced rings readers may still hold when the ring is replaced again.
    pub held_rings: u32,
    /// How many bytes of replaced rings, together with the new one, readers may hold.
    pub held_size: u64,
    /// Whether readers report their positions.
    pub positions: bool,
    /// The daemon warns if at least this part of the ring, from 0 to 1, lies between a reader and
    /// the newest bar.
    pub warn_lag: f64,
    /// The daemon warns if a reader has held a block for this long.
    pub warn_pins: Duration,
}
