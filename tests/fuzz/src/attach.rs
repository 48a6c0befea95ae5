//! Any bytes as a ring: attaching returns an error or rows, without a panic or an endless loop.
//!
//! The input is a list of changes to a small valid ring.
//! A file of random bytes would never pass the check of the magic number.
//! Changes are made before the ring is attached, and between the steps of attached readers.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use barbus_ring::layout::*;
use barbus_ring::{Polled, Ring, RingReader, RingStart, RingWriter, Row, RowLocation, Spec, SymbolId, create};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Maximum number of changes of one input.
const MAX_CHANGES: usize = 64;
/// Polls of one ring reader: more than the ring has blocks, not counting polls that return rows.
const POLLS: usize = 40;

/// Bit of the first byte: the superblock's checksum is computed again after the changes.
const REPAIR_CRC: u8 = 1;
/// Bit of the first byte: as if the last writer had run in another boot.
const OTHER_BOOT: u8 = 2;
/// Bit of a change's kind: the change is made while the ring is attached.
const LATER: u8 = 0x80;

/// A valid ring with archived and open blocks, a closed day, late rows, symbols, checksums and a
/// durable cursor.
struct Template {
    bytes: Vec<u8>,
    slots: usize,
    slot_bytes: usize,
    dictionary_offsets: usize,
    dictionary_text: usize,
    tip: usize,
    boot: [u8; 16],
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory for the template");
        let path = dir.path().join("bars.ring");
        let spec =
            Spec { blocks: 4, rows_per_block: 64, tip_rows: 64, symbols: 16, symbol_bytes: 128, ..Spec::default() };
        create(&path, &spec).expect("a ring");
        let mut writer = RingWriter::open(&path).expect("a writer");
        let symbols = ["600000.XSHG", "000001.XSHE", "AAPL"].map(|symbol| writer.intern(symbol).expect("room"));
        let maintenance = writer.maintenance();
        let push = |writer: &mut RingWriter, count: i64| {
            for i in 0..count {
                let (symbol, close) = (symbols[i as usize % 3], i as f64);
                let present = (i % 4) as u8;
                let optional = [f64::from(present & 1), f64::from(present & 2), 0.0, 0.0, 0.0, 0.0];
                let row = Row { symbol, frame_ms: 60_000 * i, close, present, optional, ..Row::default() };
                writer.push(&row).expect("room");
            }
        };
        writer.begin_day(10);
        push(&mut writer, 150);
        writer.close_day();
        for block in maintenance.unpersisted() {
            maintenance.seal_checksum(block.block);
            maintenance.mark_persisted(block.block);
        }
        writer.begin_day(11);
        push(&mut writer, 100);
        maintenance.sync().expect("a sync");
        push(&mut writer, 11);
        writer.write_back();
        drop((writer, maintenance));
        let bytes = std::fs::read(&path).expect("the ring");
        let word = |offset: usize| u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("8 bytes")) as usize;
        Template {
            slots: word(SB_SLOTS_OFFSET),
            slot_bytes: word(SB_SLOT_BYTES),
            dictionary_offsets: word(SB_DICTIONARY_OFFSETS),
            dictionary_text: word(SB_DICTIONARY_TEXT),
            tip: word(SB_TIP),
            boot: bytes[SB_BOOT_ID..SB_BOOT_ID + 16].try_into().expect("16 bytes"),
            bytes,
        }
    })
}

/// A change: bytes at an offset, or another length of the file.
enum Change {
    Bytes(usize, [u8; 8], usize),
    Length(u64),
}

/// Parses an input; missing bytes at its end are zero.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn u16(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    /// A value: often a boundary, sometimes any.
    fn value(&mut self, old: u64) -> u64 {
        match self.byte() {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => u64::MAX - 1,
            4 => i64::MAX as u64,
            5 => 1 << 63,
            6 => STATE_SEALED | STATE_LAST_OF_DAY | old & STATE_ROWS,
            7 => old.wrapping_add(1),
            8 => old.wrapping_sub(1),
            9 => old ^ STATE_LAST_OF_DAY,
            10 => old ^ STATE_SEALED,
            11 => old.wrapping_add(1 << 32),
            12 => old | 0xffff_ffff,
            13 => old << 1,
            14 => u64::from(u32::MAX),
            15 => u64::from(u32::MAX) << 32,
            16..64 => u64::from(self.byte()),
            64..96 => old ^ 1 << (self.byte() % 64),
            96..128 => old.wrapping_add(self.u16() as u64),
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    /// The next change, and whether it is made after attaching.
    fn change(&mut self) -> (Change, bool) {
        let template = template();
        let kind = self.byte();
        let slot = |index: usize| template.slots + index % 4 * template.slot_bytes;
        let of = |part: &str, index: usize| {
            let fields: Vec<&Field> = FIELDS.iter().filter(|field| field.part == part).collect();
            *fields[index % fields.len()]
        };
        let index = self.u16();
        let (offset, bytes) = match kind & !LATER {
            0..24 => {
                let field = of("superblock", index);
                (field.offset + index / 256 * 4 % field.bytes.max(4), field.bytes.min(8))
            }
            24..32 => (DIRECTORY + 8 * (index % 4), 8),
            32..40 => (template.dictionary_offsets + 4 * (index % 17), 4),
            40..44 => (template.dictionary_text + index % 128, 1),
            44..80 => (slot(index / 256) + of("block header", index % 256).offset, 8),
            80..100 => {
                let field = of("tip row", index / 64);
                (template.tip + index % 64 * TIP_ROW + field.offset, 8)
            }
            100..108 => (slot(index) + SLOT_BODY + index / 4 * 4 % (template.slot_bytes - SLOT_BODY), 4),
            108..120 => (index * 8 % (template.bytes.len() - 8), 8),
            120..122 => return (Change::Length(template.bytes.len() as u64 + index as u64 - (1 << 15)), false),
            122..124 => return (Change::Length((index * 64) as u64), false),
            _ => (SUPERBLOCK + index % (SB_END - SUPERBLOCK) / 4 * 4, 4),
        };
        let offset = offset.min(template.bytes.len() - 8);
        let old = u64::from_le_bytes(template.bytes[offset..offset + 8].try_into().expect("8 bytes"));
        (Change::Bytes(offset, self.value(old).to_le_bytes(), bytes), kind & LATER != 0)
    }
}

/// An unnamed file and a path that opens it.
fn scratch() -> (File, PathBuf) {
    let file = memfd_create("barbus-fuzz", MFdFlags::MFD_CLOEXEC).expect("a file in memory");
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    (file.into(), path)
}

/// Applies `data` to a ring, attaches to it, reads it in every way and takes it over.
pub fn run(data: &[u8]) {
    let template = template();
    let mut input = Input(data);
    let flags = input.byte();
    let mut bytes = template.bytes.clone();
    if flags & OTHER_BOOT != 0 {
        bytes[SB_BOOT_ID..SB_BOOT_ID + 16].copy_from_slice(&template.boot.map(|byte| !byte));
    }
    let mut length = None;
    let mut later = Vec::new();
    for _ in 0..MAX_CHANGES {
        if input.0.is_empty() {
            break;
        }
        match input.change() {
            (Change::Length(new), _) => length = Some(new),
            (Change::Bytes(offset, value, count), false) => {
                bytes[offset..offset + count].copy_from_slice(&value[..count]);
            }
            (Change::Bytes(offset, value, count), true) => later.push((offset, value, count)),
        }
    }
    if flags & REPAIR_CRC != 0 {
        let crc = crc32c::crc32c(&bytes[SB_FIXED..SB_FIXED_END]);
        bytes[SB_FIXED_CRC..SB_FIXED_CRC + 4].copy_from_slice(&crc.to_le_bytes());
    }
    let (file, path) = scratch();
    file.write_all_at(&bytes, 0).expect("room in memory");
    if let Some(length) = length {
        file.set_len(length).expect("another length");
    }
    // No length that the file states makes a reader touch a byte outside the file.
    let mut later = later.into_iter();
    let mut scribble = || {
        if let Some((offset, value, count)) = later.next() {
            file.write_all_at(&value[..count], offset as u64).expect("a change");
        }
    };
    read(&path, &mut scribble);
    write(&path, &mut scribble);
    // The result is a ring for readers, or an error.
    read(&path, &mut || {});
}

fn read(path: &Path, scribble: &mut dyn FnMut()) {
    let Ok(ring) = Ring::attach(path) else { return };
    let rows_per_block = ring.geometry().rows_per_block;
    ring.is_of_this_boot();
    ring.superseded();
    ring.commits();
    ring.schema_flatbuffer();
    ring.has_schema(&Spec::default());
    ring.wait(ring.commits().wrapping_add(1), std::time::Duration::ZERO);
    let status = ring.status();
    assert!(status.oldest_seq <= status.next_seq && status.blocks_used <= ring.geometry().slots);
    let report = ring.verify();
    assert!(report.rows <= u64::from(report.blocks) * u64::from(rows_per_block));
    for id in (0..=ring.geometry().symbols + 1).chain([u32::MAX]) {
        let text = ring.symbol(SymbolId(id));
        assert!(text.is_none_or(|text| text.len() <= ring.geometry().symbol_bytes as usize));
    }
    let seqs = [0, 63, 64, 149, 150, 249, 260, 261, status.oldest_seq, status.next_seq, u64::MAX].map(RingStart::Seq);
    let days = [i64::MIN, 10, 11, 12].map(RingStart::Day);
    let mut rows = Vec::new();
    for start in [RingStart::Live, RingStart::Oldest, RingStart::Today].into_iter().chain(seqs).chain(days) {
        let Ok(mut ring_reader) = RingReader::new(&ring, start) else { continue };
        for poll in 0..POLLS {
            rows.clear();
            let max = [1, 7, 1_000][poll % 3];
            let before = ring_reader.position();
            ring_reader.is_ready(&ring);
            match ring_reader.poll(&ring, &mut rows, max) {
                Polled::Rows(count) => {
                    assert!(count == rows.len() && (1..=max).contains(&count));
                    assert_eq!(ring_reader.position().seq, before.seq.wrapping_add(count as u64));
                }
                Polled::Lapped { missed } => {
                    assert_eq!(ring_reader.position().seq, before.seq.wrapping_add(missed));
                    assert!(missed > 0 && rows.is_empty());
                }
                Polled::DayClosed(_) => assert!(rows.is_empty()),
                // The reader has polled a thousand times by then.
                Polled::Corrupt => {
                    assert!(rows.is_empty());
                    break;
                }
                Polled::Empty => {
                    assert!(rows.is_empty());
                    if poll % 8 == 7 {
                        break;
                    }
                }
            }
            ring_reader.day(&ring);
            let at = ring_reader.position();
            for (block, row) in [(before.block, before.row), (at.block, at.row), (at.block, u32::MAX), (u64::MAX, 0)] {
                for slot in [0, 1, u32::MAX] {
                    ring.row(RowLocation { seq: at.seq, block, slot, row });
                }
            }
            scribble();
        }
    }
}

fn write(path: &Path, scribble: &mut dyn FnMut()) {
    let Ok(mut writer) = RingWriter::open(path) else { return };
    let maintenance = writer.maintenance();
    scribble();
    let mut rows = Vec::new();
    let mut frames = Vec::new();
    for block in maintenance.blocks() {
        assert!(block.rows <= writer.ring().geometry().rows_per_block);
        rows.clear();
        maintenance.rows(block.block, 0, u32::MAX, &mut rows);
        maintenance.frames(block.block, block.rows, 3, &mut frames);
        maintenance.seal_checksum(block.block);
    }
    for block in maintenance.unpersisted().into_iter().filter(|block| block.sealed) {
        maintenance.mark_persisted(block.block);
    }
    let symbol = writer.intern("NEW").unwrap_or_default();
    for day in [11, 12] {
        writer.begin_day(writer.day().unwrap_or(day));
        for frame_ms in 0..70 {
            let before = writer.next_seq();
            if let Ok(seq) = writer.push(&Row { symbol, frame_ms, ..Row::default() }) {
                assert_eq!((seq, writer.next_seq()), (before, before + 1));
            }
            if frame_ms % 16 == 0 {
                scribble();
            }
        }
        writer.write_back();
        writer.wake();
        writer.close_day();
    }
    let _ = maintenance.sync();
    writer.heartbeat(1);
}
