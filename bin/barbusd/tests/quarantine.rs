//! The quarantine on a disk that fails: no row is lost that was acknowledged, and good rows are
//! never kept waiting (promise 9).

mod support;

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use barbus::protocol::Ack;
use serde_json::Value;

use support::*;

const DAY: &str = "2024-03-04";

/// Bar number `number` of the day, valid or not. `number` is its money.
fn one(number: usize, valid: bool) -> RecordBatch {
    let bar = bars(DAY, &["600000.XSHG"], 240).slice(number % 240, 1);
    let high = if valid { 1_000_000.0 } else { 0.5 };
    let column = |value: f64| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
    with_column(&with_column(&bar, "high", Some(column(high))), "volume", Some(column(number as f64)))
}

/// The numbers of the bars in the quarantine's lines, which are all whole.
fn numbers(lines: &[Value]) -> Vec<u64> {
    let mut numbers: Vec<u64> = lines.iter().map(|line| line["row"]["volume"].as_f64().unwrap() as u64).collect();
    numbers.sort_unstable();
    numbers
}

/// An operator may remove or move the file, or its folder, at any time. A row that is acknowledged
/// afterwards can be read back.
#[test]
fn a_quarantine_that_is_moved_or_removed_goes_on() {
    let bus = Bus::running();
    let folder = bus.path().join("quarantine");
    let file = || {
        let mut files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.extension().is_some_and(|extension| extension == "ndjson")).unwrap()
    };
    let quarantined = Ack { rows: 1, quarantined: 1, ..Ack::default() };
    let mut producer = Connection::to(&bus);
    let all: Vec<_> = (0..5).map(|number| one(number, false)).collect();
    let bytes = stream(&all);
    let head = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &all[0].schema()).unwrap().get_ref().len();
    let batch = (bytes.len() - 8 - head) / 5;
    producer.send(&bytes[..head]);
    let mut send = |number: usize| {
        producer.send(&bytes[head + number * batch..head + (number + 1) * batch]);
        let rows = number as u64 + 1;
        assert_eq!(producer.ack(), Ack { rows, quarantined: rows, ..quarantined });
    };
    send(0);
    std::fs::remove_file(file()).unwrap();
    send(1);
    assert_eq!(numbers(&bus.quarantine()), [1]);
    std::fs::rename(file(), bus.path().join("aside")).unwrap();
    send(2);
    assert_eq!(numbers(&bus.quarantine()), [2]);
    std::fs::remove_dir_all(&folder).unwrap();
    send(3);
    assert_eq!(numbers(&bus.quarantine()), [3]);
    std::fs::rename(&folder, bus.path().join("folder-aside")).unwrap();
    send(4);
    assert_eq!(numbers(&bus.quarantine()), [4]);
    assert_eq!(std::fs::metadata(file()).unwrap().mode() & 0o777, 0o640);
}

/// With a full disk each batch has a bad row. Its good rows are acknowledged, the bad ones are
/// refused, and no torn line takes an acknowledged row with it.
#[test]
fn a_full_disk_refuses_bad_rows_and_takes_good_ones() {
    let mut bus = Bus::new(&format!("calendar = \"XSHG\"\n{SMALL}"));
    let Some(disk) = SmallDisk::mount(bus.path().join("quarantine"), "12k") else { return };
    bus.start(&[]);
    let mut kept = Vec::new();
    let mut send = |number: usize| {
        let ack = publish(&bus, &[one(number, false), one(number, true)]);
        assert_eq!((ack.rows, ack.accepted, ack.quarantined + ack.refused), (2, 1, 1), "{ack:?}");
        kept.extend((ack.quarantined == 1).then_some(number as u64));
        ack.refused
    };
    let mut refused = 0;
    for number in 0..100 {
        refused += send(number);
    }
    assert!((1..100).contains(&refused), "{refused} of 100 refused: the disk has the wrong size");
    let stat = bus.stat();
    assert_eq!((stat.refused, stat.quarantined["high-low"]), (Some(refused), 100 - refused));
    let error = stat.last_quarantine_error.expect("an error");
    assert!(error.contains(".ndjson") && error.contains("No space left"), "{error}");
    assert_eq!(bus.log().matches("invalid rows are not kept").count(), 1);

    disk.resize("1m");
    for number in 100..140 {
        assert_eq!(send(number), 0);
    }
    assert_eq!(bus.stat().last_quarantine_error, None);
    assert_eq!(numbers(&bus.quarantine()), kept);
    bus.close_day();
}

/// A flood of bad rows fills no disk: the first ones are kept, the others are counted.
#[test]
fn a_flood_of_bad_rows_is_counted_and_not_kept() {
    for limit in ["quarantine_rate = \"1KB\"", "quarantine_size = \"60KB\""] {
        let mut bus = Bus::new(&format!("calendar = \"XSHG\"\n[ingest]\n{limit}\n{SMALL}"));
        bus.start(&[]);
        let day = bars(DAY, &["600000.XSHG", "600001.XSHG", "600002.XSHG", "600003.XSHG"], 240);
        let bad = with_column(&day, "high", day.column_by_name("low").cloned());
        let batches: Vec<_> = (0..96).map(|piece| bad.slice(piece * 10, 10)).collect();
        let ack = publish(&bus, &batches);
        assert_eq!((ack.rows, ack.quarantined + ack.refused), (960, 960), "{limit}");
        assert!(ack.quarantined >= 50 && ack.refused >= 500, "{limit}: {ack:?}");
        let kept = bus.quarantine();
        assert_eq!(kept.len() as u64, ack.quarantined);
        let bytes: u64 = std::fs::read_dir(bus.path().join("quarantine"))
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum();
        assert!(bytes < 100_000, "{limit}: {bytes}");
        let error = bus.stat().last_quarantine_error.expect("an error");
        assert!(error.contains(limit.split(' ').next().unwrap()), "{error}");
        assert_eq!(bus.log().matches("invalid rows are not kept").count(), 1);
        assert_eq!(publish(&bus, &[day]).accepted, 960);
    }
}
