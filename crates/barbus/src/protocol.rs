//! What goes over the ingest socket besides Arrow: acknowledgements, requests and their answers, one line of JSON each.
//!
//! A connection whose first byte is `{` speaks requests; any other one is an Arrow IPC stream of bars. The schema's metadata may say
//! [`LABEL`], [`ZONE`], [`SOURCE`] and [`ACK`]; with [`REJECTS`] the stream carries rows that the producer could not read.

use std::collections::BTreeMap;

use barbus_bars::Date;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ReaderStat;
use crate::writer::{FlushError, SyncError};

/// Metadata of a stream's schema: what its frames mark, `start` or `end`.
pub const LABEL: &str = "barbus.label";
/// Metadata of a stream's schema: IANA zone of times that carry none.
pub const ZONE: &str = "barbus.zone";
/// Metadata of a stream's schema: a name for the source, kept with quarantined rows.
pub const SOURCE: &str = "barbus.source";
/// Metadata of a stream's schema: `1` says that it carries rows the producer could not read, with columns `row`, `source`, `reason`.
pub const REJECTS: &str = "barbus.rejects";

/// Metadata of a stream's schema: when it is acknowledged, `commit` or `durable`.
pub const ACK: &str = "barbus.ack";

/// When rows are acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AckMode {
    /// When they are committed: they survive the daemon's death, and a loss of power costs at most `ring.sync`.
    #[default]
    Commit,
    /// When they are on disk: they survive a loss of power.
    Durable,
}

impl AckMode {
    /// As it stands in `bus.toml` and in a schema's metadata.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Durable => "durable",
        }
    }
}

impl std::str::FromStr for AckMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Commit, Self::Durable]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| format!("{text:?}: say \"commit\" or \"durable\""))
    }
}

/// What became of rows: `rows` is the sum of the four kinds.
///
/// The daemon sends one after each batch, cumulative for the connection. Every row counted in it is committed, or kept in the quarantine; with
/// [`AckMode::Durable`] it is on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Rows handled.
    pub rows: u64,
    /// New bars.
    pub accepted: u64,
    /// Bars that were there already with the same values; not published again.
    pub duplicate: u64,
    /// Bars that were there with other values; published as revisions.
    pub revised: u64,
    /// Bars put aside with a reason.
    pub quarantined: u64,
    /// Sequence number of the last row published.
    pub seq: Option<u64>,
}

impl std::ops::AddAssign for Ack {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.revised += other.revised;
        self.quarantined += other.quarantined;
        self.seq = other.seq.or(self.seq);
    }
}

/// A line from the daemon on a stream of bars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// The daemon gave up on the connection.
    Error {
        /// Why.
        error: String,
    },
    /// A cumulative acknowledgement.
    Ack(Ack),
}

/// A line to the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How is the bus? Answered with a [`Stat`].
    Stat {},
    /// Close the trading day and archive it. Answered with a [`DayClose`].
    CloseDay {
        /// The day that must be the open one; whichever is open where it is not given.
        #[serde(default)]
        date: Option<Date>,
    },
}

/// What became of a request to close the day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayClose {
    /// The day that was closed; `None` where none was open.
    pub closed: Option<Date>,
    /// The days whose files were waited for and are there now.
    pub archived: bool,
    /// The archive's file of the closed day.
    pub path: Option<String>,
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
    /// Takes over who reads the bus.
    pub fn set_readers(&mut self, readers: Option<&[ReaderStat]>) {
        self.readers = readers.map(|readers| readers.len() as u64);
        self.readers_lag_bars = readers.and_then(|readers| readers.iter().filter_map(|reader| reader.lag_bars).max());
    }

    /// Takes over a failure of the archive.
    pub(crate) fn set_flush_error(&mut self, error: Option<FlushError>) {
        self.last_flush_error = error.as_ref().map(|e| format!("{}: {} (tried {} times)", e.day, e.error, e.tries));
        self.last_flush_error_at = error.map(|e| e.at);
    }

    /// Takes over a failure to put the ring on disk.
    pub(crate) fn set_sync_error(&mut self, error: Option<SyncError>) {
        self.last_sync_error = error.as_ref().map(|e| format!("{} (tried {} times)", e.error, e.tries));
        self.last_sync_error_at = error.map(|e| e.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_documented() {
        let ack = Ack { rows: 3, accepted: 2, duplicate: 1, seq: Some(7), ..Ack::default() };
        let line = serde_json::to_string(&Answer::Ack(ack)).unwrap();
        assert_eq!(line, r#"{"rows":3,"accepted":2,"duplicate":1,"revised":0,"quarantined":0,"seq":7}"#);
        assert_eq!(serde_json::from_str::<Answer>(&line).unwrap(), Answer::Ack(ack));
        let error: Answer = serde_json::from_str(r#"{"error":"no"}"#).unwrap();
        assert_eq!(error, Answer::Error { error: "no".into() });
        let request: Request = serde_json::from_str(r#"{"close_day":{"date":null}}"#).unwrap();
        assert_eq!(request, Request::CloseDay { date: None });
        serde_json::from_str::<Request>(r#"{"nonsense":{}}"#).unwrap_err();
    }
}
