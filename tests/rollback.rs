//! A ring that is older than its archive: a backup that was put back while the archive was not.

use std::fs;

use barbus::{Event, Reader, Start};
use serde_json::json;

use crate::support::bus::{Bus, Counts};
use crate::support::market;
use crate::support::oracle::{self, Published};

const SYMBOL: [&str; 1] = ["600000.XSHG"];

/// Publishes 50 minutes from `first` on, which must all be new, and returns the file.
fn publish(bus: &Bus, name: &str, first: &str) -> std::path::PathBuf {
    let csv = bus.write(name, market::csv(&market::minutes(&SYMBOL, first, 50)));
    assert_eq!(bus.publish(&csv, &[]), Counts::all_accepted(50), "{name}");
    csv
}

/// Promise 7: new bars must not get sequence numbers that the archive has already.
#[test]
fn bars_after_a_ring_was_rolled_back_reach_the_archive() {
    let mut bus = Bus::init("XSHG");
    bus.configure("# late = \"5s\"", "late = \"100ms\"");
    bus.start();
    let mut files = vec![publish(&bus, "1.csv", "2024-03-04T01:31:00Z")];
    bus.stop();
    let backup = bus.beside("backup.ring");
    fs::copy(bus.ring(), &backup).expect("the ring can be copied");
    bus.start();
    files.push(publish(&bus, "2.csv", "2024-03-04T02:31:00Z"));
    bus.close_day();
    files.push(publish(&bus, "3.csv", "2024-03-05T01:31:00Z"));
    bus.close_day();
    bus.stop();

    // The backup ends at row 50, and the archive has rows up to 150.
    fs::copy(&backup, bus.ring()).expect("the backup can be put back");
    bus.start();
    assert!(bus.log().contains("older than the archive"), "{}", bus.log());
    assert!(bus.stat()["bars"].as_u64() >= Some(150), "it goes on behind the archive");
    let known = bus.publish(&files[2], &[]);
    assert_eq!(known, Counts { rows: 50, duplicate: 50, ..Counts::default() }, "the archive's bars stay known");
    files.push(publish(&bus, "4.csv", "2024-03-05T05:31:00Z"));
    files.push(publish(&bus, "5.csv", "2024-03-06T01:31:00Z"));
    bus.close_day();
    oracle::assert_archive(&bus, &Published::XSHG, &files);
    bus.barbus("verify", [] as [&str; 0]).ok();
    // A further start finds nothing to do.
    bus.kill();
    bus.start();
    assert_eq!(bus.log().matches("older than the archive").count(), 1);
}

/// Promise 7: bars that only the older ring has are archived before it is left, and its open day
/// goes on.
#[test]
fn the_open_day_of_an_older_ring_goes_on() {
    let mut bus = Bus::init("XSHG");
    bus.configure("# late = \"5s\"", "late = \"100ms\"");
    bus.start();
    let mut files = vec![publish(&bus, "1.csv", "2024-03-04T01:31:00Z")];
    bus.close_day();
    files.push(publish(&bus, "2.csv", "2024-03-05T01:31:00Z"));
    bus.stop();
    let backup = bus.beside("backup.ring");
    fs::copy(bus.ring(), &backup).expect("the ring can be copied");
    bus.start();
    // Late bars: the file of the first day now covers rows up to 150.
    files.push(publish(&bus, "3.csv", "2024-03-04T02:31:00Z"));
    bus.wait_archived();
    bus.stop();
    fs::copy(&backup, bus.ring()).expect("the backup can be put back");
    bus.start();
    assert_eq!(bus.stat()["day"], json!("2024-03-05"));
    assert_eq!(bus.publish(&files[1], &[]).duplicate, 50);
    files.push(publish(&bus, "4.csv", "2024-03-05T02:31:00Z"));
    let mut reader = Reader::open(bus.path()).and_then(|reader| reader.start_at(Start::Oldest)).expect("a reader");
    let Some(Event::Bars(bars)) = reader.poll().expect("events") else { panic!("no bars") };
    assert_eq!(bars.rows()[0].seq, 150, "no number is assigned again");
    bus.close_day();
    oracle::assert_archive(&bus, &Published::XSHG, &files);
}
