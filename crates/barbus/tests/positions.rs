//! Position files: when a reader has one, what it contains, and that reading does not depend on it.

use std::time::Duration;

use barbus::{Bus, Event, InitOptions, Reader, ReaderState, Row, Start, readers};
use barbus_writer::Writer;

const MINUTE: i64 = 60_000;
/// 2024-07-04 00:00 UTC.
const MIDNIGHT: i64 = 1_720_051_200_000;

fn bus(settings: &str) -> (tempfile::TempDir, Bus) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bus");
    Bus::init(&path, &InitOptions { calendar: "24x7".into(), ..InitOptions::default() }).unwrap();
    std::fs::write(path.join("bus.toml"), format!("calendar = \"24x7\"\n{}\n{settings}", ring(16))).unwrap();
    (dir, Bus::open(path).unwrap())
}

fn ring(symbols: u32) -> String {
    format!("[ring]\nsize = \"1MB\"\nrows_per_block = 64\ntip_rows = 64\nsymbols = {symbols}")
}

fn push(writer: &mut Writer, minutes: std::ops::RangeInclusive<i64>) {
    let symbol = writer.symbol("A").unwrap();
    for minute in minutes {
        writer.push(&Row { symbol, frame_ms: MIDNIGHT + minute * MINUTE, ..Row::default() }).unwrap();
    }
}

fn files(bus: &Bus) -> usize {
    std::fs::read_dir(bus.readers()).unwrap().count()
}

/// Reads all bars; returns their number.
fn drain(reader: &mut Reader) -> u64 {
    let mut bars = 0;
    while let Some(event) = reader.poll().unwrap() {
        if let Event::Bars(found) = event {
            bars += found.len() as u64;
        }
    }
    bars
}

#[test]
fn a_reader_is_listed_from_its_first_poll_to_its_end() {
    let (_dir, bus) = bus("");
    let mut writer = Writer::open(&bus).unwrap();
    push(&mut writer, 1..=100);
    let mut reader = Reader::open(bus.path()).unwrap().name(&"é".repeat(40)).start_at(Start::Oldest).unwrap();
    // Queries do not list the reader.
    assert!(reader.latest("A").unwrap().is_some() && reader.window("A", 5).unwrap().len() == 5);
    assert_eq!((readers(&bus).unwrap(), files(&bus)), (vec![], 0));

    assert_eq!(drain(&mut reader), 100);
    push(&mut writer, 101..=130);
    let seen = readers(&bus).unwrap().pop().unwrap();
    assert_eq!((seen.name, seen.pid, seen.state), ("é".repeat(32), std::process::id(), ReaderState::Live));
    assert_eq!((seen.position, seen.lag_bars, seen.pins), (100, Some(30), 0));
    assert!(seen.lag_s.unwrap() < 600.0 && seen.ring_used.unwrap() > 0.0);
    reader = reader.start_at(Start::Seq(20)).unwrap();
    assert_eq!(readers(&bus).unwrap()[0].position, 20);
    reader.pin().unwrap().unwrap();
    assert_eq!(readers(&bus).unwrap()[0].position, 64, "the end of the first block");

    // Another reader in the same process, under the name of the process.
    let mut other = Reader::open(bus.path()).unwrap();
    assert!(!other.wait(Duration::ZERO).unwrap());
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert!(readers(&bus).unwrap().iter().any(|reader| reader.name == comm.trim_end() && reader.lag_bars == Some(0)));
    drop((reader, other));
    assert_eq!((readers(&bus).unwrap(), files(&bus)), (vec![], 0));
}

/// Promise 4 for operators: a reader that was overtaken is listed as lapped, also while another
/// reader has pinned a block that is older than its position.
#[test]
fn a_reader_in_a_gap_is_listed_as_lapped() {
    let (_dir, bus) = bus("");
    let mut writer = Writer::open(&bus).unwrap();
    push(&mut writer, 1..=100);
    let mut slow = Reader::open(bus.path()).unwrap().name("slow").start_at(Start::Seq(70)).unwrap();
    assert!(slow.wait(Duration::ZERO).unwrap());
    let held = Reader::open(bus.path()).unwrap().anonymous().start_at(Start::Oldest).unwrap().pin().unwrap().unwrap();
    assert_eq!((held.first_seq(), held.num_rows()), (0, 64));
    let state =
        || readers(&bus).unwrap().pop().map(|reader| (reader.state, reader.position, reader.ring_used)).unwrap();
    let (live, ..) = state();
    assert_eq!(live, ReaderState::Live);
    push(&mut writer, 101..=20_000);
    assert_eq!(state(), (ReaderState::Lapped, 70, Some(1.0)));
    assert!(matches!(slow.poll().unwrap(), Some(Event::Lapped { .. })));
    assert_eq!(state().0, ReaderState::Live);
    drop(held);
}

/// The other side of promise 2: a reader does not depend on its position file.
#[test]
fn a_reader_without_a_position_file_reads() {
    let (_dir, quiet) = bus("[readers]\npositions = false");
    let mut writer = Writer::open(&quiet).unwrap();
    push(&mut writer, 1..=10);
    let read = |bus: &Bus| Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
    let mut reader = read(&quiet);
    assert_eq!((drain(&mut reader), files(&quiet)), (10, 0));

    let (_dir, bus) = bus("");
    let mut writer = Writer::open(&bus).unwrap();
    push(&mut writer, 1..=10);
    let mut anonymous = read(&bus).anonymous();
    assert_eq!((drain(&mut anonymous), files(&bus)), (10, 0));
    std::fs::remove_dir(bus.readers()).unwrap();
    let mut reader = read(&bus);
    assert_eq!((drain(&mut reader), readers(&bus).unwrap().len()), (10, 0));
    std::fs::write(bus.readers(), "no directory").unwrap();
    let mut reader = read(&bus);
    assert_eq!(drain(&mut reader), 10);
    assert!(reader.pin().unwrap().is_none());
    assert!(readers(&bus).unwrap_err().to_string().contains("readers: cannot read"));
    assert_eq!(reader.stat().readers, None);
}

/// A reader is listed before and after it switches to a new ring.
#[test]
fn a_reader_is_listed_across_a_replaced_ring() {
    let (_dir, bus) = bus("");
    let mut writer = Writer::open(&bus).unwrap();
    push(&mut writer, 1..=100);
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Seq(90)).unwrap();
    reader.wait(Duration::ZERO).unwrap();
    writer.close_day().unwrap();
    writer.flush().unwrap();
    drop(writer);
    assert!(!reader.writer_alive());
    std::fs::write(bus.path().join("bus.toml"), format!("calendar = \"24x7\"\n{}", ring(128))).unwrap();
    let mut writer = Writer::open(&Bus::open(bus.path()).unwrap()).unwrap();
    push(&mut writer, 1_441..=1_445);
    let state = || readers(&bus).unwrap().pop().map(|reader| (reader.state, reader.position, reader.lag_bars)).unwrap();
    assert_eq!(state(), (ReaderState::OldRing, 90, Some(15)));
    assert!(reader.writer_alive(), "the new ring's");
    let mut bars = 0;
    let end = std::time::Instant::now() + Duration::from_secs(240);
    while bars < 15 {
        assert!(std::time::Instant::now() < end);
        bars += drain(&mut reader);
    }
    assert_eq!(state(), (ReaderState::Live, 105, Some(0)));
    assert!(reader.newest_age().is_some());
}
