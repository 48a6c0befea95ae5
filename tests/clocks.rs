//! The wall clock is set while the daemon runs: days, ages and liveness do not follow it.
//!
//! Needs libfaketime; without it the tests report that they were skipped.

use std::time::{Duration, Instant};

use crate::support::bus::Bus;
use crate::support::fake_clock::FakeClock;
use crate::support::market;
use crate::support::wait;

const DAY: &str = "2026-11-25";
const DAY_S: i64 = 86_400;

/// A bus of a stock exchange whose daemon runs under a clock that shows `now`.
fn bus_at(now: &str, grace: &str) -> Option<(Bus, FakeClock)> {
    let mut bus = Bus::init("XSHG");
    let clock = FakeClock::showing(now, bus.beside("clock"))?;
    bus.configure("# grace = \"5m\"", &format!("grace = {grace:?}"));
    bus.set_clock(&clock);
    bus.start();
    Some((bus, clock))
}

fn publish(bus: &Bus, name: &str, first: &str, minutes: i64) {
    let bars = market::minutes(&["600000.XSHG"], first, minutes);
    let counts = bus.publish(&bus.write(name, market::csv(&bars)), &[]);
    assert_eq!(counts.accepted, minutes as u64, "{counts:?}");
}

/// Promise 7: a clock that is a day ahead for three seconds must not close the day in mid-session.
#[test]
fn a_clock_that_jumps_ahead_closes_no_day() {
    // 10:00 in Shanghai.
    let Some((bus, clock)) = bus_at("2026-11-25T02:00:00Z", "1s") else { return };
    publish(&bus, "1.csv", "2026-11-25T01:31:00Z", 20);
    clock.step(DAY_S);
    let ahead = Instant::now();
    while ahead.elapsed() < Duration::from_secs(3) {
        assert_eq!(bus.stat()["day"], DAY);
        std::thread::sleep(Duration::from_millis(100));
    }
    clock.step(0);
    wait::until("both steps in the log", || (bus.log().matches("the clock was set").count() >= 2).then_some(()));
    publish(&bus, "2.csv", "2026-11-25T01:51:00Z", 5);
    assert_eq!((bus.stat()["day"].clone(), bus.archived_days().len()), (DAY.into(), 0));
}

/// An age must not be 0 for an hour because the clock was set back an hour.
#[test]
fn a_clock_that_is_set_back_makes_no_bar_young_and_no_writer_dead() {
    let Some((mut bus, clock)) = bus_at("2026-11-25T02:00:00Z", "5m") else { return };
    let begun = Instant::now();
    publish(&bus, "1.csv", "2026-11-25T01:31:00Z", 1);
    clock.step(-3_600);
    let age = |bus: &Bus| bus.barbus_by_clock("stat", ["--format", "json"]).json()["last_age_s"].as_f64();
    wait::until("the bar to age", || age(&bus).filter(|age| *age > 0.5));
    let reader = barbus::Reader::open(bus.path()).expect("a reader");
    assert!(reader.writer_alive());
    let of_reader = reader.newest_age().expect("a bar");
    assert!(Duration::from_millis(500) < of_reader && of_reader <= begun.elapsed(), "{of_reader:?}");
    // Without the daemon, the age comes from the ring.
    bus.kill();
    let of_files = age(&bus).expect("a bar");
    assert!(0.5 < of_files && of_files <= begun.elapsed().as_secs_f64(), "{of_files}");
    wait::until("the writer to be dead", || (!reader.writer_alive()).then_some(()));
}

/// Promise 7: a day whose bars were received while the clock was a day ahead closes after the clock
/// was set right, and not a day later.
#[test]
fn a_day_that_was_received_under_a_wrong_clock_closes() {
    // 15:10 in Shanghai, after the session.
    let Some((bus, clock)) = bus_at("2026-11-25T07:10:00Z", "1s") else { return };
    clock.step(DAY_S);
    wait::until("the step in the log", || bus.log().contains("the clock was set").then_some(()));
    publish(&bus, "1.csv", "2026-11-25T01:31:00Z", 20);
    clock.step(0);
    wait::until("the file of the day", || (bus.archived_days() == [DAY]).then_some(()));
}
