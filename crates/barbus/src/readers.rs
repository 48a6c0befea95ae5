//! Who reads a bus, where each reader is, and what it holds.

use std::path::PathBuf;
use std::time::Duration;

use barbus_ring::{Position, Ring, RingReader, RingStart};
use barbus_shm::{Memory, read_if_alive};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::position::{BYTES, Told};
use crate::reader::attach;
use crate::{Bus, Error, Result};

/// Names in the directory that are looked at: whoever may write there may make any number.
const MOST: usize = 10_000;

/// Where a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReaderState {
    /// Its position is in the ring.
    Live,
    /// What it would read next has left the ring.
    Lapped,
    /// It still reads a ring that another one has replaced, and comes over by itself.
    OldRing,
    /// It reads a ring whose sequence numbers have nothing to do with this one's, and does not come over by itself.
    OtherLineage,
    /// It reads no more, and what it has pinned is still held.
    Closed,
}

impl ReaderState {
    /// As it stands in JSON.
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

/// A reader, as its position file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReaderStat {
    /// Tells it from every other one, also of the same process: the name of its file.
    pub id: String,
    /// The name that it gave itself, or its process's; control characters are escaped.
    pub name: String,
    /// Process number, as the reader sees it itself.
    pub pid: u32,
    /// The user that its file belongs to.
    pub uid: u32,
    /// When it began to read.
    pub started: Option<Timestamp>,
    /// Where it is.
    pub state: ReaderState,
    /// Sequence number of the bar that it will read next.
    pub position: u64,
    /// Bars that it has not read; `None` of another lineage, or a closed one.
    pub lag_bars: Option<u64>,
    /// Age of the oldest of these, seconds, 0 where there is none; where that one has left the ring, of the oldest that is there.
    pub lag_s: Option<f64>,
    /// How much of the ring lies between its position and the newest bar, from 0 to 1, where it is lapped.
    pub ring_used: Option<f64>,
    /// Blocks that it holds.
    pub pins: u32,
    /// Since when it holds the one that it holds longest.
    pub pins_since: Option<Timestamp>,
}

impl ReaderStat {
    /// The user's name by the system's database, or his number.
    pub fn user(&self) -> String {
        let user = nix::unistd::User::from_uid(self.uid.into()).ok().flatten();
        user.map_or_else(|| self.uid.to_string(), |user| user.name)
    }

    /// How long it has held the block that it holds longest, at `now`.
    pub fn pins_age(&self, now: Timestamp) -> Option<Duration> {
        Some(since(self.pins_since?, now))
    }
}

/// How long after `then` `now` is; nothing where the clock was set back.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(then).try_into().unwrap_or_default()
}

/// Everybody who reads the bus now and has not chosen to be [`crate::Reader::anonymous`], those first who are most behind.
///
/// Files that dead readers left in the directory are removed by this, where this process may.
///
/// # Errors
/// The bus has no ring that can be read, or its directory of readers cannot be.
///
/// ```no_run
/// let bus = barbus::Bus::open("BUS")?;
/// for reader in barbus::readers(&bus)? {
///     println!("{} ({}): {:?} bars behind", reader.name, reader.pid, reader.lag_bars);
/// }
/// # Ok::<(), barbus::Error>(())
/// ```
pub fn readers(bus: &Bus) -> Result<Vec<ReaderStat>> {
    of_ring(&attach(bus)?, bus)
}

pub(crate) fn of_ring<M: Memory>(ring: &Ring<M>, bus: &Bus) -> Result<Vec<ReaderStat>> {
    let now = Timestamp::now();
    let told = told(bus)?;
    let course = Course::of(ring);
    let mut readers: Vec<ReaderStat> =
        told.into_iter().map(|(id, uid, told)| course.reader(ring, id, uid, told, now)).collect();
    readers.sort_by(|a, b| (b.lag_bars, &a.name, &a.id).cmp(&(a.lag_bars, &b.name, &b.id)));
    Ok(readers)
}

/// What the living say, with the name and the user of their files.
fn told(bus: &Bus) -> Result<Vec<(String, u32, Told)>> {
    let folder = bus.readers();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(&folder, "read", error)),
    };
    let files = entries.take(MOST).filter_map(|entry| {
        let id = entry.ok()?.file_name().into_string().ok().filter(|name| is_a_name(name))?;
        let path: PathBuf = folder.join(&id);
        let snapshot = read_if_alive(&path, BYTES as u64)?;
        let told = Told::read(&snapshot.bytes)?;
        (!told.closed || told.pins > 0).then_some((id, snapshot.uid, told))
    });
    Ok(files.collect())
}

/// `PID-` and eight hexadecimal digits: anything else is nobody's, and left alone.
fn is_a_name(name: &str) -> bool {
    name.split_once('-').is_some_and(|(pid, random)| {
        !pid.is_empty()
            && pid.bytes().all(|byte| byte.is_ascii_digit())
            && random.len() == 8
            && random.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// How far the ring has come.
struct Course {
    newest: Option<Position>,
    next_seq: u64,
    oldest_received: Option<Timestamp>,
}

impl Course {
    fn of<M: Memory>(ring: &Ring<M>) -> Self {
        let status = ring.status();
        Self {
            newest: RingReader::new(ring, RingStart::Live).ok().map(|ring_reader| ring_reader.position()),
            next_seq: status.next_seq,
            oldest_received: received(ring, status.oldest_seq),
        }
    }

    fn reader<M: Memory>(&self, ring: &Ring<M>, id: String, uid: u32, told: Told, now: Timestamp) -> ReaderStat {
        let geometry = ring.geometry();
        let at = RingReader::new(ring, RingStart::Seq(told.position)).ok().map(|ring_reader| ring_reader.position());
        let state = match at {
            _ if told.closed => ReaderState::Closed,
            _ if told.lineage != geometry.lineage => ReaderState::OtherLineage,
            _ if told.ring != geometry.created_ns => ReaderState::OldRing,
            // In no block, and not behind the last row: also between one that somebody holds and those that are there.
            Some(at) if at.block == 0 && told.position < self.next_seq => ReaderState::Lapped,
            _ => ReaderState::Live,
        };
        let known = !matches!(state, ReaderState::Closed | ReaderState::OtherLineage);
        let lag_bars = known.then(|| self.next_seq.saturating_sub(told.position));
        let lag_s = match (state, lag_bars) {
            (_, Some(0)) => Some(0.0),
            (ReaderState::Live, Some(_)) => received(ring, told.position).map(|at| since(at, now).as_secs_f64()),
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
            name: told.name,
            pid: told.pid,
            uid,
            started: time(told.started_ns),
            state,
            position: told.position,
            lag_bars,
            lag_s,
            ring_used,
            pins: told.pins,
            pins_since: (told.pins > 0).then(|| time(told.pins_since_ns)).flatten(),
        }
    }

    /// The part of the ring's room that has been filled since the row at `at`: blocks are used again in the order of their numbers.
    fn used(&self, slots: u32, rows_per_block: u32, at: Option<Position>) -> f64 {
        let (Some(newest), Some(at)) = (self.newest, at) else { return 0.0 };
        let place = |position: Position| position.block as f64 * f64::from(rows_per_block) + f64::from(position.row);
        ((place(newest) - place(at)) / (f64::from(slots) * f64::from(rows_per_block))).clamp(0.0, 1.0)
    }
}

/// When the row `seq` was received, where the ring has it.
fn received<M: Memory>(ring: &Ring<M>, seq: u64) -> Option<Timestamp> {
    let mut rows = Vec::new();
    RingReader::new(ring, RingStart::Seq(seq)).ok()?.poll(ring, &mut rows, 1);
    let row = rows.first().filter(|row| row.seq == seq)?;
    Timestamp::from_nanosecond(row.received_ns.into()).ok()
}
