//! Calendars: compared with two public libraries, printed, and changed by files.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::bus::Bus;
use crate::support::command;
use crate::support::venv::environment;

/// `barbus calendar ARGUMENTS…`.
fn calendar(arguments: &str) -> command::Finished {
    let mut barbus = command::barbus();
    command::finish(barbus.arg("calendar").args(arguments.split_whitespace()), None)
}

/// The JSON lines of an output.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Promise 7: days, early closes and hours from 2000 to the end of each table, against
/// exchange_calendars and pandas_market_calendars. `calendar_differences.toml` has the reasons for
/// what differs.
#[test]
fn the_tables_agree_with_two_libraries() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python");
    let python = environment(&folder.join("requirements-calendars.txt")).join("bin/python");
    let mut compare = Command::new(python);
    compare.arg(folder.join("calendars.py")).arg(env!("CARGO_BIN_EXE_barbus"));
    compare.arg(folder.join("calendar_differences.toml"));
    compare.env("PYTHONDONTWRITEBYTECODE", "1").env("BARBUS_CALENDARS", "/nonexistent");
    // It takes a minute: the libraries are slow.
    let output = compare.output().expect("python runs");
    let compared = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{compared}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(compared.lines().count(), 20, "every calendar was compared:\n{compared}");
}

#[test]
fn days_are_printed_with_sessions_and_minutes() {
    let json = calendar("XNYS --from 2026-11-26 --to 2026-11-29 --format json").ok();
    let sessions = json!([
        {"name": "regular", "start": "2026-11-27T09:30:00-05:00", "end": "2026-11-27T13:00:00-05:00"}
    ]);
    let expected = json!({"day": "2026-11-27", "sessions": sessions, "minutes": 210, "early_close": true});
    assert_eq!(lines(&json), [expected]);
    let all = calendar("XNYS --from 2026-11-27 --to 2026-11-27 --extended --format json").ok();
    assert_eq!(lines(&all)[0]["minutes"], 210 + 330 + 240);
    let csv = calendar("CN-FUTURES --symbol au2412 --from 2024-07-08 --to 2024-07-08 --format csv").ok();
    let expected = "day,session,start,end,minutes,early_close\n\
                    2024-07-08,night,2024-07-05T21:00:00+08:00,2024-07-06T02:30:00+08:00,330,false\n\
                    2024-07-08,morning,2024-07-08T09:00:00+08:00,2024-07-08T10:15:00+08:00,75,false\n\
                    2024-07-08,late-morning,2024-07-08T10:30:00+08:00,2024-07-08T11:30:00+08:00,60,false\n\
                    2024-07-08,afternoon,2024-07-08T13:30:00+08:00,2024-07-08T15:00:00+08:00,90,false\n";
    assert_eq!(csv, expected);
    let table = calendar("CME --group grains --from 2024-11-29 --to 2024-12-02").ok();
    assert!(table.contains("2024-11-29 Fri  day 08:30-12:05"), "{table}");
    assert!(table.contains("early close") && table.contains("overnight Sun 19:00-07:45"), "{table}");
    let list = calendar("").ok();
    assert!(list.contains("CME-TRADE-DATE") && list.contains("night-2300"), "{list}");
}

#[test]
fn the_calendar_of_a_bus_has_the_files_beside_it() {
    let bus = Bus::init("XSHG");
    let folder = bus.path().join("calendar.d");
    std::fs::create_dir(&folder).expect("ours");
    let table = "name = \"XSHG\"\npreset = \"XSHG\"\nholidays = [2026-11-09]\n";
    std::fs::write(folder.join("1.toml"), table).expect("ours");
    let path = bus.path();
    let days = |from: &str| calendar(&format!("--bus {} --from {from} --to 2026-11-10 --format json", path.display()));
    assert_eq!(lines(&days("2026-11-09").ok())[0]["day"], "2026-11-10");
    // A fault stops every command, with the file and the line.
    let wrong = "name = \"XSHG\"\npreset = \"XSHG\"\nhalf_days = { 2026-11-09 = \"11:30\" }\n";
    std::fs::write(folder.join("2.toml"), wrong).expect("ours");
    let expected = format!("{}/calendar.d/2.toml: line 3: half_days: 2026-11-09 is no trading day", path.display());
    days("2026-11-09").fails(1, &[&expected]);
}

#[test]
fn wrong_questions_get_the_known_answers() {
    calendar("XSGH").fails(1, &["unknown calendar \"XSGH\"", "did you mean \"XSHG\"?"]);
    let groups = "its groups are: equity, rates, fx, metals-energy, grains, livestock";
    calendar("CME --group oil").fails(1, &["it has no group \"oil\"", groups]);
    calendar("CME --from 2026-02-01 --to 2026-01-01").fails(1, &["exchange them"]);
}

/// The tables of the system, and a bus that names one of them.
#[test]
fn the_system_has_tables_for_every_bus() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let table = "name = \"GOLD\"\npreset = \"CN-FUTURES\"\nabout = \"gold in Shanghai\"\nholidays = [2026-11-10]\n";
    std::fs::write(folder.path().join("gold.toml"), table).expect("ours");
    let run = |arguments: &[&str]| {
        let mut barbus = command::barbus();
        barbus.env("BARBUS_CALENDARS", folder.path());
        command::finish(barbus.args(arguments), None)
    };
    assert!(run(&["calendar"]).ok().contains("gold in Shanghai"));
    let bus = folder.path().join("bus");
    let bus = bus.to_str().expect("UTF-8");
    run(&["init", bus, "--calendar", "gold"]).ok();
    let days = run(&["calendar", "--bus", bus, "--from", "2026-11-09", "--to", "2026-11-11", "--format", "json"]);
    let days: Vec<Value> = lines(&days.ok()).into_iter().map(|line| line["day"].clone()).collect();
    assert_eq!(days, ["2026-11-09", "2026-11-11"]);
    // Without the table the bus is refused, and the message has its line.
    command::run(["calendar", "--bus", bus]).fails(1, &["bus.toml: line ", "unknown calendar \"gold\""]);
}
