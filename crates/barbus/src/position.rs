//! The small file in which a reader keeps its position, for whoever looks after the bus. `docs/FORMAT.md` describes it.
//!
//! It is the reader's own: nobody waits for it, and the ring knows nothing of it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use barbus_ring::Ring;
use barbus_shm::{MarkFile, Memory, PinWatch, ShmError, Store};

use barbus_shm::now_ns;

/// Length of the file, bytes.
pub(crate) const BYTES: usize = 4096;
/// "BARBUSRD".
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"BARBUSRD");
pub(crate) const VERSION: u32 = 1;

/// u64: [`MAGIC`].
pub(crate) const PF_MAGIC: usize = 0;
/// u32: [`VERSION`], stored last.
pub(crate) const PF_VERSION: usize = 8;
/// u32: process number.
pub(crate) const PF_PID: usize = 12;
/// i64: when it began, nanoseconds since 1970-01-01 UTC.
pub(crate) const PF_STARTED_NS: usize = 16;
/// u64: lineage of the ring that is read.
pub(crate) const PF_LINEAGE: usize = 24;
/// u64: `created_ns` of the ring that is read.
pub(crate) const PF_RING: usize = 32;
/// u32: 1 when the reader is gone and only what it pinned is still held.
pub(crate) const PF_CLOSED: usize = 40;
/// Bytes of text, UTF-8, zeros behind it.
pub(crate) const PF_NAME: usize = 64;
pub(crate) const NAME_BYTES: usize = 64;
/// u64: the next row to be read; on a line of its own.
pub(crate) const PF_POSITION: usize = 128;
/// u32: blocks held.
pub(crate) const PF_PINS: usize = 256;
/// i64: since when the one is held that is held longest, nanoseconds since 1970-01-01 UTC; 0 where none is.
pub(crate) const PF_PINS_SINCE_NS: usize = 264;

/// Names tried, where somebody who looks at the directory comes between.
const TRIES: usize = 8;

/// A reader's position file, there while the reader lives or something that it pinned.
#[derive(Debug)]
pub(crate) struct PositionFile {
    file: MarkFile,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    /// Since when how many blocks are held, by ticket.
    since: BTreeMap<u64, Since>,
    pins: u32,
}

#[derive(Debug)]
struct Since {
    ns: i64,
    pins: u32,
}

impl PositionFile {
    /// Makes one in `folder`, for a reader of `ring` at `seq`.
    pub(crate) fn create(folder: &Path, name: &str, ring: &Ring, seq: u64) -> Result<Self, ShmError> {
        let pid = std::process::id();
        let random = || RandomState::new().hash_one(pid) as u32;
        let create = || MarkFile::create(&folder.join(format!("{pid}-{:08x}", random())), BYTES as u64);
        let file = (1..TRIES).find_map(|_| create().ok()).map_or_else(create, Ok)?;
        let file = Self { file, held: Mutex::default() };
        let map = file.file.map();
        let word = |at: usize, value: u64| map.words64(at, 1)[0].set(value);
        word(PF_MAGIC, MAGIC);
        word(PF_STARTED_NS, now_ns() as u64);
        map.words32(PF_PID, 1)[0].set(pid);
        let end = (0..=NAME_BYTES.min(name.len())).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        for (cell, byte) in map.words8(PF_NAME, NAME_BYTES).iter().zip(name[..end].bytes()) {
            cell.set(byte);
        }
        file.turn_to(ring, seq);
        map.words32(PF_VERSION, 1)[0].set_release(VERSION);
        Ok(file)
    }

    /// The reader goes on in another ring.
    pub(crate) fn turn_to(&self, ring: &Ring, seq: u64) {
        let map = self.file.map();
        map.words64(PF_LINEAGE, 1)[0].set(ring.geometry().lineage);
        map.words64(PF_RING, 1)[0].set(ring.geometry().created_ns as u64);
        self.moved(seq);
    }

    /// The next row to be read: one store.
    #[inline]
    pub(crate) fn moved(&self, seq: u64) {
        self.file.map().words64(PF_POSITION, 1)[0].set(seq);
    }

    /// The reader is gone; what it pinned may still be held.
    pub(crate) fn close(&self) {
        // A forked child drops its copy of a reader that goes on in the parent.
        if !self.file.is_owner() {
            return;
        }
        self.file.map().words32(PF_CLOSED, 1)[0].set(1);
    }

    fn with_held<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut held);
        // Ascending tickets are ascending times.
        let oldest = held.since.values().next().map(|since| since.ns);
        self.file.map().words64(PF_PINS_SINCE_NS, 1)[0].set(oldest.unwrap_or(0) as u64);
        self.file.map().words32(PF_PINS, 1)[0].set_release(held.pins);
        changed
    }
}

impl PinWatch for PositionFile {
    fn held(&self, pieces: usize) -> u64 {
        self.with_held(|held| {
            held.next += 1;
            held.pins += pieces as u32;
            held.since.insert(held.next, Since { ns: now_ns(), pins: pieces as u32 });
            held.next
        })
    }

    fn released(&self, tickets: &[u64]) {
        self.with_held(|held| {
            for ticket in tickets {
                let Entry::Occupied(mut since) = held.since.entry(*ticket) else { continue };
                held.pins -= 1;
                since.get_mut().pins -= 1;
                if since.get().pins == 0 {
                    since.remove();
                }
            }
        });
    }
}

/// What a position file says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) pid: u32,
    /// Nothing in it moves a cursor or changes colours.
    pub(crate) name: String,
    pub(crate) started_ns: i64,
    pub(crate) lineage: u64,
    pub(crate) ring: i64,
    pub(crate) closed: bool,
    pub(crate) position: u64,
    pub(crate) pins: u32,
    pub(crate) pins_since_ns: i64,
}

impl Told {
    /// What `bytes` say; `None` where they are no position file of this version.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != BYTES {
            return None;
        }
        let word64 = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let word32 = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        if (word64(PF_MAGIC), word32(PF_VERSION)) != (MAGIC, VERSION) {
            return None;
        }
        let name = &bytes[PF_NAME..PF_NAME + NAME_BYTES];
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        Some(Self {
            pid: word32(PF_PID),
            name: printable(&String::from_utf8_lossy(name)),
            started_ns: word64(PF_STARTED_NS) as i64,
            lineage: word64(PF_LINEAGE),
            ring: word64(PF_RING) as i64,
            closed: word32(PF_CLOSED) != 0,
            position: word64(PF_POSITION),
            pins: word32(PF_PINS),
            pins_since_ns: word64(PF_PINS_SINCE_NS) as i64,
        })
    }
}

/// Control characters as escapes.
fn printable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() {
            true => plain.extend(letter.escape_default()),
            false => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table in the document, and the offsets here.
    #[test]
    fn the_document_has_every_field() {
        let document = include_str!("../../../docs/FORMAT.md");
        let fields = [
            (PF_MAGIC, 8, "magic"),
            (PF_VERSION, 4, "version"),
            (PF_PID, 4, "pid"),
            (PF_STARTED_NS, 8, "started_ns"),
            (PF_LINEAGE, 8, "lineage"),
            (PF_RING, 8, "ring"),
            (PF_CLOSED, 4, "closed"),
            (PF_NAME, NAME_BYTES, "name"),
            (PF_POSITION, 8, "position"),
            (PF_PINS, 4, "pins"),
            (PF_PINS_SINCE_NS, 8, "pins_since_ns"),
        ];
        let part = document.split("## Position files").nth(1).unwrap().split("\n## ").next().unwrap();
        let documented: Vec<&str> =
            part.lines().filter(|line| line.starts_with("| ") && !line.contains("at |")).collect();
        assert_eq!(documented.len(), fields.len(), "{documented:?}");
        for ((offset, bytes, name), line) in fields.iter().zip(documented) {
            assert!(line.starts_with(&format!("| {offset} | {bytes} | {name} | ")), "{line}");
        }
    }

    /// Promise 2: whatever is in such a file is no position, or harmless text.
    #[test]
    fn hostile_bytes_are_nothing_or_harmless() {
        assert_eq!(Told::read(&[]), None);
        assert_eq!(Told::read(&[0; BYTES]), None);
        let mut bytes = [0xff; BYTES];
        bytes[..8].copy_from_slice(&MAGIC.to_le_bytes());
        assert_eq!(Told::read(&bytes), None, "another version");
        bytes[PF_VERSION..PF_VERSION + 4].copy_from_slice(&VERSION.to_le_bytes());
        let told = Told::read(&bytes).unwrap();
        assert_eq!((told.pid, told.position, told.name.chars().count()), (u32::MAX, u64::MAX, 64));
        bytes[PF_NAME..PF_NAME + 8].copy_from_slice(b"\x1b[31mx\n\0");
        assert_eq!(Told::read(&bytes).unwrap().name, "\\u{1b}[31mx\\n");
    }
}
