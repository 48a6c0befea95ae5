//! The holidays are changed between two starts of the daemon, and while it runs.
//! No bar is lost, none is published twice.
//! Bars on a holiday are doubtful, so they are published with `--trust`.

use std::ffi::OsStr;

use barbus::{Event, Reader, Start};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::bus::{Bus, Counts};
use crate::support::command::{self, Finished};
use crate::support::market;
use crate::support::wait;

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
            Event::Withdrawn(bars) => panic!("{bars:?} withdrawn"),
            Event::MinuteClosed(minute) => panic!("{minute:?} without minutes"),
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
    assert_eq!(bus.publish(&csv, &["--trust"]), Counts::all_accepted(rows as usize));
    let (before, after) = if holiday_before { ("2024-03-12", "2024-03-11") } else { ("2024-03-11", "2024-03-12") };
    assert_eq!(bus.stat()["day"], before);
    bus.stop();
    set_monday(&bus, !holiday_before);
    bus.start();
    let again = Counts { rows, duplicate: rows, ..Counts::default() };
    assert_eq!(bus.publish(&csv, &["--trust"]), again, "no bar is published twice");
    // And after another start.
    bus.kill();
    bus.start();
    assert_eq!(bus.publish(&csv, &["--trust"]), again);
    assert!(!closes(&bus).0.contains(&before.to_owned()), "no close of a day that has no file");
    bus.close_day();
    assert_eq!(bus.archived_days(), [after]);
    assert_eq!(closes(&bus).0, [after]);
    let replayed = bus.barbus("verify", ["--format", "json"]).json();
    assert_eq!((&replayed["good"], &replayed["archive"][0]["rows"]), (&json!(true), &json!(rows)), "{replayed}");
    assert_eq!(closes(&bus).1, rows);
    assert_eq!(bus.publish(&csv, &["--trust"]), again);
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
    assert_eq!(bus.publish(&csv, &["--trust"]), Counts::all_accepted(60));
    bus.close_day();
    bus.stop();
    set_monday(&bus, true);
    bus.start();
    assert_eq!(bus.publish(&csv, &["--trust"]), Counts { rows: 60, duplicate: 60, ..Counts::default() });
    assert_eq!(bus.archived_days(), ["2024-03-11"]);
    // Tuesday's own bars get a file of their own, and nothing is missing.
    let tuesday = bus.write("tuesday.csv", market::csv(&market::minutes(&["AU2406"], "2024-03-12T01:01:00Z", 30)));
    assert_eq!(bus.publish(&tuesday, &["--trust"]), Counts::all_accepted(30));
    bus.close_day();
    assert_eq!(bus.archived_days(), ["2024-03-11", "2024-03-12"]);
    assert_eq!(bus.barbus("verify", ["--format", "json"]).json()["good"], json!(true));
}

/// Writes a table into `calendar.d` of the bus.
fn write_table(bus: &Bus, text: &str) {
    let folder = bus.path().join("calendar.d");
    std::fs::create_dir_all(&folder).expect("ours");
    let table = format!("name = \"CN-FUTURES\"\npreset = \"CN-FUTURES\"\n{text}\n");
    std::fs::write(folder.join("1.toml"), table).expect("ours");
}

/// `barbus calendar --bus BUS`.
fn calendar(bus: &Bus) -> Finished {
    let path = bus.path();
    command::run([OsStr::new("calendar"), OsStr::new("--bus"), path.as_os_str()])
}

/// Makes the daemon read its calendar, and waits until the log says so once more.
fn hang_up(bus: &Bus, words: &str) {
    let count = |log: &str| log.matches(words).count();
    let before = count(&bus.log());
    bus.signal(Signal::SIGHUP);
    wait::until(words, || (count(&bus.log()) > before).then_some(()));
}

/// Promises 7 and 8: a holiday that is declared while the daemon runs moves the bars that follow,
/// and no other.
#[test]
fn a_running_daemon_reads_a_changed_table() {
    let bus = Bus::running("CN-FUTURES");
    let night = bus.write("night.csv", market::csv(&market::minutes(&["AU2406"], NIGHT, 60)));
    assert_eq!(bus.publish(&night, &["--trust"]), Counts::all_accepted(60));
    hang_up(&bus, "nothing changes");
    write_table(&bus, "holidays = [2024-03-12]");
    hang_up(&bus, "2024-03-12 is no trading day");
    // Monday's day session, and its night, which belongs to Wednesday.
    let monday = bus.write("monday.csv", market::csv(&market::minutes(&["AU2406"], "2024-03-11T01:01:00Z", 60)));
    let evening = bus.write("evening.csv", market::csv(&market::minutes(&["AU2406"], "2024-03-11T13:01:00Z", 60)));
    assert_eq!(bus.publish(&monday, &["--trust"]), Counts::all_accepted(60));
    assert_eq!(bus.stat()["day"], "2024-03-11");
    assert_eq!(bus.publish(&evening, &["--trust"]), Counts::all_accepted(60));
    assert_eq!(bus.stat()["day"], "2024-03-13");

    // The night's bars have their day by now: neither it nor Monday can become a holiday.
    write_table(&bus, "holidays = [2024-03-11, 2024-03-12]");
    hang_up(&bus, "it would move bars that are filed already, those of 2024-03-11 to 2024-03-13");
    write_table(&bus, "");
    hang_up(&bus, "it would move bars that are filed already, those of 2024-03-13 to 2024-03-12");
    // Other commands read the files: they say that the daemon does not go by them.
    let refused = || Some(bus.stat()["calendar_refused"].as_str()?.to_owned());
    let why = wait::until("the refusal in stat", refused);
    assert!(why.contains("those of 2024-03-13 to 2024-03-12"), "{why}");
    assert!(bus.barbus("stat", [] as [&str; 0]).ok().contains("!! the daemon goes on with the one before"));
    let note = "this is the calendar of the files; the daemon goes on with the one before: ";
    for run in [bus.barbus("gaps", [] as [&str; 0]), calendar(&bus)] {
        assert!(run.stderr.contains(note) && run.status.success(), "{run}");
    }
    write_table(&bus, "half_days = { 2024-03-12 = \"11:30\" }\nholidays = [2024-03-12]");
    hang_up(&bus, "1.toml: line 3: half_days: 2024-03-12 is no trading day");
    // And the daemon goes on as before.
    write_table(&bus, "holidays = [2024-03-12]");
    hang_up(&bus, "nothing changes");
    wait::until("the end of the refusal", || bus.stat()["calendar_refused"].is_null().then_some(()));
    bus.close_day();
    assert_eq!(bus.archived_days(), ["2024-03-11", "2024-03-13"]);
    for csv in [&night, &monday, &evening] {
        assert_eq!(bus.publish(csv, &["--trust"]), Counts { rows: 60, duplicate: 60, ..Counts::default() });
    }
    // The same from the archive: the bars have left the ring.
    write_table(&bus, "holidays = [2024-03-11, 2024-03-12]");
    hang_up(&bus, "those of 2024-03-11 to 2024-03-13");
    write_table(&bus, "holidays = [2024-03-12]");
    assert!(bus.barbus("verify", ["--format", "json"]).json()["good"] == json!(true));
}

/// Promise 8: a Good Friday was archived in Monday's file before it became a trading day.
#[test]
fn bars_in_the_file_after_a_holiday_stay_known() {
    let mut bus = Bus::init("CME");
    let table = |text: &str| {
        let folder = bus.path().join("calendar.d");
        std::fs::create_dir_all(&folder).expect("ours");
        std::fs::write(folder.join("1.toml"), format!("name = \"CME\"\npreset = \"CME\"\n{text}\n")).expect("ours");
    };
    table("holidays = [2023-04-07]");
    bus.start();
    let friday = market::minutes(&["ESM3"], "2023-04-07T12:01:00Z", 60);
    let csv = bus.write("friday.csv", market::csv(&friday));
    assert_eq!(bus.publish(&csv, &["--trust"]), Counts::all_accepted(60));
    bus.close_day();
    assert_eq!(bus.archived_days(), ["2023-04-10"]);
    bus.stop();
    let folder = bus.path().join("calendar.d");
    std::fs::remove_dir_all(folder).expect("ours");
    // Without its ring, the bus knows the bars by the archive only.
    std::fs::remove_file(bus.ring()).expect("the ring's file");
    bus.start();
    assert!(bus.log().contains("the file of 2023-04-10 has bars of 2023-04-07: they stay there"), "{}", bus.log());
    let again = Counts { rows: 60, duplicate: 60, ..Counts::default() };
    assert_eq!(bus.publish(&csv, &["--trust"]), again, "no bar is doubled");
    bus.close_day();
    assert_eq!(bus.archived_days(), ["2023-04-10"]);
}

/// The night before New Year's Day 2027 belongs to a day after the end of the table.
#[test]
fn a_day_after_the_end_of_the_table_is_warned_of() {
    let mut bus = Bus::init("CN-FUTURES");
    bus.configure("# max_ahead = \"10m\"", "max_ahead = \"876000h\"");
    bus.start();
    let eve = market::minutes(&["AU2702"], "2026-12-31T13:01:00Z", 1);
    bus.publish(&bus.write("eve.csv", market::csv(&eve)), &["--trust"]);
    let stat = bus.stat();
    assert_eq!((&stat["day"], &stat["calendar_horizon"]), (&json!("2027-01-04"), &json!("2026-12-31")));
    let expected = "knows holidays up to 2026-12-31 only: 2027-01-04 and later weekdays count as trading days";
    assert!(bus.log().contains(expected), "{}", bus.log());
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::get("Asia/Shanghai").expect("a zone")).date();
    let left = (jiff::civil::date(2026, 12, 31) - today).get_days();
    assert!((stat["calendar_days_left"].as_i64().expect("a number") - i64::from(left)).abs() <= 1, "{stat}");
}
