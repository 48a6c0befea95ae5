//! Clean and unclean ends of the daemon, and the data that survives them.

use nix::sys::signal::Signal;

use crate::support::bus::{Bus, Counts};
use crate::support::command::{self, Running};
use crate::support::market;
use crate::support::oracle::{self, Published};
use crate::support::producer::{self, Producer};
use crate::support::wait;

const SYMBOLS: [&str; 3] = ["600000.XSHG", "000001.XSHE", "688001.XSHG"];

/// Promise 8 over a restart: the daemon knows every acknowledged bar.
#[test]
fn sigterm_and_sigint_end_it_cleanly() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut bus = Bus::running("XSHG");
        let bars = market::xshg_day(&SYMBOLS, "2024-03-04");
        let csv = bus.write("bars.csv", market::csv(&bars));
        bus.publish(&csv, &[]);
        let status = bus.end_with(signal);
        assert_eq!(status.code(), Some(0), "{signal:?}: {}", bus.log());
        assert!(!bus.path().join("ingest.sock").exists(), "the socket is left after {signal:?}");

        bus.start();
        let rows = bars.len() as u64;
        assert_eq!(bus.publish(&csv, &[]), Counts { rows, duplicate: rows, ..Counts::default() });
        bus.close_day();
        oracle::assert_archive(&bus, &Published::XSHG, &[csv]);
    }
}

#[test]
fn a_second_daemon_is_refused_with_the_pid_of_the_first() {
    let bus = Bus::running("XSHG");
    let pid = bus.pid().to_string();
    bus.barbus("daemon", [] as [&str; 0]).fails(1, &[&pid]);
    // The first daemon is not disturbed.
    assert_eq!(bus.publish(&bus.write("bars.csv", one_minute()), &[]), Counts::all_accepted(3));
}

/// Promise 6: no acknowledged bar must be sent again.
#[test]
fn an_acknowledged_bar_survives_kill_9() {
    let mut bus = Bus::running("XSHG");
    let bars = market::xshg_day(&SYMBOLS, "2024-03-04");
    let csv = bus.write("bars.csv", market::csv(&bars));
    let mut sent = 0;
    // The daemon is killed right after an acknowledgement, at several points of the day.
    for share in [1, 100, 101, 350, 719] {
        let mut producer = Producer::connect(&bus);
        producer.send(&producer::stream(&[producer::batch(&bars[sent..share])]));
        let answer = producer.answer();
        assert_eq!(answer["accepted"], share - sent, "{answer}");
        bus.kill();
        sent = share;
        bus.start();
    }
    let rows = bars.len() as u64;
    let known = sent as u64;
    let counts = Counts { rows, accepted: rows - known, duplicate: known, ..Counts::default() };
    assert_eq!(bus.publish(&csv, &[]), counts);
    bus.close_day();
    oracle::assert_archive(&bus, &Published::XSHG, &[csv]);
}

/// Promises 6 and 8: acknowledged bars are kept, others are sent again, and none is duplicated.
#[test]
fn publish_continues_when_the_daemon_returns() {
    let mut bus = Bus::running("XSHG");
    let bars: Vec<_> =
        ["2024-03-04", "2024-03-05", "2024-03-06"].iter().flat_map(|date| market::xshg_day(&SYMBOLS, date)).collect();
    let csv = bus.write("bars.csv", market::csv(&bars));
    let mut publish = command::barbus();
    // 720 minutes at a speed of 10,000x take seconds; the daemon is killed twice meanwhile.
    publish.arg("publish").arg(bus.path()).arg(&csv).args(["--speed", "10000x", "--format", "json"]);
    let publisher = Running::start(&mut publish, false);
    for floor in [300, 900] {
        wait::until("some bars", || (bus.stat()["bars"].as_u64()? > floor).then_some(()));
        bus.kill();
        bus.start();
    }
    let counts = Counts::of(&publisher.finish().json());
    // A bar that was committed but not acknowledged is sent again and counts as a duplicate.
    assert_eq!(counts.rows, bars.len() as u64, "{counts:?}");
    assert_eq!(counts.accepted + counts.duplicate, counts.rows, "{counts:?}");
    bus.close_day();
    oracle::assert_archive(&bus, &Published::XSHG, &[csv]);
}

/// Promise 7 for any moment of the process's death; no unfinished file remains.
#[test]
fn a_day_closed_before_the_kill_is_archived_after_it() {
    let mut bus = Bus::running("XSHG");
    let monday = bus.write("1.csv", market::csv(&market::xshg_day(&SYMBOLS, "2024-03-04")));
    let tuesday = bus.write("2.csv", market::csv(&market::xshg_day(&SYMBOLS, "2024-03-05")));
    bus.publish(&monday, &[]);
    bus.publish(&tuesday, &[]);
    // The flush of Monday may not have begun, may be half done, or may be complete.
    bus.kill();
    bus.start();
    wait::until("the file of Monday", || bus.archive().join("2024-03-04.parquet").exists().then_some(()));
    bus.close_day();
    oracle::assert_archive(&bus, &Published::XSHG, &[monday, tuesday]);
    let left: Vec<String> = crate::support::bus::names(&bus.archive());
    assert!(left.iter().all(|name| name.ends_with(".parquet") || name.starts_with('.')), "{left:?}");
}

fn one_minute() -> String {
    market::csv(&market::minutes(&SYMBOLS, "2024-03-04T01:31:00Z", 1))
}
