//! The position file: its layout, how a reader writes it, and how others read it. `docs/FORMAT.md`
//! describes it.
//!
//! A reader writes only its own file, and no other process waits for it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use barbus_ring::Ring;
use barbus_shm::{MarkFile, Memory, PinWatch, ShmError, Store, now_ns};

/// Length of the file, bytes.
pub(crate) const BYTES: usize = 4096;
/// "BARBUSRD".
const MAGIC: u64 = u64::from_le_bytes(*b"BARBUSRD");
const VERSION: u32 = 1;

/// u64: [`MAGIC`].
const PF_MAGIC: usize = 0;
/// u32: [`VERSION`], stored last: once it is set, the other fields are complete.
const PF_VERSION: usize = 8;
/// u32: process number.
const PF_PID: usize = 12;
/// i64: when the reader started, nanoseconds since 1970-01-01 UTC.
const PF_STARTED_NS: usize = 16;
/// u64: lineage of the reader's ring.
const PF_LINEAGE: usize = 24;
/// u64: `created_ns` of the reader's ring.
const PF_RING: usize = 32;
/// u32: 1 if the reader is closed and only its pins are still held.
const PF_CLOSED: usize = 40;
/// UTF-8 text, padded with zeros.
const PF_NAME: usize = 64;
const NAME_BYTES: usize = 64;
/// u64: sequence number of the next row to be read; in a cache line of its own.
const PF_POSITION: usize = 128;
/// u32: number of pinned blocks.
const PF_PINS: usize = 256;
/// i64: when the block that is pinned longest was pinned, nanoseconds since 1970-01-01 UTC; 0
/// without a pin.
const PF_PINS_SINCE_NS: usize = 264;

/// Attempts to create a file: a process that lists the readers may remove a new one before it is
/// locked.
const ATTEMPTS: usize = 8;

/// A reader's position file. It exists until the reader and everything that it pinned are dropped.
#[derive(Debug)]
pub(crate) struct PositionFile {
    file: MarkFile,
    pins: Mutex<Pins>,
}

#[derive(Debug, Default)]
struct Pins {
    next_ticket: u64,
    /// The groups of blocks that were pinned together, by ticket.
    groups: BTreeMap<u64, PinGroup>,
    /// Blocks of all groups.
    blocks: u32,
}

#[derive(Debug)]
struct PinGroup {
    pinned_ns: i64,
    blocks: u32,
}

impl PositionFile {
    /// Creates the file in `folder`, for a reader of `ring` at `seq`.
    pub(crate) fn create(folder: &Path, name: &str, ring: &Ring, seq: u64) -> Result<Self, ShmError> {
        let pid = std::process::id();
        let random = || RandomState::new().hash_one(pid) as u32;
        let create = || MarkFile::create(&folder.join(format!("{pid}-{:08x}", random())), BYTES as u64);
        let file = (1..ATTEMPTS).find_map(|_| create().ok()).map_or_else(create, Ok)?;
        let file = Self { file, pins: Mutex::default() };
        let map = file.file.map();
        let word = |at: usize, value: u64| map.words64(at, 1)[0].set(value);
        word(PF_MAGIC, MAGIC);
        word(PF_STARTED_NS, now_ns() as u64);
        map.words32(PF_PID, 1)[0].set(pid);
        let end = (0..=NAME_BYTES.min(name.len())).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        for (cell, byte) in map.words8(PF_NAME, NAME_BYTES).iter().zip(name[..end].bytes()) {
            cell.set(byte);
        }
        file.set_ring(ring, seq);
        map.words32(PF_VERSION, 1)[0].set_release(VERSION);
        Ok(file)
    }

    /// Records that the reader reads `ring`, at `seq`.
    pub(crate) fn set_ring(&self, ring: &Ring, seq: u64) {
        let map = self.file.map();
        map.words64(PF_LINEAGE, 1)[0].set(ring.geometry().lineage);
        map.words64(PF_RING, 1)[0].set(ring.geometry().created_ns as u64);
        self.set_position(seq);
    }

    /// Sets the sequence number of the next row to be read: one store.
    #[inline]
    pub(crate) fn set_position(&self, seq: u64) {
        self.file.map().words64(PF_POSITION, 1)[0].set(seq);
    }

    /// Records that the reader is closed; its pins may still be held.
    pub(crate) fn close(&self) {
        // A forked child drops its copy of the reader, which is still open in the parent.
        if !self.file.is_owner() {
            return;
        }
        self.file.map().words32(PF_CLOSED, 1)[0].set(1);
    }

    fn update_pins<T>(&self, update: impl FnOnce(&mut Pins) -> T) -> T {
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        let updated = update(&mut pins);
        // Tickets ascend with time, so the first group is the oldest.
        let oldest = pins.groups.values().next().map(|group| group.pinned_ns);
        self.file.map().words64(PF_PINS_SINCE_NS, 1)[0].set(oldest.unwrap_or(0) as u64);
        self.file.map().words32(PF_PINS, 1)[0].set_release(pins.blocks);
        updated
    }
}

impl PinWatch for PositionFile {
    fn held(&self, pieces: usize) -> u64 {
        self.update_pins(|pins| {
            let blocks = pieces as u32;
            pins.next_ticket += 1;
            pins.blocks += blocks;
            pins.groups.insert(pins.next_ticket, PinGroup { pinned_ns: now_ns(), blocks });
            pins.next_ticket
        })
    }

    fn released(&self, tickets: &[u64]) {
        self.update_pins(|pins| {
            for ticket in tickets {
                let Entry::Occupied(mut group) = pins.groups.entry(*ticket) else { continue };
                pins.blocks -= 1;
                group.get_mut().blocks -= 1;
                if group.get().blocks == 0 {
                    group.remove();
                }
            }
        });
    }
}

/// The content of a position file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PositionRecord {
    pub(crate) pid: u32,
    /// Without control characters: it is safe to print.
    pub(crate) name: String,
    pub(crate) started_ns: i64,
    pub(crate) lineage: u64,
    pub(crate) ring: i64,
    pub(crate) closed: bool,
    pub(crate) position: u64,
    pub(crate) pins: u32,
    pub(crate) pins_since_ns: i64,
}

impl PositionRecord {
    /// Parses the bytes of a file; `None` if they are not a position file of this version.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
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

/// Replaces control characters by escapes: another user may have chosen the text.
pub fn printable(text: &str) -> String {
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

    #[test]
    fn the_format_document_lists_every_field() {
        let document = include_str!("../../../../docs/FORMAT.md");
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

    /// Promise 2: hostile bytes are rejected or parsed into harmless text.
    #[test]
    fn hostile_bytes_are_rejected_or_harmless() {
        assert_eq!(PositionRecord::parse(&[]), None);
        assert_eq!(PositionRecord::parse(&[0; BYTES]), None);
        let mut bytes = [0xff; BYTES];
        bytes[..8].copy_from_slice(&MAGIC.to_le_bytes());
        assert_eq!(PositionRecord::parse(&bytes), None, "another version");
        bytes[PF_VERSION..PF_VERSION + 4].copy_from_slice(&VERSION.to_le_bytes());
        let record = PositionRecord::parse(&bytes).unwrap();
        assert_eq!((record.pid, record.position, record.name.chars().count()), (u32::MAX, u64::MAX, 64));
        bytes[PF_NAME..PF_NAME + 8].copy_from_slice(b"\x1b[31mx\n\0");
        assert_eq!(PositionRecord::parse(&bytes).unwrap().name, "\\u{1b}[31mx\\n");
    }
}
