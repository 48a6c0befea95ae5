//! Archives on volumes of their own, and directories that are removed or moved while a bus runs.

use std::fs;
use std::path::Path;

use crate::support::bus::{Bus, Counts, names};
use crate::support::command;
use crate::support::disk::Disk;
use crate::support::oracle::{self, Published};
use crate::support::{market, wait};

const NONE: [&str; 0] = [];
const SYMBOLS: [&str; 3] = ["600000.XSHG", "000001.XSHE", "688001.XSHG"];
const BARS: usize = SYMBOLS.len() * 240;

fn day(bus: &Bus, date: &str) -> std::path::PathBuf {
    bus.write(&format!("{date}.csv"), market::csv(&market::xshg_day(&SYMBOLS, date)))
}

/// A publish with a close of the day. It returns after the attempt to archive, which may fail.
fn publish_and_close(bus: &Bus, csv: &Path) {
    assert_eq!(bus.publish(csv, &[]), Counts::all_accepted(BARS));
    bus.barbus("close-day", NONE);
}

/// Promise 7: a bus whose archive's volume is not mounted would write its days beneath the mount
/// point, and take bars of its archived days for new ones.
#[test]
fn an_archive_that_is_not_mounted_is_refused_or_waited_for() {
    let mut bus = Bus::init("XSHG");
    let volume = bus.beside("volume");
    fs::create_dir(&volume).expect("ours");
    let archive = volume.join("archive/1m");
    bus.configure("# path = \"archive/1m\"", &format!("path = {archive:?}"));
    let Some(disk) = Disk::mount_kind(&volume, "ext4") else { return };
    bus.start();
    let [monday, tuesday] = ["2024-03-04", "2024-03-05"].map(|date| day(&bus, date));
    publish_and_close(&bus, &monday);
    assert_eq!(names(&archive), ["2024-03-04.parquet"]);
    wait::until("the note that there are days", || bus.path().join("archived").exists().then_some(()));
    bus.stop();

    disk.unmount();
    bus.barbus("daemon", NONE).fails(1, &["archive/1m: no day is in it", "mount its volume", "archived"]);
    assert_eq!(names(&volume), NONE, "nothing was made beneath the mount point");
    disk.mount_again();
    bus.start();
    let rows = BARS as u64;
    assert_eq!(bus.publish(&monday, &[]), Counts { rows, duplicate: rows, ..Counts::default() });

    // It is lost while the daemon runs: the day waits in the ring.
    disk.unmount();
    publish_and_close(&bus, &tuesday);
    wait::until("a flush error", || {
        let stat = bus.stat();
        stat["last_flush_error"].as_str().is_some_and(|error| error.contains("not mounted")).then_some(())
    });
    assert_eq!(names(&volume), NONE, "nothing was made beneath the mount point");
    disk.mount_again();
    bus.close_day();
    assert_eq!(names(&archive).len(), 2);
    bus.barbus("verify", NONE).ok();
    bus.stop();
}

/// Days that were removed on purpose: the note is removed too.
#[test]
fn an_archive_without_days_starts_without_the_note() {
    let mut bus = Bus::running("XSHG");
    let monday = day(&bus, "2024-03-04");
    publish_and_close(&bus, &monday);
    let note = bus.path().join("archived");
    wait::until("the note", || note.exists().then_some(()));
    bus.stop();
    fs::remove_file(bus.archive().join("2024-03-04.parquet")).expect("ours");
    bus.barbus("daemon", NONE).fails(1, &["no day is in it"]);
    fs::remove_file(&note).expect("ours");
    bus.start();
}

/// Promise 7: the next day is archived although the archive's folders were removed.
#[test]
fn a_removed_archive_is_made_anew() {
    let bus = Bus::running("XSHG");
    let [monday, tuesday] = ["2024-03-04", "2024-03-05"].map(|date| day(&bus, date));
    publish_and_close(&bus, &monday);
    fs::remove_dir_all(bus.path().join("archive")).expect("ours");
    publish_and_close(&bus, &tuesday);
    bus.wait_archived();
    assert_eq!(bus.archived_days(), ["2024-03-05"]);
    oracle::assert_archive(&bus, &Published::XSHG, &[tuesday]);
}

/// Promises 6 and 7: a bus that is moved while its daemon runs takes bars at its new path, and
/// nothing is made at the old one. The day is archived when the daemon is started there.
#[test]
fn a_moved_bus_goes_on_and_leaves_nothing_behind() {
    let mut bus = Bus::running("XSHG");
    let monday = day(&bus, "2024-03-04");
    let moved = bus.beside("moved");
    fs::rename(bus.path(), &moved).expect("ours");
    let barbus =
        |verb: &str, arguments: &[&str]| command::finish(command::barbus().arg(verb).arg(&moved).args(arguments), None);
    wait::until("the error in stat", || {
        let stat = barbus("stat", &["--format", "json"]).json();
        stat["ring_error"].as_str().is_some_and(|error| error.contains("was moved to")).then_some(())
    });
    let publish = barbus("publish", &[monday.to_str().expect("UTF-8"), "--format", "json"]);
    assert_eq!(Counts::of(&publish.json()), Counts::all_accepted(BARS));
    barbus("close-day", &[]).fails(1, &["kept"]);
    // High below low: quarantined at the new path.
    let bad = "symbol,frame,open,high,low,close,volume\nA,2024-03-05 09:31,10,1,9,10,1\n";
    let publish = barbus("publish", &[bus.write("bad.csv", bad).to_str().expect("UTF-8"), "--format", "json"]);
    let counts = Counts::of(&serde_json::from_str(&publish.stdout).expect("a summary"));
    assert_eq!(counts, Counts { rows: 1, quarantined: 1, ..Counts::default() });
    publish.fails(1, &["1 row was rejected", "no row was accepted"]);
    assert!(names(&moved.join("quarantine")).iter().any(|name| name.ends_with(".ndjson")));
    assert!(!bus.path().exists(), "a directory at the old path");
    bus.stop();
    assert!(!bus.path().exists(), "a directory at the old path");
    fs::rename(&moved, bus.path()).expect("ours");
    bus.start();
    bus.wait_archived();
    oracle::assert_archive(&bus, &Published::XSHG, &[monday]);
}
