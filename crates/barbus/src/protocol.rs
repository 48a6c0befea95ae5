//! What goes over the ingest socket besides Arrow: acknowledgements, requests and their answers, one line of JSON each.
//!
//! A connection whose first byte is `{` speaks requests; any other one is an Arrow IPC stream of bars. The schema's metadata may say
//! [`LABEL`], [`ZONE`], [`SOURCE`] and [`ACK`]; with [`REJECTS`] the stream carries rows that the producer could not read.

use barbus_bars::Date;
use serde::{Deserialize, Serialize};

pub use crate::ack::{Ack, AckMode};
pub use crate::stat::Stat;

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
