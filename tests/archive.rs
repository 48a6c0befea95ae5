//! The archive as other tools see it, with late bars and with a failing disk.

use std::fs;

use serde_json::json;

use crate::support::bus::{Bus, Counts};
use crate::support::market::{self, Bar};
use crate::support::oracle::{self, Published};
use crate::support::{python, wait};

const SYMBOLS: [&str; 3] = ["600000.XSHG", "000001.XSHE", "688001.XSHG"];

/// Promise 7: every tool reads the values that the bus received.
#[test]
fn pyarrow_polars_and_duckdb_see_the_same() {
    let bus = Bus::running("XSHG");
    let csv = bus.write("bars.csv", market::csv(&market::xshg_day(&SYMBOLS, "2024-03-04")));
    bus.publish(&csv, &[]);
    bus.close_day();
    let file = bus.archive().join("2024-03-04.parquet");
    let text = python::run("open_everywhere.py", [file.to_str().expect("UTF-8"), "--zone", "Asia/Shanghai"]).ok();
    assert!(text.contains("720 rows, 240 minutes"), "{text}");
}

/// Promise 7 with prices in single precision: the value nearest to the received one.
#[test]
fn the_zillionare_preset_has_its_order_and_types() {
    let mut bus = Bus::init_with(&["--calendar", "XSHG", "--preset", "zillionare"]);
    bus.start();
    let csv = bus.write("bars.csv", market::csv(&market::xshg_day(&SYMBOLS, "2024-03-04")));
    assert_eq!(bus.publish(&csv, &[]), Counts::all_accepted(720));
    bus.close_day();
    let file = bus.archive().join("2024-03-04.parquet");
    let columns = "symbol,frame,open,high,low,close,volume,money,factor";
    let arguments =
        [file.to_str().expect("UTF-8"), "--zone", "Asia/Shanghai", "--price", "float", "--columns", columns];
    python::run("open_everywhere.py", arguments).ok();
    oracle::assert_archive(&bus, &Published { price: "float", ..Published::XSHG }, &[csv]);
}

/// Promise 7: a bar is in its own day's file, late or not.
#[test]
fn a_late_bar_is_archived_in_its_own_day() {
    let bus = Bus::running("XSHG");
    let monday = market::xshg_day(&SYMBOLS, "2024-03-04");
    let tuesday = market::xshg_day(&SYMBOLS, "2024-03-05");
    let late: Vec<_> = monday.iter().step_by(10).cloned().collect();
    let in_time: Vec<_> = monday.iter().filter(|bar| !late.contains(bar)).cloned().collect();
    let files = [
        bus.write("1.csv", market::csv(&in_time)),
        bus.write("2.csv", market::csv(&tuesday[..360])),
        bus.write("3.csv", market::csv(&late)),
        bus.write("4.csv", market::csv(&tuesday[360..])),
    ];
    bus.publish(&files[0], &[]);
    bus.publish(&files[1], &[]);
    // Monday is archived before the late bars arrive, so its file must be rewritten.
    wait::until("the file of Monday", || bus.archive().join("2024-03-04.parquet").exists().then_some(()));
    // Every tenth bar looks like bars of ten minutes.
    assert_eq!(bus.publish(&files[2], &["--trust"]), Counts::all_accepted(late.len()));
    bus.publish(&files[3], &[]);
    bus.close_day();
    assert_eq!(bus.archived_days(), ["2024-03-04", "2024-03-05"]);
    oracle::assert_archive(&bus, &Published::XSHG, &files);
}

/// Promise 7: exactly once, for any number of flushes.
#[test]
fn closing_a_day_twice_changes_nothing() {
    let bus = Bus::running("XSHG");
    let csv = bus.write("bars.csv", market::csv(&market::xshg_day(&SYMBOLS, "2024-03-04")));
    bus.publish(&csv, &[]);
    bus.close_day();
    let file = bus.archive().join("2024-03-04.parquet");
    let before = fs::read(&file).expect("archived");
    bus.barbus("close-day", ["2024-03-04"]).ok();
    bus.publish(&csv, &[]);
    bus.wait_archived();
    assert_eq!(fs::read(&file).expect("archived"), before);
}

/// Promise 7: nothing is lost if a file cannot be written, and `stat` shows the error.
#[test]
fn a_failing_flush_is_shown_and_retried() {
    let bus = Bus::running("XSHG");
    let monday = bus.write("1.csv", market::csv(&market::xshg_day(&SYMBOLS, "2024-03-04")));
    let tuesday = bus.write("2.csv", market::csv(&market::xshg_day(&SYMBOLS, "2024-03-05")));
    // A file replaces the folder: then not even root can write there.
    let aside = bus.path().join("archive/aside");
    fs::rename(bus.archive(), &aside).expect("the folder can be moved");
    fs::write(bus.archive(), "in the way").expect("a file can be written");
    bus.publish(&monday, &[]);
    // The first bar of Tuesday closes Monday; the bus continues to accept bars.
    assert_eq!(bus.publish(&tuesday, &[]), Counts::all_accepted(720));
    wait::until("a flush error in stat", || {
        let stat = bus.stat();
        stat["last_flush_error"].as_str().is_some_and(|error| error.contains("archive/1m")).then_some(())
    });
    assert_eq!(bus.stat()["days_waiting"][0], "2024-03-04");

    fs::remove_file(bus.archive()).expect("can be removed");
    fs::rename(&aside, bus.archive()).expect("the folder can be moved back");
    bus.close_day();
    oracle::assert_archive(&bus, &Published::XSHG, &[monday, tuesday]);
}

/// The program that checks promise 7 must itself detect every difference.
#[test]
fn the_oracle_sees_every_kind_of_difference() {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&SYMBOLS, "2024-03-04");
    let csv = bus.write("bars.csv", market::csv(&bars));
    bus.publish(&csv, &[]);
    bus.close_day();
    let oracle = |name: &str, bars: &[market::Bar]| {
        let file = bus.write(name, market::csv(bars));
        let archive = bus.archive();
        let mut arguments = vec![archive.to_str().expect("UTF-8"), "--market", "XSHG", "--label", "end", "--files"];
        arguments.push(file.to_str().expect("UTF-8"));
        python::run("oracle.py", arguments)
    };
    oracle("same.csv", &bars).ok();

    let mut last_bit = bars.clone();
    last_bit[100].volume = f64::from_bits(last_bit[100].volume.to_bits() + 1);
    let mut unknown = bars.clone();
    unknown[4].money = None;
    assert_ne!(bars[4].money, None);
    let mut another_day = bars.clone();
    another_day.extend(market::xshg_day(&SYMBOLS, "2024-03-05"));
    let wrong = [
        ("bit.csv", last_bit, "volume"),
        ("null.csv", unknown, "money"),
        ("fewer.csv", bars[1..].to_vec(), "is not in the input"),
        ("more.csv", another_day, "no such file"),
    ];
    for (name, bars, word) in wrong {
        let run = oracle(name, &bars);
        assert_eq!(run.status.code(), Some(1), "{run}");
        assert!(run.stdout.contains(word), "{run}");
    }
}

/// Promise 7: corrections of a day whose file is damaged wait beside the ring, and live bars go on.
#[test]
fn a_damaged_old_day_does_not_stop_the_live_feed() {
    let mut bus = Bus::init("XSHG");
    bus.configure_small_ring();
    bus.configure("# late = \"5s\"", "late = \"50ms\"");
    bus.start();
    let monday = market::xshg_day(&SYMBOLS, "2024-03-04");
    let tuesday = market::xshg_day(&SYMBOLS, "2024-03-05");
    let mut files = vec![bus.write("monday.csv", market::csv(&monday))];
    bus.publish(&files[0], &[]);
    bus.close_day();
    let day = bus.archive().join("2024-03-04.parquet");
    let whole = fs::read(&day).expect("the day can be read");
    fs::write(&day, &whole[..whole.len() / 2]).expect("the day can be damaged");

    // More corrections than the ring has room for, with live bars between them.
    for round in 0..4 {
        let corrected = monday.iter().map(|bar| Bar { volume: bar.volume + f64::from(round) + 1.0, ..bar.clone() });
        for (name, bars) in [
            ("corrections", corrected.collect::<Vec<_>>()),
            ("live", tuesday[180 * round as usize..180 * (round as usize + 1)].to_vec()),
        ] {
            let csv = bus.write(&format!("{name}-{round}.csv"), market::csv(&bars));
            let counts = bus.publish(&csv, &[]);
            assert_eq!(counts.accepted + counts.revised, bars.len() as u64, "{counts:?}");
            files.push(csv);
        }
    }
    let stat = bus.stat();
    assert!(stat["last_flush_error"].as_str().is_some_and(|error| error.contains("2024-03-04")), "{stat}");
    assert_eq!((&stat["days_waiting"][0], &stat["day"]), (&"2024-03-04".into(), &"2024-03-05".into()));
    // The waiting bars survive a kill, too.
    bus.kill();
    bus.start();
    fs::write(&day, &whole).expect("the day can be put right");
    bus.wait_archived();
    assert_eq!(bus.stat()["last_flush_error"], serde_json::Value::Null);
    bus.close_day();
    oracle::assert_archive(&bus, &Published::XSHG, &files);
}

/// A file that was made anew after the day's file was removed must not look whole.
#[test]
fn verify_finds_a_day_that_lost_its_file() {
    let mut bus = Bus::init("XSHG");
    bus.configure("# late = \"5s\"", "late = \"50ms\"");
    bus.start();
    let monday = market::xshg_day(&SYMBOLS, "2024-03-04");
    bus.publish(&bus.write("monday.csv", market::csv(&monday)), &[]);
    bus.close_day();
    let counts = |acknowledged: u64, archived: u64| serde_json::json!([{"day": "2024-03-04", "acknowledged": acknowledged, "archived": archived}]);
    assert_eq!(bus.stat()["days"], counts(720, 720));
    bus.barbus("verify", [] as [&str; 0]).ok();
    fs::remove_file(bus.archive().join("2024-03-04.parquet")).expect("the day can be removed");
    let late = market::minutes(&SYMBOLS[..1], "2024-03-04T04:00:00Z", 1);
    assert_eq!(bus.publish(&bus.write("late.csv", market::csv(&late)), &[]), Counts::all_accepted(1));
    wait::until("the file of one bar", || (bus.archived_days() == ["2024-03-04"]).then_some(()));
    let words = bus.barbus("verify", [] as [&str; 0]).fails(1, &["2024-03-04", "has 1 bars", "has 721"]);
    assert!(words.contains("removed"), "{words}");
    bus.wait_archived();
    assert_eq!(bus.stat()["days"], counts(721, 1));
    bus.barbus("stat", ["--check"]).fails(1, &["2024-03-04 has 1 bars, and 721 were acknowledged"]);
}

/// Two producers that differ by a tick revise each other's bars without end.
#[test]
fn endless_revisions_are_counted_by_symbol_and_warned_of_once() {
    let bus = Bus::running("XSHG");
    let bars = market::minutes(&["600000.XSHG", "000001.XSHE"], "2024-03-04T01:31:00Z", 20);
    let differs =
        |bar: &Bar| Bar { volume: bar.volume + f64::from(u8::from(bar.symbol == "600000.XSHG")), ..bar.clone() };
    let one = bus.write("one.csv", market::csv(&bars));
    let other = bus.write("other.csv", market::csv(&bars.iter().map(differs).collect::<Vec<_>>()));
    for _ in 0..6 {
        bus.publish(&one, &[]);
        bus.publish(&other, &[]);
    }
    let stat = bus.stat();
    assert_eq!((&stat["most_revised"], &stat["revisions"]), (&json!({"600000.XSHG": 220}), &json!(220)), "{stat}");
    assert!(bus.barbus("stat", [] as [&str; 0]).ok().contains("600000.XSHG 220"));
    assert_eq!(bus.log().matches("revised again and again").count(), 1);
}
