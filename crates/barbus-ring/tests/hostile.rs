//! Damaged files: attaching and reading return an error or rows, never a panic, an endless loop or
//! a byte from outside the file.
//!
//! The work is bounded, not the time: every loop has a fixed number of turns, and an endless loop
//! in the ring makes the test hang.

use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use barbus_ring::layout::*;
use barbus_ring::{
    Polled, Position, Ring, RingError, RingReader, RingStart, RingWriter, Row, RowLocation, Spec, SymbolId, create,
};
use barbus_shm::{Memory, ShmError, Store, WriteMap};

/// The body of the fuzz target: it takes any list of changes to a sound ring.
#[path = "../../../tests/fuzz/src/attach.rs"]
#[allow(unreachable_pub)]
mod attach;

fn spec() -> Spec {
    Spec { blocks: 4, rows_per_block: 64, tip_rows: 64, symbols: 16, symbol_bytes: 128, ..Spec::default() }
}

/// A ring with `rows` rows. With enough of them every slot is used.
fn ring(rows: i64) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bars.ring");
    create(&path, &spec()).unwrap();
    let mut writer = RingWriter::open(&path).unwrap();
    let symbol = writer.intern("600000.XSHG").unwrap();
    writer.begin_day(10);
    for frame_ms in 0..rows {
        let maintenance = writer.maintenance();
        maintenance.unpersisted().iter().filter(|block| block.sealed).for_each(|b| maintenance.mark_persisted(b.block));
        writer.push(&Row { symbol, frame_ms, ..Row::default() }).unwrap();
    }
    (dir, path)
}

/// A random number generator with a fixed seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.roll() >> 11) as usize % n
    }
}

/// Promise 9: any bytes may be wrong before a ring is attached, and may change between the steps of
/// its readers.
#[test]
fn any_wrong_bytes_are_handled() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..400 {
        let input: Vec<u8> = (0..1 + dice.below(60)).map(|_| dice.roll() as u8).collect();
        attach::run(&input);
    }
}

/// Promises 2 and 9: another process may store anything into the ring's words while readers load
/// them.
#[test]
fn any_change_of_words_during_reads_is_handled() {
    const ROUNDS: usize = 300;
    let (_dir, path) = ring(250);
    let good = std::fs::read(&path).unwrap();
    let word = |offset: usize| u64::from_le_bytes(good[offset..offset + 8].try_into().unwrap()) as usize;
    let (slots, slot_bytes, tip) = (word(SB_SLOTS_OFFSET), word(SB_SLOT_BYTES), word(SB_TIP));
    let dictionary = word(SB_DICTIONARY_OFFSETS);
    let map = WriteMap::open(&path).unwrap();
    let stop = AtomicBool::new(false);
    let stored = AtomicU64::new(0);
    let scribble = || {
        let mut dice = Dice(0x2545_f491_4f6c_dd1d);
        while !stop.load(Ordering::Relaxed) {
            let at = match dice.below(8) {
                0 => SUPERBLOCK + 8 * dice.below((SB_END - SUPERBLOCK) / 8),
                1 => DIRECTORY + 8 * dice.below(4),
                2 => dictionary + 8 * dice.below(8),
                3 => SB_CURSOR,
                4 | 5 => {
                    let field = [BH_BLOCK, BH_FIRST_SEQ, BH_DAY, BH_STATE, BH_CRC, BH_PERSISTED][dice.below(6)];
                    slots + dice.below(4) * slot_bytes + field
                }
                _ => tip + dice.below(64) * TIP_ROW + [TIP_STAMP, TIP_POSITION, TIP_SYMBOL][dice.below(3)],
            };
            let old = u64::from_le_bytes(good[at..at + 8].try_into().unwrap());
            let values = [old, old, old.wrapping_add(1), old.wrapping_sub(1), 0, u64::MAX, 1 << 63, dice.roll()];
            map.words64(at, 1)[0].set(values[dice.below(values.len())]);
            stored.fetch_add(1, Ordering::Relaxed);
        }
    };
    let (mut rows_seen, mut refused) = (0, 0);
    // One ring is attached before any word is wrong and stays attached; others are attached later.
    let attached = Ring::attach(&path).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(scribble);
        let mut rows = Vec::new();
        for round in 0..ROUNDS {
            let before = stored.load(Ordering::Relaxed);
            let again = Ring::attach(&path);
            refused += u32::from(again.is_err());
            let ring = again.as_ref().unwrap_or(&attached);
            ring.status();
            ring.verify();
            for id in 0..20 {
                ring.symbol(SymbolId(id));
            }
            let starts = [
                RingStart::Live,
                RingStart::Oldest,
                RingStart::Today,
                RingStart::Day(10),
                RingStart::Seq(200),
                RingStart::Seq(0),
            ];
            if let Ok(mut reader) = RingReader::new(ring, starts[round % starts.len()]) {
                for _ in 0..50 {
                    rows.clear();
                    if let Polled::Rows(count) = reader.poll(ring, &mut rows, 100) {
                        assert!(count == rows.len() && count <= 100);
                        rows_seen += count;
                    }
                    reader.is_ready(ring);
                    reader.day(ring);
                    let Position { seq, block, row } = reader.position();
                    ring.row(RowLocation { seq, block, slot: round as u32 % 8, row });
                }
            }
            // On a machine with one core the other thread must get its turn.
            while stored.load(Ordering::Relaxed) == before {
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(rows_seen > 0 && refused > 0, "{rows_seen} rows, {refused} times refused: nothing was tested");
}

/// Promise 9: a file whose length differs from its superblock's is refused; the message has the
/// name and both lengths.
#[test]
fn every_other_length_is_refused() {
    let (_dir, path) = ring(100);
    let whole = std::fs::metadata(&path).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let pages = (0..whole / 4096).flat_map(|page| [page * 4096 - u64::from(page > 0), page * 4096]);
    let odd = [1, 7, 8, 100, SB_END as u64, SB_END as u64 - 1, whole - 10, whole - 1];
    for length in pages.chain(odd) {
        file.set_len(length).unwrap();
        file.write_all_at(&bytes[..length as usize], 0).unwrap();
        for error in [Ring::attach(&path).unwrap_err(), RingWriter::open(&path).unwrap_err()] {
            assert!(matches!(error, RingError::Truncated { found, .. } if found == length), "{length}: {error}");
        }
    }
    file.write_all_at(&bytes, 0).unwrap();
    for more in [1, 4095, 4096, 1 << 20] {
        file.set_len(whole + more).unwrap();
        let error = Ring::attach(&path).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("the file has {} bytes, its superblock states {whole}", whole + more)),
            "{error}"
        );
        RingWriter::open(&path).unwrap_err();
    }
    file.set_len(whole).unwrap();
    Ring::attach(&path).unwrap();
}

/// Promise 9: a path that is not a regular file is refused at once. Opening a FIFO does not wait
/// for its writer.
#[test]
fn a_path_that_is_not_a_regular_file_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let circle = dir.path().join("circle");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    let devices = ["/dev/zero", "/dev/null"].map(PathBuf::from);
    for path in devices.iter().chain([&fifo, &socket, &circle, &dir.path().join("nothing"), &dir.path().to_owned()]) {
        for error in [Ring::attach(path).unwrap_err(), RingWriter::open(path).unwrap_err()] {
            assert!(matches!(error, RingError::Shm(ShmError::Io { .. })), "{error}");
            assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
        }
    }
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(Ring::attach(&empty).unwrap_err(), RingError::Truncated { found: 0, .. }));
    let text = dir.path().join("text");
    std::fs::write(&text, "symbol,frame,open\n".repeat(1_000)).unwrap();
    assert!(matches!(Ring::attach(&text).unwrap_err(), RingError::NotARing { .. }));
    RingWriter::open(&text).unwrap_err();
}

/// The error for a file without read permission names the cause.
#[test]
fn a_file_without_permission_is_refused() {
    let (_dir, path) = ring(1);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(&path).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    let error = Ring::attach(&path).unwrap_err().to_string();
    assert!(error.contains("ermission denied"), "{error}");
}

/// Promise 9: a truncated ring is detected by its length before any page is touched, and by
/// attaching again.
#[test]
fn a_truncated_ring_is_detected_by_its_length() {
    let (_dir, path) = ring(100);
    let attached = Ring::attach(&path).unwrap();
    attached.check_length().unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"more").unwrap();
    attached.check_length().unwrap();
    for length in [attached.geometry().file_bytes - 1, 4_096, 0] {
        file.set_len(length).unwrap();
        for error in [attached.check_length().unwrap_err(), Ring::attach(&path).unwrap_err()] {
            assert!(matches!(error, RingError::Truncated { found, .. } if found == length), "{error}");
        }
        // The kernel waits; it finds that the page is missing and returns an error.
        attached.wait(1, std::time::Duration::from_secs(600));
    }
}
