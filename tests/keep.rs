//! `archive.keep` and `quarantine.keep`: what is removed, what never is, and how a removed day
//! looks to readers, to `verify` and to late bars.

use std::fs;

use serde_json::json;

use crate::support::bus::{Bus, Counts, names};
use crate::support::{market, wait};

const NONE: [&str; 0] = [];
const SYMBOLS: [&str; 2] = ["600000.XSHG", "000001.XSHE"];
/// A week, and the Monday after it.
const DAYS: [&str; 6] = ["2024-03-04", "2024-03-05", "2024-03-06", "2024-03-07", "2024-03-08", "2024-03-11"];

/// Ten minutes of a day from this minute after 09:30 on.
fn publish(bus: &Bus, day: &str, minute: u32) -> Counts {
    let first = format!("{day}T01:{}:00Z", 30 + minute);
    let csv = bus.write("bars.csv", market::csv(&market::minutes(&SYMBOLS, &first, 10)));
    // It fails if no row is accepted.
    let published = bus.barbus("publish", [csv.to_str().expect("UTF-8"), "--format", "json"]);
    Counts::of(&serde_json::from_str(&published.stdout).unwrap_or_else(|error| panic!("{error} in {published}")))
}

/// A bus with the closed days of a week, and a Monday that is open. A late bar of the Tuesday is in
/// the block of the Monday.
fn week() -> Bus {
    let mut bus = Bus::init("XSHG");
    bus.configure("# late = \"5s\"", "late = \"20ms\"");
    bus.start();
    for day in DAYS {
        assert_eq!(publish(&bus, day, 1), Counts::all_accepted(20), "{day}");
    }
    assert_eq!(publish(&bus, DAYS[1], 11), Counts::all_accepted(20));
    bus.wait_archived();
    bus
}

fn keep(bus: &Bus, archive: &str, quarantine: &str) {
    bus.configure("# keep = \"\"", &format!("keep = {archive:?}"));
    bus.configure("# keep = \"\"", &format!("keep = {quarantine:?}"));
}

fn wait_for_days(bus: &Bus, days: &[&str]) {
    wait::until(&format!("only {days:?}"), || (bus.archived_days() == days).then_some(()));
}

/// Promise 7: days are removed only when all of their bars are archived, and a late bar of a
/// removed day makes no file of its own, also after a crash while the ring still has the day.
#[test]
fn old_days_are_removed_for_good() {
    let mut bus = week();
    bus.stop();
    keep(&bus, "2d", "");
    // The age counts from the newest archived day. A look removes nothing.
    let look = bus.barbus("keep", ["--format", "json"]).json();
    let dates: Vec<&str> =
        look["files"].as_array().unwrap().iter().map(|file| file["date"].as_str().unwrap()).collect();
    assert_eq!(dates, DAYS[..2], "{look}");
    assert_eq!(bus.archived_days(), DAYS[..5]);

    // A damaged file is left for a person.
    let monday = bus.archive().join(format!("{}.parquet", DAYS[0]));
    let good = fs::read(&monday).expect("it is there");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&monday, &bad).expect("ours");
    bus.start();
    wait_for_days(&bus, &[DAYS[0], DAYS[2], DAYS[3], DAYS[4]]);
    wait::until("both days in the log", || {
        let log = bus.log();
        (log.contains("day removed by archive.keep") && log.contains("day not removed by archive.keep")).then_some(())
    });
    let late = publish(&bus, DAYS[1], 21);
    assert_eq!(late, Counts { rows: 20, quarantined: 20, ..Counts::default() });
    assert!(bus.quarantine().iter().all(|row| row["code"] == "removed-day"), "{:?}", bus.quarantine());
    assert_eq!(publish(&bus, DAYS[2], 11), Counts::all_accepted(20), "a late bar of a day that is kept");

    // The block of the open day has rows of the removed Tuesday, which a start must not archive.
    fs::write(&monday, &good).expect("ours");
    bus.kill();
    bus.start();
    wait_for_days(&bus, &DAYS[2..5]);
    assert_eq!(publish(&bus, DAYS[1], 1).quarantined, 20, "neither a duplicate nor new");
    let stat = bus.stat();
    assert_eq!(stat["removed_last"]["day"], DAYS[0], "{stat}");
    assert!(stat["days"].as_array().unwrap().iter().all(|day| day["day"] != DAYS[1]), "{stat}");
    bus.barbus("stat", NONE).ok();
    bus.close_day();
    // The close of the Monday makes two more days too old.
    wait_for_days(&bus, &DAYS[5..]);
    bus.barbus("verify", NONE).ok();
    bus.barbus("stat", ["--check"]).ok();
}

/// Promise 14: the ring has some bars of a removed day and not all, so none of them is given.
#[test]
fn a_removed_day_is_reported_as_missing() {
    let mut bus = week();
    bus.stop();
    keep(&bus, "2d", "");
    bus.start();
    wait_for_days(&bus, &DAYS[2..5]);
    let bars = bus.barbus("bars", ["--from", DAYS[0], "--to", DAYS[2], "--format", "csv"]);
    assert!(bars.stderr.contains("2024-03-04 to 2024-03-05: no bars on the bus, 2 trading days"), "{bars}");
    assert!(bars.stdout.lines().skip(1).all(|line| line.ends_with(DAYS[2])), "{bars}");
    let gaps = bus.barbus("gaps", [DAYS[1], "--symbol", SYMBOLS[0], "--format", "json"]).json_lines();
    assert_eq!((&gaps[0]["source"], &gaps[0]["present"]), (&json!("nowhere"), &json!(0)), "{gaps:?}");
    let into = Bus::running("XSHG");
    let target = into.path().display().to_string();
    let replay = bus.barbus("replay", ["--from", DAYS[0], "--to", DAYS[1], "--into", &target]);
    replay.fails(1, &["no day from 2024-03-04 to 2024-03-05 is archived", "it has 3 days"]);
}

/// A size counts all day files; copies follow a time only. The newest day, and the quarantine of
/// today, are kept whatever the settings say.
#[test]
fn the_newest_day_and_the_quarantine_of_today_are_kept() {
    let mut bus = week();
    // High below low: quarantined today.
    bus.publish(&bus.write("bad.csv", "symbol,frame,open,high,low,close,volume\nA,2024-03-11 09:45,10,1,9,10,1\nA,2024-03-11 09:46,10,11,9,10,1\n"), &[]);
    let today =
        names(&bus.path().join("quarantine")).into_iter().find(|name| name.ends_with(".ndjson")).expect("a row");
    for date in ["2024-01-01", "2024-01-02", "notes"] {
        fs::write(bus.path().join(format!("quarantine/{date}.ndjson")), "{}\n").expect("ours");
    }
    bus.barbus("withdraw", ["--day", DAYS[0], "--symbol", SYMBOLS[0]]).ok();
    let copy = bus.path().join(format!("archive/withdrawn/{}-1.parquet", DAYS[0]));
    assert!(copy.exists());
    bus.stop();
    keep(&bus, "1kB", "1d");
    bus.start();
    wait_for_days(&bus, &DAYS[4..5]);
    let quarantine = || {
        let mut files = names(&bus.path().join("quarantine"));
        files.retain(|name| name.ends_with(".ndjson"));
        files.sort();
        files
    };
    assert_eq!(quarantine(), [today.as_str(), "notes.ndjson"]);
    assert!(copy.exists(), "a size is no age");
    bus.stop();
    bus.configure("keep = \"1kB\"", "keep = \"1d\"");
    bus.start();
    wait::until("the copy to be removed", || (!copy.exists()).then_some(()));
    bus.barbus("verify", NONE).ok();
    // A record without a removal is of a crash between the two: the day goes on.
    bus.stop();
    let record = json!({"at": "2026-01-01T00:00:00Z", "day": DAYS[4], "bars": 20, "bytes": 1});
    let path = bus.path().join("removed.ndjson");
    fs::write(&path, format!("{}{record}\n", fs::read_to_string(&path).expect("it is there"))).expect("ours");
    bus.start();
    assert_eq!(publish(&bus, DAYS[4], 11), Counts::all_accepted(20));
}

#[test]
fn a_wrong_value_names_both_forms() {
    let bus = Bus::init("XSHG");
    keep(&bus, "400", "");
    let words = ["archive.keep: \"400\"", "\"400d\"", "\"200GB\""];
    bus.barbus("keep", NONE).fails(1, &words);
    bus.barbus("daemon", NONE).fails(1, &words);
}
