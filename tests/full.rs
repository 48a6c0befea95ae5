//! Days larger than the ring, and full disks: producers wait, readers continue, nothing is lost.

use std::fs;
use std::path::Path;

use crate::support::bus::{Bus, Counts};
use crate::support::command::{self, Running};
use crate::support::disk::Disk;
use crate::support::market::{self, Bar};
use crate::support::oracle::{self, Published};
use crate::support::wait;

/// How many bars fit into the ring.
fn capacity(bus: &Bus) -> u64 {
    bus.stat()["blocks"].as_u64().expect("a count") * 64
}

fn symbols(first: usize, count: usize) -> Vec<String> {
    (first..first + count).map(|number| format!("{number:06}.XSHE")).collect()
}

fn day(symbols: &[String], date: &str) -> Vec<Bar> {
    let names: Vec<&str> = symbols.iter().map(String::as_str).collect();
    market::xshg_day(&names, date)
}

fn publish(bus: &Bus, file: &Path) -> Running {
    let mut command = command::barbus();
    command.arg("publish").arg(bus.path()).arg(file).args(["--format", "json"]);
    Running::start(&mut command, false)
}

/// Promise 7: every bar of a closed day is in that day's file exactly once, for any ring size.
#[test]
fn two_producers_publish_a_day_larger_than_the_ring() {
    let mut bus = Bus::init("XSHG");
    bus.configure_small_ring();
    bus.start();
    let files = [0, 40].map(|first| {
        let bars = day(&symbols(first, 40), "2024-03-04");
        bus.write(&format!("{first}.csv"), market::csv(&bars))
    });
    let both = 2 * 40 * 240;
    assert!(both > 2 * capacity(&bus), "the ring is too long for this test");
    for producer in files.each_ref().map(|file| publish(&bus, file)) {
        assert_eq!(Counts::of(&producer.finish().json()), Counts::all_accepted(40 * 240));
    }
    assert_eq!(bus.archived_days(), [] as [&str; 0], "the day is open");
    // After a crash the writer also knows the bars that are only in parts.
    bus.kill();
    bus.start();
    assert_eq!(bus.stat()["bars"], both);
    bus.close_day();
    assert_eq!(bus.archived_days(), ["2024-03-04"]);
    oracle::assert_archive(&bus, &Published::XSHG, &files);
    bus.barbus("verify", [] as [&str; 0]).ok();
}

/// Promise 7: the archive's disk is full while days close, and the ring fills up meanwhile.
#[test]
fn an_archive_on_a_full_disk_catches_up() {
    let mut bus = Bus::init("XSHG");
    bus.configure_small_ring();
    let Some(disk) = Disk::mount(bus.path().join("archive"), "2m") else { return };
    bus.start();
    disk.fill();
    let names = symbols(0, 40);
    let monday = bus.write("1.csv", market::csv(&day(&names, "2024-03-04")));
    let tuesday = bus.write("2.csv", market::csv(&day(&names, "2024-03-05")));
    let (half, rest) = (bus.write("half.csv", ""), bus.write("rest.csv", ""));
    let bars = day(&names, "2024-03-04");
    fs::write(&half, market::csv(&bars[..1_000])).expect("can be written");
    fs::write(&rest, market::csv(&bars[1_000..])).expect("can be written");
    assert_eq!(bus.publish(&half, &[]), Counts::all_accepted(1_000));
    let producers = [publish(&bus, &rest), publish(&bus, &tuesday)];
    wait::until("a flush error in stat", || {
        let stat = bus.stat();
        stat["last_flush_error"].as_str().is_some_and(|error| error.contains("No space left")).then_some(())
    });
    // A close seals a block before it is full, so the test counts blocks, not bars.
    wait::until("a full ring", || {
        let stat = bus.stat();
        (stat["blocks_used"] == stat["blocks"]).then_some(())
    });
    assert!(bars.len() as u64 > capacity(&bus), "one producer at least has to wait");
    wait::until("the wait in the log", || bus.log().contains("the ring is full: producers wait").then_some(()));
    let stat = bus.stat();
    let cause = stat["ring_full_cause"].as_str().expect("producers wait");
    assert!(cause.contains("archive") && cause.contains("No space left"), "{cause}");
    assert!(stat["ring_full_at"].is_string() && stat["archive_free_bytes"].is_u64(), "{stat}");
    bus.barbus("stat", ["--check"]).fails(1, &["ring full since", "No space left"]);
    // Readers are not affected.
    let latest = bus.barbus("latest", [&names[0], "--format", "json"]).json_lines();
    assert_eq!(latest.len(), 1);
    assert_eq!(bus.archived_days(), [] as [&str; 0]);

    disk.free();
    let summaries = producers.map(|producer| producer.finish().json());
    let waited = summaries.iter().filter_map(|summary| summary["waited_ms"].as_u64()).max();
    assert!(waited.is_some_and(|waited| waited >= 1_000), "the log named a wait of a second: {summaries:?}");
    let counts = summaries.map(|summary| Counts::of(&summary));
    assert_eq!(counts, [Counts::all_accepted(bars.len() - 1_000), Counts::all_accepted(bars.len())]);
    bus.close_day();
    let stat = bus.stat();
    assert!(stat["last_flush_error"].is_null() && stat["ring_full_at"].is_null(), "{stat}");
    assert!(bus.log().contains("the ring has room again"), "the end of the wait");
    oracle::assert_archive(&bus, &Published::XSHG, &[monday, tuesday]);
}

/// Promise 9: the ring is allocated in full at creation, so a full disk is an error, not a SIGBUS.
#[test]
fn a_ring_larger_than_its_disk_is_refused() {
    let mut bus = Bus::init("XSHG");
    let ring = bus.beside("shm").join("bars.ring");
    fs::create_dir(bus.beside("shm")).expect("can be made");
    bus.configure("# path = \"bars.ring\"", &format!("path = {ring:?}"));
    let Some(disk) = Disk::mount(bus.beside("shm"), "4m") else { return };
    bus.barbus("daemon", [] as [&str; 0]).fails(1, &["bars.ring", "No space left"]);
    assert_eq!(fs::read_dir(&disk.path).expect("can be read").count(), 0, "a part of the ring was left");
    bus.configure_ring("1MB", 64);
    bus.start();
    let csv = bus.write("bars.csv", market::csv(&day(&symbols(0, 2), "2024-03-04")));
    assert_eq!(bus.publish(&csv, &[]), Counts::all_accepted(480));
    // The ring is allocated in full, so no bar needs further disk space.
    disk.fill();
    let more = bus.write("more.csv", market::csv(&day(&symbols(2, 2), "2024-03-04")));
    assert_eq!(bus.publish(&more, &[]), Counts::all_accepted(480));
    bus.close_day();
    oracle::assert_archive(&bus, &Published::XSHG, &[csv, more]);
}
