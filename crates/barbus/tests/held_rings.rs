//! Readers that keep what they are given: what they may hold, and what the writer does beyond it.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, UInt64Type};
use barbus::{Bus, Event, InitOptions, Reader, Row, Start, View};
use barbus_archive::Archive;
use barbus_writer::{Pushed, Writer};

const MINUTE: i64 = 60_000;
/// 2024-07-04 00:00 UTC.
const MIDNIGHT: i64 = 1_720_051_200_000;
const ROWS: u64 = 64;

/// A bus whose ring has `blocks` blocks of 64 rows; `readers` are settings of that section.
fn bus(blocks: u64, readers: &str) -> (tempfile::TempDir, Bus) {
    let dir = tempfile::tempdir().unwrap();
    let options = InitOptions { calendar: "24x7".into(), ..InitOptions::default() };
    let bus = Bus::init(&dir.path().join("bus"), &options).unwrap();
    // A slot of 64 rows has three pages.
    let size = blocks * 3 * 4096;
    let text = format!(
        "calendar = \"24x7\"\n[ring]\nsize = \"{size}B\"\nrows_per_block = 64\nsymbols = 16\ntip_rows = 64\n\
         [readers]\n{readers}\n"
    );
    std::fs::write(bus.path().join("bus.toml"), text).unwrap();
    (dir, Bus::open(bus.path()).unwrap())
}

/// Pushes the bars `numbers`, one a minute, whose values are computed from their number. No push
/// may take long, whatever readers hold.
fn push(writer: &mut Writer, numbers: std::ops::Range<u64>) {
    let symbol = writer.symbol("S").unwrap();
    for number in numbers {
        let x = number as f64 + 0.5;
        let mut row = Row { symbol, frame_ms: MIDNIGHT + (number + 1) as i64 * MINUTE, ..Row::default() };
        (row.open, row.high, row.low, row.close, row.volume) = (x, x, x, x, x);
        if number.is_multiple_of(3) {
            (row.present, row.optional[0]) = (1, x * 7.0);
        }
        let begin = Instant::now();
        assert_eq!(writer.push(&row).unwrap(), Pushed::Accepted(number));
        assert!(begin.elapsed() < Duration::from_secs(30), "bar {number} waited for a reader");
    }
}

/// Asserts that a view has the values of the bars with its numbers.
#[track_caller]
fn check(view: &View) {
    let batch = view.batch().unwrap();
    let close = batch["close"].as_primitive::<Float64Type>();
    let money = batch["money"].as_primitive::<Float64Type>();
    let seqs = batch["seq"].as_primitive::<UInt64Type>();
    assert_eq!(view.column::<Float64Type>("close").unwrap(), &close.values()[..]);
    for i in 0..view.num_rows() {
        let number = view.first_seq() + i as u64;
        assert_eq!((seqs.value(i), close.value(i)), (number, number as f64 + 0.5));
        let value = arrow::array::Array::is_valid(money, i).then(|| money.value(i));
        assert_eq!(value, number.is_multiple_of(3).then_some((number as f64 + 0.5) * 7.0), "bar {number}");
    }
}

/// Takes every view and event that is ready, and keeps the views.
fn keep_all(reader: &mut Reader, kept: &mut Vec<View>) {
    loop {
        let before = reader.position();
        kept.extend(reader.views().map(Result::unwrap));
        let at_end = match reader.poll().unwrap() {
            Some(Event::Withdrawn(bars)) => panic!("{bars:?} withdrawn"),
            Some(Event::MinuteClosed(minute)) => panic!("{minute:?} without minutes"),
            Some(Event::Lapped { missed }) => panic!("{missed} missed"),
            Some(Event::Bars(bars)) => panic!("{} bars without a view", bars.len()),
            Some(Event::DayClosed(_)) => false,
            None => true,
        };
        if at_end && reader.position() == before {
            return;
        }
    }
}

/// Asserts that the archive has each bar below `total` once.
fn assert_archived(bus: &Bus, writer: &mut Writer, total: u64) {
    writer.close_day();
    writer.flush().unwrap();
    let archive = Archive::open_existing(bus.archive(), bus.settings().schema.clone(), "24x7");
    let mut found: Vec<u64> = Vec::new();
    for day in archive.days().unwrap() {
        let (_, batch) = archive.read(day).unwrap().unwrap();
        found.extend(batch["close"].as_primitive::<Float64Type>().values().iter().map(|close| *close as u64));
    }
    found.sort_unstable();
    assert!(found.into_iter().eq(0..total));
}

/// Promises 2 and 3: a reader that keeps every view pins a quarter of the ring and no more. It gets
/// the other bars as copies, and all of them stay as they are while the ring wraps many times. The
/// ring is not replaced.
#[test]
fn a_reader_that_keeps_everything_pins_its_share_and_gets_copies_of_the_rest() {
    const BLOCKS: u64 = 32;
    let (_dir, bus) = bus(BLOCKS, "");
    let mut writer = Writer::open(&bus).unwrap();
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
    let mut kept = Vec::new();
    let total = 10 * BLOCKS * ROWS;
    for at in (0..total).step_by(40) {
        push(&mut writer, at..total.min(at + 40));
        keep_all(&mut reader, &mut kept);
    }
    assert!(kept.iter().map(View::first_seq).is_sorted());
    assert_eq!(kept.iter().map(|view| view.num_rows() as u64).sum::<u64>(), total);
    kept.iter().for_each(check);
    let pins = barbus::readers(&bus).unwrap()[0].pins;
    assert_eq!(u64::from(pins), BLOCKS / 4);
    assert!(reader.pin_limit_reached());
    let stat = writer.stat();
    assert_eq!((stat.rings_replaced, stat.rings_held, stat.ring_in_reserve), (Some(0), Some(0), false));

    // Dropped views make room for others.
    kept.retain(|view| !view.is_pinned());
    assert_eq!(barbus::readers(&bus).unwrap()[0].pins, 0);
    push(&mut writer, total..total + 8 * ROWS);
    let before = kept.len();
    keep_all(&mut reader, &mut kept);
    assert!(kept[before..].iter().any(View::is_pinned));
    assert_archived(&bus, &mut writer, total + 8 * ROWS);
}

/// Promise 2: the replaced rings that readers hold are bounded in number and in bytes. Beyond that
/// the writer appends to the reserve: no bar waits, no view changes, followers miss nothing, and
/// the files take no more space. When the readers let go, the writer uses the whole ring again.
#[test]
fn beyond_the_bound_the_ring_is_not_replaced_again() {
    for readers in ["held_rings = 2", "held_rings = 100\nheld_size = \"300KB\""] {
        let (_dir, bus) = bus(8, &format!("max_pins = \"100%\"\n{readers}"));
        let mut writer = Writer::open(&bus).unwrap();
        let mut holder = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
        let mut follower = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
        let (mut kept, mut followed) = (Vec::new(), 0);
        let total = 12 * 8 * ROWS;
        for at in (0..total).step_by(32) {
            push(&mut writer, at..at + 32);
            keep_all(&mut holder, &mut kept);
            while followed < at + 32 {
                match follower.poll().unwrap() {
                    Some(Event::Bars(bars)) => followed += bars.len() as u64,
                    Some(Event::Withdrawn(bars)) => panic!("{bars:?} withdrawn"),
                    Some(Event::MinuteClosed(minute)) => panic!("{minute:?} without minutes"),
                    Some(Event::Lapped { missed }) => panic!("{missed} missed"),
                    _ => {}
                }
            }
        }
        let stat = writer.stat();
        let (held, bytes) = (stat.rings_held.unwrap(), stat.rings_held_bytes.unwrap());
        assert_eq!((stat.rings_replaced, held, stat.ring_in_reserve), (Some(2), 2, true), "{readers}");
        assert_eq!(bytes, 2 * std::fs::metadata(bus.ring()).unwrap().len());
        kept.iter().for_each(check);
        assert_eq!(kept.iter().map(|view| view.num_rows() as u64).sum::<u64>(), total);

        drop((kept, holder));
        push(&mut writer, total..total + 20 * ROWS);
        let stat = writer.stat();
        assert_eq!((stat.rings_replaced, stat.rings_held, stat.ring_in_reserve), (Some(2), Some(0), false));
        assert_archived(&bus, &mut writer, total + 20 * ROWS);
    }
}

/// The locks of a process that obeys no rule: shared ones on every byte of the ring at `path`.
struct Locker {
    files: Vec<(u64, File)>,
}

impl Locker {
    /// Locks the file that is at `path` now, unless it has done so.
    fn lock(&mut self, path: &Path) {
        let file = File::open(path).unwrap();
        let inode = file.metadata().unwrap().ino();
        if self.files.iter().any(|(locked, _)| *locked == inode) {
            return;
        }
        let lock = |l_start: i64, l_len: i64| nix::libc::flock {
            l_type: nix::libc::F_RDLCK as i16,
            l_whence: nix::libc::SEEK_SET as i16,
            l_start,
            l_len,
            l_pid: 0,
        };
        // Piece by piece, because the writer has locks of its own on the reserve.
        for at in (0..file.metadata().unwrap().len() as i64).step_by(4096) {
            let _ = nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_OFD_SETLK(&lock(at, 4096)));
        }
        self.files.push((inode, file));
    }
}

/// Promise 2 without a condition: a process that locks every byte of each ring, also while there is
/// no writer, stops no producer and fills no disk. Promise 7: each bar is archived once.
#[test]
fn a_process_that_locks_every_byte_stops_no_producer() {
    let (_dir, bus) = bus(8, "held_rings = 3");
    drop(Writer::open(&bus).unwrap());
    let mut locker = Locker { files: Vec::new() };
    // Without a writer it gets the reserve as well.
    locker.lock(&bus.ring());
    let mut writer = Writer::open(&bus).unwrap();
    let total = 20 * 8 * ROWS;
    for at in (0..total).step_by(ROWS as usize) {
        locker.lock(&bus.ring());
        push(&mut writer, at..at + ROWS);
    }
    let stat = writer.stat();
    assert_eq!((stat.rings_replaced, stat.rings_held, stat.ring_in_reserve), (Some(3), Some(3), true));
    assert_eq!(locker.files.len(), 4);
    // A reader that copies finds the newest bars.
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
    let mut newest = None;
    while let Some(event) = reader.poll().unwrap() {
        if let Event::Bars(bars) = event {
            newest = bars.rows().last().map(|row| (row.seq, row.close));
        }
    }
    assert_eq!(newest, Some((total - 1, total as f64 - 0.5)));
    // The next writer finds the locks and goes on as well.
    drop(writer);
    let mut writer = Writer::open(&bus).unwrap();
    push(&mut writer, total..total + 20 * ROWS);
    assert_archived(&bus, &mut writer, total + 20 * ROWS);
}
