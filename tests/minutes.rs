//! Complete minutes with a real daemon: watermarks of several producers, the command line, and a
//! feed that is down.

use std::time::Duration;

use arrow::array::RecordBatch;
use barbus::{Event, MinuteOptions, Publisher, Reader};
use serde_json::{Value, json};

use crate::support::bus::{Bus, Counts};
use crate::support::command::{self, Running};
use crate::support::fake_clock::FakeClock;
use crate::support::market::{self, bar};
use crate::support::producer::batch;
use crate::support::wait;

const SYMBOLS: [&str; 2] = ["000001.XSHE", "600000.XSHG"];
/// The end of the first minute of 2024-07-04 in Shanghai.
const FIRST: &str = "2024-07-04T01:31:00Z";
const MINUTE: i64 = 60_000;
/// Minutes close by watermarks and complete universes only.
const LONG: Duration = Duration::from_secs(3_600);

fn frame_ms(minute: i64) -> i64 {
    FIRST.parse::<jiff::Timestamp>().unwrap().as_millisecond() + (minute - 1) * MINUTE
}

/// The bar of a symbol and the minute with this number.
fn one(which: usize, minute: i64) -> RecordBatch {
    batch(&[bar(SYMBOLS[which], jiff::Timestamp::from_millisecond(frame_ms(minute)).unwrap())])
}

/// A bus with an archived day, which makes the universe known.
fn bus_with_a_day() -> Bus {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&SYMBOLS, "2024-07-03");
    assert_eq!(bus.publish(&bus.write("bars.csv", market::csv(&bars)), &[]), Counts::all_accepted(bars.len()));
    bus.close_day();
    bus
}

/// `barbus tail --by minute`, once it follows the bus.
fn tail(bus: &Bus, options: &[&str], clock: Option<&FakeClock>) -> Running {
    let mut command = command::barbus();
    command.envs(clock.map(FakeClock::environment).into_iter().flatten());
    let running = Running::start(command.arg("tail").arg(bus.path()).args(["--by", "minute"]).args(options), false);
    wait::until("the reader in the list", || {
        let readers = bus.barbus_by_clock("readers", ["--format", "json"]).json_lines();
        let is_there = |reader: &Value| reader["pid"].as_u64() == Some(running.child.id().into());
        let listed = |line: &Value| is_there(line) || line.as_array().is_some_and(|all| all.iter().any(is_there));
        readers.iter().any(listed).then_some(())
    });
    running
}

/// Promise 13: a minute is done when the slowest of the producers says so.
#[test]
fn the_slowest_producer_ends_a_minute() {
    let bus = bus_with_a_day();
    let mut minutes = Reader::open(bus.path())
        .and_then(|reader| reader.minutes(MinuteOptions { grace: LONG, ..MinuteOptions::default() }))
        .expect("a ring");
    let tail = tail(&bus, &["--grace", "3600", "--format", "json", "--until-close"], None);
    let opened = barbus::Bus::open(bus.path()).expect("a bus");
    let connect = || Publisher::connect(&opened).expect("a daemon");
    let (mut first, mut second) = (connect(), connect());

    // A watermark needs no bar before it, and an old one holds the others back. It lasts although
    // bars with other columns need another connection.
    second.done(frame_ms(0)).expect("sent");
    assert_eq!(second.send(&one(1, 1)).expect("an answer").accepted, 1);
    first.done(frame_ms(1)).expect("sent");
    // The answer shows that the statement before it was taken.
    assert_eq!(first.send(&one(1, 1)).expect("an answer").duplicate, 1);
    assert_eq!(minutes.poll().expect("a ring"), None);
    second.done(frame_ms(1)).expect("sent");
    let patience = wait::PATIENCE;
    assert!(matches!(minutes.next(patience).expect("a ring"), Some(Event::Bars(bars)) if bars.len() == 1));
    let Some(Event::MinuteClosed(minute)) = minutes.next(patience).expect("a ring") else { panic!("it is done") };
    assert_eq!((minute.frame_ms, minute.symbols, &minute.missing[..]), (frame_ms(1), 1, &[SYMBOLS[0].into()][..]));
    assert_eq!(minutes.poll().expect("a ring"), None);
    // A producer that has gone does not hold the others back.
    second.finish().expect("acknowledged");
    wait::until("the daemon to see that it has gone", || (bus.stat()["producers"] == 1).then_some(()));
    assert_eq!(first.send(&one(1, 2)).expect("an answer").accepted, 1);
    first.done(frame_ms(3)).expect("sent");
    let mut closed = Vec::new();
    while closed.last() != Some(&(frame_ms(3), 0, 2)) {
        match minutes.next(patience).expect("a ring") {
            Some(Event::MinuteClosed(minute)) => {
                closed.push((minute.frame_ms, minute.symbols, minute.missing.len()));
            }
            Some(Event::Bars(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(closed, [(frame_ms(2), 1, 1), (frame_ms(3), 0, 2)]);
    // With every symbol a minute needs no statement.
    first.send(&one(0, 4)).expect("an answer");
    first.send(&one(1, 4)).expect("an answer");
    assert!(matches!(minutes.next(patience).expect("a ring"), Some(Event::Bars(bars)) if bars.len() == 2));
    first.finish().expect("acknowledged");

    bus.close_day();
    let run = tail.finish();
    let bars: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let named: Vec<&str> = bars.iter().map(|bar| bar["symbol"].as_str().expect("a symbol")).collect();
    assert_eq!(named, [SYMBOLS[1], SYMBOLS[1], SYMBOLS[0], SYMBOLS[1]], "{run}");
    let events: Vec<Value> = run.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let expected = json!({
        "event": "minute_closed", "frame": "2024-07-04T09:31:00+08:00", "symbols": 1, "missing": [SYMBOLS[0]]
    });
    assert_eq!(events[0], expected);
    assert_eq!((&events[3]["frame"], &events[3]["missing"]), (&json!("2024-07-04T09:34:00+08:00"), &json!([])));
    // The rest of the day has no bar.
    assert_eq!(events.len(), 240 + 1, "{run}");
    assert_eq!(events[240], json!({"event": "day_closed", "date": "2024-07-04"}));
}

/// A minute that has not begun cannot be done, and a value that is no time is refused.
#[test]
fn a_watermark_of_the_future_is_refused() {
    let bus = bus_with_a_day();
    let opened = barbus::Bus::open(bus.path()).expect("a bus");
    let mut publisher = Publisher::connect(&opened).expect("a daemon");
    publisher.send(&one(0, 1)).expect("an answer");
    let tomorrow = jiff::Timestamp::now().as_millisecond() + 24 * 60 * MINUTE;
    publisher.done(tomorrow).expect("sent");
    let error = publisher.send(&one(0, 2)).expect_err("it is refused").to_string();
    assert!(error.contains("cannot be done yet: give the end of a minute whose bars were sent"), "{error}");
}

/// A feed that is down is seen by the clock, in sessions only.
#[test]
fn a_minute_without_any_bar_closes_by_the_clock() {
    let mut bus = Bus::init("XSHG");
    let Some(clock) = FakeClock::showing("2026-11-26T07:10:00Z", bus.beside("clock")) else { return };
    bus.set_clock(&clock);
    bus.start();
    let csv = bus.write("bars.csv", market::csv(&market::xshg_day(&SYMBOLS, "2026-11-26")));
    bus.barbus_by_clock("publish", [csv.to_str().expect("UTF-8"), "--format", "json"]).ok();
    bus.barbus_by_clock("close-day", [] as [&str; 0]).ok();
    // 09:30:30 of Friday in Shanghai.
    let morning = 18 * 3_600 + 20 * 60 + 30;
    clock.step(morning);
    let tail = tail(&bus, &["--grace", "1"], Some(&clock));
    clock.step(morning + 32);
    let line = "2026-11-27 09:31 is closed: 0 symbols, 2 missing: 000001.XSHE, 600000.XSHG";
    wait::until("the minute without a bar", || tail.output_has(line).then_some(()));
    // At 09:31:40 the next minute comes, with bars.
    clock.step(morning + 90);
    let bars = market::minutes(&SYMBOLS, "2026-11-27T01:32:00Z", 1);
    let csv = bus.write("minute.csv", market::csv(&bars));
    bus.barbus_by_clock("publish", [csv.to_str().expect("UTF-8"), "--format", "json"]).ok();
    wait::until("the complete minute", || tail.output_has("2026-11-27 09:32 is complete: 2 symbols").then_some(()));
}
