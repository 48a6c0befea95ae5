//! What the relays of a bus report: programs that carry its bars to and from other machines.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bus::Bus;
use crate::error::{Error, Result};

/// Reports that are read at most.
const MAX_REPORTS: usize = 200;
/// The longest report, bytes.
const MAX_BYTES: u64 = 64 * 1024;
/// A relay that runs writes its report every second.
const ALIVE_WITHIN: Duration = Duration::from_secs(5);

/// Where a relay carries bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayDirection {
    /// From the bus to a stream.
    Out,
    /// From a stream to the bus.
    In,
}

impl RelayDirection {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
        }
    }
}

/// The report of a relay. All counts are since it started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RelayStat {
    /// Identifies the relay among those of the bus.
    pub name: String,
    /// Where it carries bars.
    pub direction: RelayDirection,
    /// The stream on the message server.
    pub stream: String,
    /// The first part of the subjects of its messages.
    pub prefix: String,
    /// Process number, in its own namespace.
    pub pid: u32,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it wrote this report: every second while it runs.
    pub updated: Option<Timestamp>,
    /// Whether it has ended in order.
    pub ended: bool,
    /// Whether it is connected to the message server.
    pub connected: bool,
    /// Messages that were carried and acknowledged.
    pub messages: u64,
    /// Rows in these messages.
    pub bars: u64,
    /// Payload and headers of these messages, bytes.
    pub bytes: u64,
    /// Of the rows, those that the bus had already; only `in`.
    pub duplicates: u64,
    /// Of the rows, those with other values than a source of a higher priority gave; only `in`.
    pub conflicts: u64,
    /// Of the rows, those that the bus quarantined or refused; only `in`.
    pub rejected: u64,
    /// Rows that the stream had dropped before they were read; only `in`.
    pub missed: u64,
    /// Messages that were delivered again; only `in`.
    pub redelivered: u64,
    /// Messages that no relay has written, and that were skipped; only `in`.
    pub foreign: u64,
    /// How often it began again after a failure.
    pub reconnects: u64,
    /// Number of the next row of the source, as the lineage of the source counts them.
    pub next_seq: u64,
    /// Messages of the stream (`in`) that are not carried yet, or of the relay (`out`) that are not
    /// acknowledged; `None` before it is known.
    pub lag_messages: Option<u64>,
    /// Age of the oldest of them, seconds; 0 without one.
    pub lag_s: Option<f64>,
    /// The last failure.
    pub last_error: Option<String>,
    /// When it happened.
    pub last_error_at: Option<Timestamp>,
}

impl Default for RelayStat {
    fn default() -> Self {
        Self {
            name: String::new(),
            direction: RelayDirection::Out,
            stream: String::new(),
            prefix: String::new(),
            pid: 0,
            started: None,
            updated: None,
            ended: false,
            connected: false,
            messages: 0,
            bars: 0,
            bytes: 0,
            duplicates: 0,
            conflicts: 0,
            rejected: 0,
            missed: 0,
            redelivered: 0,
            foreign: 0,
            reconnects: 0,
            next_seq: 0,
            lag_messages: None,
            lag_s: None,
            last_error: None,
            last_error_at: None,
        }
    }
}

impl RelayStat {
    /// The folder of a bus with the files of its relays.
    pub fn folder(bus: &Bus) -> PathBuf {
        bus.path().join("relays")
    }

    /// Whether it runs, as far as its report shows: it has not ended, and wrote the report within
    /// the last five seconds.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        let age = |updated| now.duration_since(updated).try_into().unwrap_or(Duration::ZERO);
        !self.ended && self.updated.is_some_and(|updated| age(updated) <= ALIVE_WITHIN)
    }
}

/// The reports of the relays of a bus, also of those that have ended, by name.
///
/// # Errors
/// [`Error::Io`] if the folder exists and cannot be read.
///
/// ```no_run
/// let bus = barbus::Bus::open("BUS")?;
/// for relay in barbus::relays(&bus)? {
///     println!("{} {}: {} bars", relay.direction.as_str(), relay.stream, relay.bars);
/// }
/// # Ok::<(), barbus::Error>(())
/// ```
pub fn relays(bus: &Bus) -> Result<Vec<RelayStat>> {
    let folder = RelayStat::folder(bus);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(&folder, "read", error)),
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let reports = paths.filter(|path| is_report(path)).take(MAX_REPORTS).filter_map(|path| read(&path));
    let mut relays: Vec<RelayStat> = reports.collect();
    relays.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(relays)
}

/// Whether a file has the name of a report.
fn is_report(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".json") && (name.starts_with("out-") || name.starts_with("in-"))
}

/// The report in a file. One that is being replaced is whole; anything else is no report.
fn read(path: &Path) -> Option<RelayStat> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::InitOptions;

    #[test]
    fn reports_are_listed_by_name_and_other_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let options = InitOptions { calendar: "24x7".into(), preset: None };
        let bus = Bus::init(&folder.path().join("bus"), &options).unwrap();
        assert_eq!(relays(&bus).unwrap(), []);
        std::fs::create_dir(RelayStat::folder(&bus)).unwrap();
        let mut report = RelayStat { name: "out-b".into(), bars: 7, ..RelayStat::default() };
        let write = |report: &RelayStat| {
            let path = RelayStat::folder(&bus).join(format!("{}.json", report.name));
            std::fs::write(path, serde_json::to_string(report).unwrap()).unwrap();
        };
        write(&report);
        report.name = "in-a".into();
        write(&report);
        std::fs::write(RelayStat::folder(&bus).join("in-c.json"), "{").unwrap();
        std::fs::write(RelayStat::folder(&bus).join("other.json"), "{}").unwrap();
        let names: Vec<String> = relays(&bus).unwrap().into_iter().map(|relay| relay.name).collect();
        assert_eq!(names, ["in-a", "out-b"]);
        assert!(!report.is_alive(Timestamp::UNIX_EPOCH));
        report.updated = Some(Timestamp::UNIX_EPOCH);
        assert!(report.is_alive(Timestamp::UNIX_EPOCH));
        assert!(!report.is_alive(Timestamp::from_second(6).unwrap()));
    }
}
