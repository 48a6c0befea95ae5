//! Bad input: the message, and the data that must survive it (promise 9).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use serde_json::{Value, json};

use crate::support::bus::{Bus, Counts};
use crate::support::command;
use crate::support::market::{self, Bar};
use crate::support::oracle::{self, Published};
use crate::support::producer::{self, Producer};

const HEADER: &str = "symbol,frame,open,high,low,close,volume,money,factor";
const GOOD: &str = "600000.XSHG,2024-03-04T01:31:00Z,10,11,9,10.5,100,1000,1";

#[test]
fn a_path_that_is_no_bus_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let empty = folder.path().to_str().expect("UTF-8").to_owned();
    let missing = folder.path().join("missing").to_str().expect("UTF-8").to_owned();
    for path in [&empty, &missing] {
        let verbs: [&[&str]; 8] = [
            &["daemon", path],
            &["publish", path, "-"],
            &["tail", path],
            &["latest", path, "600000.XSHG"],
            &["window", path, "600000.XSHG", "5"],
            &["stat", path],
            &["close-day", path],
            &["verify", path],
        ];
        for arguments in verbs {
            command::run(arguments).fails(1, &[path, "bus"]);
        }
    }
    assert_eq!(fs::read_dir(folder.path()).expect("can be read").count(), 0, "the command created a file");
}

#[test]
fn init_refuses_an_existing_bus() {
    let bus = Bus::init("XSHG");
    let before = fs::read(bus.path().join("bus.toml")).expect("bus.toml");
    bus.barbus("init", ["--calendar", "24x7"]).fails(1, &["bus.toml"]);
    assert_eq!(fs::read(bus.path().join("bus.toml")).expect("bus.toml"), before);
}

#[test]
fn a_file_that_is_not_a_ring_is_refused() {
    // A change to a good ring, and words of the message.
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(&str, Spoil, &[&str]); 5] = [
        ("truncated", |ring| ring.truncate(ring.len() / 2), &["truncated"]),
        ("empty", |ring| ring.clear(), &["truncated"]),
        ("random", |ring| random(ring), &["not a barbus ring"]),
        ("text", |ring| *ring = b"symbol,frame\n".repeat(4_000), &["not a barbus ring"]),
        // The word `version`; the message names the found and the expected version.
        ("newer", |ring| ring[4104..4108].copy_from_slice(&7_u32.to_le_bytes()), &["version 7", "version 1"]),
    ];
    for (name, spoil, words) in cases {
        let mut bus = Bus::init("XSHG");
        bus.configure_ring("4MB", 64);
        bus.start();
        bus.publish(&bus.write("bars.csv", format!("{HEADER}\n{GOOD}\n")), &[]);
        bus.stop();
        let mut ring = fs::read(bus.ring()).expect("the ring can be read");
        spoil(&mut ring);
        fs::write(bus.ring(), &ring).expect("the ring can be written");

        for (verb, arguments) in [
            ("tail", &["--from", "oldest"][..]),
            ("latest", &["600000.XSHG"]),
            ("window", &["600000.XSHG", "5"]),
            ("verify", &[]),
            ("daemon", &[]),
        ] {
            println!("{name}: {verb}");
            let message = bus.barbus(verb, arguments).fails(1, words);
            assert!(message.contains("bars.ring"), "{message}");
        }
        // barbus must not "repair" a file that it does not understand.
        assert!(fs::read(bus.ring()).expect("the ring can be read") == ring, "{name}: the file was changed");
    }
}

#[test]
fn commands_without_a_daemon_name_barbusd() {
    let mut bus = Bus::init("XSHG");
    let csv = bus.write("bars.csv", format!("{HEADER}\n{GOOD}\n"));
    bus.barbus("publish", [&csv]).fails(1, &["barbusd"]);
    bus.barbus("close-day", [] as [&str; 0]).fails(1, &["barbusd"]);
    // The socket file of a dead daemon gives the same message.
    bus.start();
    bus.kill();
    bus.barbus("publish", [&csv]).fails(1, &["barbusd"]);
    bus.start();
    assert_eq!(bus.publish(&csv, &[]), Counts::all_accepted(1));
}

#[test]
fn unreadable_csv_files_are_refused() {
    let bus = Bus::running("XSHG");
    let missing = bus.write("missing.csv", "symbol,frame,open,high,low,volume\nA,2024-03-04T01:31:00Z,1,1,1,1\n");
    bus.barbus("publish", [&missing]).fails(1, &["missing.csv", "close"]);
    let twice = bus.write("twice.csv", "symbol,time,date,open,high,low,close,volume\n");
    bus.barbus("publish", [&twice]).fails(1, &["twice.csv", "time", "date"]);
    let empty = bus.write("empty.csv", "");
    bus.barbus("publish", [&empty]).fails(1, &["empty.csv"]);
    bus.barbus("publish", [&bus.beside("none.csv")]).fails(1, &["none.csv", "No such file"]);
    bus.barbus("publish", [&bus.write("bars.xlsx", "PK\x03\x04")]).fails(1, &["bars.xlsx"]);
    let broken = bus.write("broken.csv.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03broken");
    bus.barbus("publish", [&broken]).fails(1, &["broken.csv.gz"]);
    bus.barbus("publish", [&bus.write("broken.parquet", "PAR1")]).fails(1, &["broken.parquet"]);
    assert_eq!(bus.stat()["bars"], 0);
    assert_eq!(bus.quarantine(), [] as [Value; 0]);
}

#[test]
fn each_bad_row_is_quarantined_with_its_reason_and_the_good_ones_pass() {
    let long = "L".repeat(65);
    // The rows of one file and the reason of each; "" is a good row.
    let rows = [
        (GOOD.to_owned(), ""),
        ("600000.XSHG,2024-03-04T01:32:00Z,ten,11,9,10.5,100,1000,1".to_owned(), "rejected"),
        ("600000.XSHG,2024-02-30T01:33:00Z,10,11,9,10.5,100,1000,1".to_owned(), "rejected"),
        ("600000.XSHG,2024-03-04T01:34:00Z,10,11,9,10.5".to_owned(), "rejected"),
        ("600000.XSHG,2024-03-04T01:34:00Z,10,11,9,10.5,100,1000,1,surplus".to_owned(), "rejected"),
        ("600000.XSHG,2024-03-04T01:35:00Z,NaN,11,9,10.5,100,1000,1".to_owned(), "not-finite"),
        ("600000.XSHG,2024-03-04T01:36:00Z,10,inf,9,10.5,100,1000,1".to_owned(), "not-finite"),
        ("600000.XSHG,2024-03-04T01:37:00Z,10,11,9,10.5,-1,1000,1".to_owned(), "negative-volume"),
        ("600000.XSHG,2024-03-04T01:38:00Z,10,10.4,9,10.5,100,1000,1".to_owned(), "high-low"),
        ("600000.XSHG,2024-03-04T01:39:00Z,10,11,10.1,10.5,100,1000,1".to_owned(), "high-low"),
        ("600000.XSHG,2024-03-04T01:40:30Z,10,11,9,10.5,100,1000,1".to_owned(), "off-interval"),
        (",2024-03-04T01:41:00Z,10,11,9,10.5,100,1000,1".to_owned(), "empty-symbol"),
        (format!("{long},2024-03-04T01:42:00Z,10,11,9,10.5,100,1000,1"), "long-symbol"),
        ("600000.XSHG,2024-03-04T01:43:00Z,10,11,9,,100,1000,1".to_owned(), "rejected"),
        // Negative prices are valid: oil in April 2020, and spreads on any day.
        ("600000.XSHG,2024-03-04T01:44:00Z,-37,-36,-40,-37.63,100,,".to_owned(), ""),
    ];
    let bus = Bus::running("XSHG");
    let lines: Vec<&str> = rows.iter().map(|(row, _)| row.as_str()).collect();
    let csv = bus.write("bars.csv", format!("{HEADER}\n{}\n", lines.join("\n")));
    let bad = rows.iter().filter(|(_, reason)| !reason.is_empty()).count() as u64;
    let good = rows.len() as u64 - bad;
    let counts = bus.publish(&csv, &[]);
    assert_eq!(counts, Counts { rows: good + bad, accepted: good, quarantined: bad, ..Counts::default() });

    let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, reason) in rows.iter().filter(|(_, reason)| !reason.is_empty()) {
        *wanted.entry(reason).or_default() += 1;
    }
    let stat = bus.stat();
    for (reason, count) in &wanted {
        assert_eq!(stat["quarantined"][reason], *count, "{reason} in {stat}");
    }
    let quarantine = bus.quarantine();
    assert_eq!(quarantine.len() as u64, bad);
    for (number, (row, reason)) in rows.iter().enumerate().filter(|(_, (_, reason))| !reason.is_empty()) {
        let line = number + 2;
        let entry = quarantine.iter().find(|entry| match *reason {
            // A row that publish could not parse keeps its text and its line number.
            "rejected" => {
                let source = format!("bars.csv:{line}");
                entry["source"].as_str().is_some_and(|found| found.ends_with(&source)) && entry["row"] == row.as_str()
            }
            // A row that broke a rule is identified by its frame, the second field.
            _ => entry["code"] == *reason && entry["row"].to_string().contains(&frame_of(row)),
        });
        assert!(entry.is_some(), "no {reason} of line {line} ({row}) in {quarantine:#?}");
    }

    // The archive has the good rows and nothing else.
    bus.close_day();
    let good = bus.write("good.csv", format!("{HEADER}\n{}\n{}\n", lines[0], lines[lines.len() - 1]));
    oracle::assert_archive(&bus, &Published::XSHG, &[good]);
}

#[test]
fn text_in_number_columns_is_quarantined_row_by_row() {
    let bus = Bus::running("XSHG");
    let bars = market::minutes(&["600000.XSHG"], "2024-03-04T01:31:00Z", 4);
    let closes = StringArray::from(vec![Some(bars[0].close.to_string()), Some("ten".to_owned()), None, None]);
    let batch = with(&bars, "close", Some(Arc::new(closes)));
    let mut producer = Producer::connect(&bus);
    producer.send(&producer::stream(&[batch]));
    let counts = Counts { rows: 4, accepted: 1, quarantined: 3, ..Counts::default() };
    assert_eq!(Counts::of(&producer.answer()), counts);
    producer.finish();
    let stat = bus.stat();
    assert_eq!((&stat["quarantined"]["unparseable"], &stat["quarantined"]["missing-value"]), (&json!(1), &json!(2)));
    assert_eq!(bus.quarantine().len(), 3);
}

#[test]
fn the_rule_of_high_and_low_can_be_switched_off() {
    let mut bus = Bus::init("XSHG");
    bus.configure("# high_low = true", "high_low = false");
    bus.start();
    let csv = bus.write("bars.csv", format!("{HEADER}\n600000.XSHG,2024-03-04T01:38:00Z,10,10.4,9,10.5,100,1000,1\n"));
    assert_eq!(bus.publish(&csv, &[]), Counts::all_accepted(1));
}

#[test]
fn half_a_message_loses_nothing() {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&["600000.XSHG"], "2024-03-04");
    let whole = producer::stream(&[producer::batch(&bars[..100]), producer::batch(&bars[100..])]);
    let mut half = Producer::connect(&bus);
    half.send(&whole[..whole.len() * 3 / 4]);
    assert_eq!(half.answer()["accepted"], 100);
    half.finish();
    assert_bars(&bus, &bars[..100], &bars[100..]);
}

#[test]
fn bytes_that_are_not_a_stream_are_rejected() {
    let bus = Bus::running("XSHG");
    let mut huge = vec![0xff, 0xff, 0xff, 0xff];
    huge.extend(i32::MAX.to_le_bytes());
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\0\0\0\0\0\0\0", b"{\"nonsense\":{}}\n", b"{\"stat\":", &huge] {
        let mut producer = Producer::connect(&bus);
        producer.send(bytes);
        let answers = producer.finish();
        let last = answers.last().unwrap_or_else(|| panic!("no answer to {bytes:?}"));
        assert!(last["error"].is_string(), "{last}");
    }
    let bars = market::xshg_day(&["600000.XSHG"], "2024-03-04");
    assert_bars(&bus, &[], &bars);
}

#[test]
fn a_batch_with_a_column_of_a_wrong_type_is_refused() {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&["600000.XSHG"], "2024-03-04");
    let wrong: ArrayRef = Arc::new(BooleanArray::from(vec![true; 10]));
    let mut producer = Producer::connect(&bus);
    producer.send(&producer::stream(&[with(&bars[..10], "close", Some(wrong))]));
    let answer = producer.answer();
    let error = answer["error"].as_str().unwrap_or_else(|| panic!("no error in {answer}"));
    assert!(error.contains("close") && error.contains("Boolean"), "{error}");
    assert_bars(&bus, &[], &bars);
}

#[test]
fn a_batch_without_a_column_is_quarantined_row_by_row() {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&["600000.XSHG"], "2024-03-04");
    let mut producer = Producer::connect(&bus);
    producer.send(&producer::stream(&[with(&bars[..10], "volume", None)]));
    assert_eq!(Counts::of(&producer.answer()), Counts { rows: 10, quarantined: 10, ..Counts::default() });
    producer.finish();
    assert_eq!(bus.stat()["quarantined"], json!({"missing-column": 10}));
    let kept = bus.quarantine();
    assert_eq!(kept.len(), 10);
    for (entry, bar) in kept.iter().zip(&bars) {
        assert_eq!((&entry["code"], &entry["row"]["close"]), (&json!("missing-column"), &json!(bar.close)), "{entry}");
        assert!(entry["reason"].as_str().is_some_and(|reason| reason.contains("volume")), "{entry}");
    }
    assert_bars(&bus, &[], &bars);
}

#[test]
fn symbols_beyond_the_dictionary_are_quarantined() {
    let mut bus = Bus::init("XSHG");
    bus.configure("# max_symbols = 131072", "max_symbols = 20000");
    bus.start();
    let symbols: Vec<String> = (0..100_000).map(|number| format!("{number:06}.XSHG")).collect();
    let names: Vec<&str> = symbols.iter().map(String::as_str).collect();
    let bars = market::minutes(&names, "2024-03-04T01:31:00Z", 1);
    let csv = bus.write("bars.csv", market::csv(&bars));
    let published = bus.barbus("publish", [csv.to_str().expect("UTF-8"), "--format", "json"]);
    let counts = Counts::of(&serde_json::from_str(&published.stdout).expect("a summary"));
    published.fails(1, &["the symbol table is full"]);
    assert_eq!(counts.accepted, 20_000, "{counts:?}");
    // Each row is accepted or quarantined with that reason; none is lost.
    assert_eq!(counts.rows, 100_000, "{counts:?}");
    assert_eq!(counts.accepted + counts.quarantined, 100_000, "{counts:?}");
    assert_eq!(bus.quarantine().len() as u64, counts.quarantined);
    assert!(bus.quarantine().iter().all(|entry| entry["code"] == "symbol-table-full"));
    bus.close_day();
    bus.barbus("verify", [] as [&str; 0]).ok();
}

#[test]
fn wrong_settings_are_refused() {
    let wrong = [
        ("calendar = \"XSHG\"", "calender = \"XSHG\"", &["bus.toml", "calender", "calendar"][..]),
        ("calendar = \"XSHG\"", "calendar = \"XSHJ\"", &["bus.toml", "XSHJ", "XSHG"]),
        ("calendar = \"XSHG\"", "calendar = ", &["bus.toml"]),
    ];
    for (from, to, words) in wrong {
        let bus = Bus::init("XSHG");
        bus.configure(from, to);
        bus.barbus("daemon", [] as [&str; 0]).fails(1, words);
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("bus");
    let init = |calendar: &str| command::run([Path::new("init"), &path, Path::new("--calendar"), Path::new(calendar)]);
    init("XNYSE").fails(1, &["XNYSE", "XNYS"]);
    assert!(!path.exists(), "a bus was left behind");
}

/// A batch of these bars in which one column is replaced or missing.
fn with(bars: &[Bar], name: &str, column: Option<ArrayRef>) -> RecordBatch {
    let good = producer::batch(bars);
    let schema = good.schema();
    let columns = schema.fields().iter().zip(good.columns()).filter_map(|(field, values)| {
        let values = if field.name() == name { column.clone()? } else { values.clone() };
        Some((field.name().clone(), values))
    });
    RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).expect("columns of one length")
}

/// The hour and minute in the market's zone, without the separator between date and time.
fn frame_of(row: &str) -> String {
    let frame: jiff::Timestamp = row.split(',').nth(1).expect("a frame").parse().expect("RFC 3339");
    frame.in_tz("Asia/Shanghai").expect("a known zone").strftime("%H:%M:%S").to_string()
}

/// Asserts that the bus has exactly the bars `present`, and that it accepts `more`.
#[track_caller]
fn assert_bars(bus: &Bus, present: &[Bar], more: &[Bar]) {
    assert_eq!(bus.stat()["bars"], present.len());
    let whole: Vec<Bar> = present.iter().chain(more).cloned().collect();
    let csv = bus.write("whole.csv", market::csv(&whole));
    let (rows, duplicate) = (whole.len() as u64, present.len() as u64);
    let counts = Counts { rows, accepted: rows - duplicate, duplicate, ..Counts::default() };
    assert_eq!(bus.publish(&csv, &[]), counts);
    bus.close_day();
    oracle::assert_archive(bus, &Published::XSHG, &[csv]);
}

/// Overwrites `bytes` with noise that is the same in every run.
fn random(bytes: &mut [u8]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for byte in bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = state as u8;
    }
}
