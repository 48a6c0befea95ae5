//! The holidays are changed while no daemon runs: no bar is lost, none is published twice.

use barbus::{Event, Reader, Start};
use serde_json::json;

use crate::support::bus::{Bus, Counts};
use crate::support::market;

/// Friday 2024-03-08 from 21:01 in Shanghai on: the night session of Monday, or of Tuesday if
/// Monday is a holiday.
const NIGHT: &str = "2024-03-08T13:01:00Z";

/// Replaces the calendar of a stopped bus by one with or without a holiday on Monday.
fn set_monday(bus: &Bus, is_holiday: bool) {
    let path = bus.path().join("bus.toml");
    let text = std::fs::read_to_string(&path).expect("bus.toml can be read");
    let kept = text.lines().filter(|line| !line.starts_with("calendar =") && !line.starts_with("preset = \"CN-"));
    let kept = kept.filter(|line| !line.starts_with("[calendar]") && !line.starts_with("holidays ="));
    let holidays = if is_holiday { "holidays = [2024-03-11]" } else { "holidays = []" };
    let text = kept.collect::<Vec<_>>().join("\n") + "\n[calendar]\npreset = \"CN-FUTURES\"\n" + holidays + "\n";
    std::fs::write(&path, text).expect("bus.toml can be written");
}

/// The days that a reader from the oldest row on sees closed, and the number of bars.
fn closes(bus: &Bus) -> (Vec<String>, u64) {
    let mut reader = Reader::open(bus.path()).and_then(|reader| reader.start_at(Start::Oldest)).expect("a reader");
    let (mut days, mut bars) = (Vec::new(), 0);
    while let Some(event) = reader.poll().expect("events") {
        match event {
            Event::DayClosed(day) => days.push(day.to_string()),
            Event::Bars(more) => bars += more.rows().len() as u64,
            Event::Lapped { missed } => bars += missed,
        }
    }
    (days, bars)
}

/// Publishes a night, changes whether Monday is a holiday, sends it again, and closes the day.
fn change(holiday_before: bool, small_ring: bool, minutes: i64, symbols: &[&str]) {
    let mut bus = Bus::init("CN-FUTURES");
    if small_ring {
        bus.configure_small_ring();
    }
    set_monday(&bus, holiday_before);
    bus.start();
    let csv = bus.write("night.csv", market::csv(&market::minutes(symbols, NIGHT, minutes)));
    let rows = minutes as u64 * symbols.len() as u64;
    assert_eq!(bus.publish(&csv, &[]), Counts::all_accepted(rows as usize));
    let (before, after) = if holiday_before { ("2024-03-12", "2024-03-11") } else { ("2024-03-11", "2024-03-12") };
    assert_eq!(bus.stat()["day"], before);
    bus.stop();
    set_monday(&bus, !holiday_before);
    bus.start();
    let again = Counts { rows, duplicate: rows, ..Counts::default() };
    assert_eq!(bus.publish(&csv, &[]), again, "no bar is published twice");
    // And after another start.
    bus.kill();
    bus.start();
    assert_eq!(bus.publish(&csv, &[]), again);
    assert!(!closes(&bus).0.contains(&before.to_owned()), "no close of a day that has no file");
    bus.close_day();
    assert_eq!(bus.archived_days(), [after]);
    assert_eq!(closes(&bus).0, [after]);
    let replayed = bus.barbus("verify", ["--format", "json"]).json();
    assert_eq!((&replayed["good"], &replayed["archive"][0]["rows"]), (&json!(true), &json!(rows)), "{replayed}");
    assert_eq!(closes(&bus).1, rows);
    assert_eq!(bus.publish(&csv, &[]), again);
}

/// Promises 7 and 8: bars in the ring.
#[test]
fn a_holiday_declared_after_its_night_session_doubles_no_bar() {
    change(false, false, 60, &["AU2406", "RB2405"]);
}

/// Promises 7 and 8: most bars were spilled to parts, and have left the ring.
#[test]
fn a_holiday_declared_after_its_night_session_was_spilled_doubles_no_bar() {
    change(false, true, 300, &["AU2406", "RB2405", "CU2405", "AG2406", "I2405", "J2405", "M2405", "P2405"]);
}

/// Promises 7 and 8: the other way round.
#[test]
fn a_holiday_that_is_no_longer_one_doubles_no_bar() {
    change(true, false, 60, &["AU2406", "RB2405"]);
    change(true, true, 300, &["AU2406", "RB2405", "CU2405", "AG2406", "I2405", "J2405", "M2405", "P2405"]);
}

/// Promise 8: the night was archived in the file of Monday before the holiday was declared.
#[test]
fn bars_in_the_file_of_a_later_holiday_stay_known() {
    let mut bus = Bus::init("CN-FUTURES");
    set_monday(&bus, false);
    bus.start();
    let csv = bus.write("night.csv", market::csv(&market::minutes(&["AU2406"], NIGHT, 60)));
    assert_eq!(bus.publish(&csv, &[]), Counts::all_accepted(60));
    bus.close_day();
    bus.stop();
    set_monday(&bus, true);
    bus.start();
    assert_eq!(bus.publish(&csv, &[]), Counts { rows: 60, duplicate: 60, ..Counts::default() });
    assert_eq!(bus.archived_days(), ["2024-03-11"]);
}
