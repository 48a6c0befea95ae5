//! The list of a bus's readers: where each is, and what it holds.

use std::time::Duration;

use barbus_ring::{Position, Ring, RingReader, RingStart};
use barbus_shm::{Memory, read_if_alive};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attach::attach;
use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::liveness::now_as_received;
use crate::positions::file::{BYTES, PositionRecord};

/// Directory entries that are read at most: any member of the bus's group may create files there.
const MAX_ENTRIES: usize = 10_000;

/// Where a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReaderState {
    /// Its position is in the ring.
    Live,
    /// The next bar it would read has been overwritten.
    Lapped,
    /// It still reads a ring that has been replaced, and will switch to the new one.
    OldRing,
    /// It reads a ring of another lineage. It cannot switch: its program must open a new reader.
    OtherLineage,
    /// It is closed, but something that it pinned is still held.
    Closed,
}

impl ReaderState {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Lapped => "lapped",
            Self::OldRing => "old-ring",
            Self::OtherLineage => "other-lineage",
            Self::Closed => "closed",
        }
    }
}

/// A reader of a bus, as its position file describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReaderStat {
    /// Identifies the reader, also among those of one process: the name of its file.
    pub id: String,
    /// The name given with [`Reader::name`](crate::Reader::name), or that of its process; control
    /// characters are escaped.
    pub name: String,
    /// Process number, in the reader's own namespace.
    pub pid: u32,
    /// The user that owns its file.
    pub uid: u32,
    /// When it started to read.
    pub started: Option<Timestamp>,
    /// Where it is.
    pub state: ReaderState,
    /// Sequence number of the next bar to be read.
    pub position: u64,
    /// Unread bars; `None` if it reads another lineage or is closed.
    pub lag_bars: Option<u64>,
    /// Age of its oldest unread bar, seconds; 0 without an unread bar. For a lapped reader, the age
    /// of the oldest bar in the ring.
    pub lag_s: Option<f64>,
    /// The part of the ring between its position and the newest bar: from 0, at the newest bar, to
    /// 1, lapped.
    pub ring_used: Option<f64>,
    /// Number of blocks that it has pinned.
    pub pins: u32,
    /// When the block that it has held longest was pinned.
    pub pins_since: Option<Timestamp>,
}

impl ReaderStat {
    /// The user's name in the system's database, or the number if it has none.
    pub fn user(&self) -> String {
        let user = nix::unistd::User::from_uid(self.uid.into()).ok().flatten();
        user.map_or_else(|| self.uid.to_string(), |user| user.name)
    }

    /// At `now`, for how long it has held the block that it has held longest.
    pub fn pins_age(&self, now: Timestamp) -> Option<Duration> {
        Some(since(self.pins_since?, now))
    }
}

/// The time from `then` to `now`; zero if the clock was set back.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(then).try_into().unwrap_or_default()
}

/// The readers of the bus, without the [anonymous](crate::Reader::anonymous) ones. The reader with
/// the most unread bars is first.
///
/// It removes files of dead readers, as far as this process has the permission.
///
/// # Errors
/// The ring cannot be attached, or the directory of the position files cannot be read.
///
/// ```no_run
/// let bus = barbus::Bus::open("BUS")?;
/// for reader in barbus::readers(&bus)? {
///     println!("{} ({}): {:?} bars behind", reader.name, reader.pid, reader.lag_bars);
/// }
/// # Ok::<(), barbus::Error>(())
/// ```
pub fn readers(bus: &Bus) -> Result<Vec<ReaderStat>> {
    readers_of(&attach(bus)?, bus)
}

/// As [`readers`], for a ring that is attached already.
pub(crate) fn readers_of<M: Memory>(ring: &Ring<M>, bus: &Bus) -> Result<Vec<ReaderStat>> {
    let now = now_as_received(ring);
    // The records are read first: otherwise a reader that advances meanwhile would seem to be ahead
    // of the ring.
    let records = records(bus)?;
    if records.is_empty() {
        // The daemon asks each second: the ring is not looked at without a reason.
        return Ok(Vec::new());
    }
    let progress = RingProgress::new(ring);
    let mut readers: Vec<ReaderStat> =
        records.into_iter().map(|(id, uid, record)| progress.reader(ring, id, uid, record, now)).collect();
    readers.sort_by(|a, b| (b.lag_bars, &a.name, &a.id).cmp(&(a.lag_bars, &b.name, &b.id)));
    Ok(readers)
}

/// The position files of living processes: name, owner and content.
fn records(bus: &Bus) -> Result<Vec<(String, u32, PositionRecord)>> {
    let folder = bus.readers();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(&folder, "read", error)),
    };
    let files = entries.take(MAX_ENTRIES).filter_map(|entry| {
        let id = entry.ok()?.file_name().into_string().ok().filter(|name| is_position_file(name))?;
        let snapshot = read_if_alive(&folder.join(&id), BYTES as u64)?;
        let record = PositionRecord::parse(&snapshot.bytes)?;
        (!record.closed || record.pins > 0).then_some((id, snapshot.uid, record))
    });
    Ok(files.collect())
}

/// Whether `name` is `PID-` and eight hexadecimal digits. Other files are left alone: reading one
/// may remove it.
fn is_position_file(name: &str) -> bool {
    name.split_once('-').is_some_and(|(pid, random)| {
        !pid.is_empty()
            && pid.bytes().all(|byte| byte.is_ascii_digit())
            && random.len() == 8
            && random.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The writer's progress, at one moment.
struct RingProgress {
    newest: Option<Position>,
    next_seq: u64,
    oldest_received: Option<Timestamp>,
}

impl RingProgress {
    fn new<M: Memory>(ring: &Ring<M>) -> Self {
        let status = ring.status();
        Self {
            newest: RingReader::new(ring, RingStart::Live).ok().map(|ring_reader| ring_reader.position()),
            next_seq: status.next_seq,
            oldest_received: received(ring, status.oldest_seq),
        }
    }

    fn reader<M: Memory>(
        &self,
        ring: &Ring<M>,
        id: String,
        uid: u32,
        record: PositionRecord,
        now: Timestamp,
    ) -> ReaderStat {
        let geometry = ring.geometry();
        let at = RingReader::new(ring, RingStart::Seq(record.position)).ok().map(|ring_reader| ring_reader.position());
        let state = match at {
            _ if record.closed => ReaderState::Closed,
            _ if record.lineage != geometry.lineage => ReaderState::OtherLineage,
            _ if record.ring != geometry.created_ns => ReaderState::OldRing,
            // The position is in no block, and it is not the end of the ring. It may also lie in a
            // gap, between a block that a reader holds and the others.
            Some(at) if at.block == 0 && record.position < self.next_seq => ReaderState::Lapped,
            _ => ReaderState::Live,
        };
        let known = !matches!(state, ReaderState::Closed | ReaderState::OtherLineage);
        let lag_bars = known.then(|| self.next_seq.saturating_sub(record.position));
        let lag_s = match (state, lag_bars) {
            (_, Some(0)) => Some(0.0),
            (ReaderState::Live, Some(_)) => received(ring, record.position).map(|at| since(at, now).as_secs_f64()),
            (ReaderState::Lapped, _) => self.oldest_received.map(|at| since(at, now).as_secs_f64()),
            _ => None,
        };
        let ring_used = match state {
            ReaderState::Lapped => Some(1.0),
            ReaderState::Live => Some(self.used(geometry.slots, geometry.rows_per_block, at)),
            _ => None,
        };
        let time = |ns: i64| Timestamp::from_nanosecond(ns.into()).ok();
        ReaderStat {
            id,
            name: record.name,
            pid: record.pid,
            uid,
            started: time(record.started_ns),
            state,
            position: record.position,
            lag_bars,
            lag_s,
            ring_used,
            pins: record.pins,
            pins_since: (record.pins > 0).then(|| time(record.pins_since_ns)).flatten(),
        }
    }

    /// The part of the ring that was written after the row at `at`. The writer reuses blocks in the
    /// order of their numbers.
    fn used(&self, slots: u32, rows_per_block: u32, at: Option<Position>) -> f64 {
        let (Some(newest), Some(at)) = (self.newest, at) else { return 0.0 };
        let rows_before =
            |position: Position| position.block as f64 * f64::from(rows_per_block) + f64::from(position.row);
        ((rows_before(newest) - rows_before(at)) / (f64::from(slots) * f64::from(rows_per_block))).clamp(0.0, 1.0)
    }
}

/// When the row `seq` was received; `None` if the ring does not hold it.
fn received<M: Memory>(ring: &Ring<M>, seq: u64) -> Option<Timestamp> {
    let mut rows = Vec::new();
    RingReader::new(ring, RingStart::Seq(seq)).ok()?.poll(ring, &mut rows, 1);
    let row = rows.first().filter(|row| row.seq == seq)?;
    Timestamp::from_nanosecond(row.received_ns.into()).ok()
}
