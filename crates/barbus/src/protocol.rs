//! The protocol of the ingest socket, for producers in other languages and for the daemon.
//!
//! A connection is one of two kinds:
//! - If its first byte is `{`, it sends [`Request`]s and gets answers.
//! - Any other connection is an Arrow IPC stream of bars. The daemon answers with [`Answer`]s. The
//!   metadata of the stream's schema may have the keys [`LABEL`], [`ZONE`], [`SOURCE`] and [`ACK`].
//!   With [`REJECTS`] the stream carries rows that the producer itself rejected. The message of a
//!   batch may have the key [`DONE`].
//!
//! Requests and answers are one line of JSON each.

use std::collections::BTreeMap;

use barbus_bars::Date;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::ack::{Ack, AckMode};
pub use crate::stat::{DayBars, SourceStat, Stat, TaskStat};

/// Schema metadata: what the frames of the stream mark, the `start` or the `end` of a bar.
pub const LABEL: &str = "barbus.label";
/// Schema metadata: the IANA zone of times without a zone.
pub const ZONE: &str = "barbus.zone";
/// Schema metadata: a name for the source, kept with quarantined rows. `sources.priority` in
/// `bus.toml` may give it a priority.
pub const SOURCE: &str = "barbus.source";
/// Schema metadata: with `1`, the stream carries rows that the producer rejected, in the columns
/// `row`, `source` and `reason`.
pub const REJECTS: &str = "barbus.rejects";
/// Schema metadata: when rows are acknowledged, `commit` or `durable`.
pub const ACK: &str = "barbus.ack";

/// Metadata of a batch's message, not of the schema: the producer sends no more bars of the minute
/// that ends at this time (milliseconds UTC) and of those before it. It is the end of the minute
/// whatever the stream's label is. The batch may have rows, which count as sent before.
pub const DONE: &str = "barbus.done";

/// A line from the daemon to a producer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// The daemon closes the connection.
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
    /// Requests the state of the bus. The answer is a [`Stat`].
    Stat {},
    /// Asks whether the daemon lives. The answer is a [`Pong`], also while the daemon waits for a
    /// disk.
    Ping {},
    /// Closes the trading day and archives it. The answer is a [`DayClose`].
    CloseDay {
        /// The day to close, which must be the open one or a closed one; without it, the open day.
        /// A daemon drops the request of a client that has hung up before it was begun.
        #[serde(default)]
        date: Option<Date>,
    },
    /// Withdraws bars of a closed day, or of an open day of the future. The answer is a
    /// [`Withdrawal`].
    Withdraw {
        /// The trading day of the bars.
        day: Date,
        /// As [`Selection::symbols`](crate::Selection::symbols).
        #[serde(default)]
        symbols: Vec<String>,
        /// As [`Selection::from`](crate::Selection::from).
        #[serde(default)]
        from: Option<Timestamp>,
        /// As [`Selection::to`](crate::Selection::to).
        #[serde(default)]
        to: Option<Timestamp>,
        /// As [`Selection::bars`](crate::Selection::bars).
        #[serde(default)]
        bars: BTreeMap<String, Vec<(i64, i64)>>,
    },
}

/// The answer of a daemon that lives: it serves connections, and its writer is free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// Process number of the daemon, in its own pid namespace.
    pub pid: u32,
}

/// The answer to a request to withdraw bars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// The number of bars.
    pub withdrawn: u64,
    /// The day's Parquet file as it was before.
    pub file: Option<String>,
    /// The day that is open now.
    pub open: Option<Date>,
}

/// The answer to a request to close the day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayClose {
    /// The day that was closed; `None` if none was open.
    pub closed: Option<Date>,
    /// Whether all files that the request waits for are written.
    pub archived: bool,
    /// The archive's file of the closed day.
    pub path: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_documented_form() {
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
