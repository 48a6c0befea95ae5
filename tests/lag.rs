//! Readers are listed with lag and pins, dead ones disappear, and the daemon warns early.

use std::fs;
use std::io::{BufRead, Write};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::Duration;

use barbus::{Event, Reader, Start};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::bus::{Bus, names};
use crate::support::command::{self, Running};
use crate::support::market;
use crate::support::wait;

const SYMBOLS: [&str; 3] = ["600000.XSHG", "000001.XSHE", "688001.XSHG"];

/// Environment variables of the child process: its bus, its role and its name.
const CHILD_BUS: &str = "BARBUS_TEST_LAG";
const CHILD_ROLE: &str = "BARBUS_TEST_LAG_ROLE";
const CHILD_NAME: &str = "BARBUS_TEST_LAG_NAME";

/// A reader in its own process with the role `follow`, `stay SEQ`, `hide` or `hold`.
fn reader(bus: &Bus, name: &str, role: &str) -> Running {
    let mut child = Command::new(std::env::current_exe().expect("a test program"));
    child.args(["--exact", "lag::child", "--nocapture", "--test-threads", "1"]);
    child.env(CHILD_BUS, bus.path()).env(CHILD_ROLE, role).env(CHILD_NAME, name);
    let child = Running::start(&mut child, true);
    wait::until("the reader at work", || child.output_has("at work").then_some(()));
    child
}

/// The child process; it does nothing if the environment variables are not set.
#[test]
fn child() {
    let Some(bus) = std::env::var_os(CHILD_BUS) else { return };
    set_pdeathsig(Signal::SIGKILL).expect("a process may wish to die");
    let role = std::env::var(CHILD_ROLE).expect("a role");
    let reader = Reader::open(bus).expect("a bus").name(&std::env::var(CHILD_NAME).expect("a name"));
    let report = |word: &str| {
        println!("{word}");
        std::io::stdout().flush().expect("a pipe");
    };
    let mut lines = std::io::stdin().lock().lines();
    let mut wait_for_line = || lines.next().map(|line| line.expect("a pipe"));
    match role.split_once(' ').unwrap_or((&role, "")) {
        ("follow", _) => {
            let mut reader = reader.start_at(Start::Oldest).expect("a start");
            while reader.next(Duration::ZERO).expect("a ring").is_some() {}
            report("at work");
            wait_for_line();
        }
        ("stay", seq) => {
            let mut reader = reader.start_at(Start::Seq(seq.parse().expect("a number"))).expect("a start");
            assert!(reader.wait(Duration::ZERO).expect("a ring"));
            report("at work");
            wait_for_line();
        }
        ("hide", _) => {
            let mut reader = reader.anonymous().start_at(Start::Oldest).expect("a start");
            assert!(matches!(reader.poll().expect("a ring"), Some(Event::Bars(_))));
            report("at work");
            wait_for_line();
        }
        ("hold", _) => {
            let mut reader = reader.start_at(Start::Oldest).expect("a start");
            let views: Vec<_> = std::iter::from_fn(|| reader.pin().expect("a ring")).collect();
            report("at work");
            wait_for_line();
            let column = views[0].batch().expect("bars").column(2).slice(0, 1);
            drop((views, reader));
            report("one column left");
            wait_for_line();
            drop(column);
            report("nothing left");
            wait_for_line();
        }
        other => panic!("{other:?}?"),
    }
}

/// `barbus readers --format json`.
#[track_caller]
fn readers(bus: &Bus) -> Vec<Value> {
    bus.barbus("readers", ["--format", "json"]).json_lines()
}

fn named(bus: &Bus, name: &str) -> Option<Value> {
    readers(bus).into_iter().find(|reader| reader["name"] == name)
}

#[test]
fn readers_are_listed_and_the_dead_disappear() {
    let bus = Bus::running("24x7");
    bus.publish(&bus.write("1.csv", market::csv(&market::minutes(&SYMBOLS, "2024-03-04T00:01:00Z", 100))), &[]);
    assert_eq!(readers(&bus), [] as [Value; 0]);
    assert_eq!((&bus.stat()["readers"], &bus.stat()["readers_lag_bars"]), (&0.into(), &Value::Null));

    let quick = reader(&bus, "quick", "follow");
    let slow = reader(&bus, "slow", "stay 120");
    let slowest = reader(&bus, "\u{1b}[31mred", "stay 20");
    let hidden = reader(&bus, "hidden", "hide");
    // A process that only asks is not listed.
    bus.barbus("latest", [SYMBOLS[0]]).ok();

    let listed = readers(&bus);
    let of = |name: &str| listed.iter().map(|reader| reader[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("name"), ["\\u{1b}[31mred", "slow", "quick"]);
    assert_eq!(of("pid"), [slowest.child.id(), slow.child.id(), quick.child.id()]);
    assert_eq!(
        (of("position"), of("lag_bars")),
        (vec![20.into(), 120.into(), 300.into()], vec![280.into(), 180.into(), 0.into()])
    );
    assert_eq!((of("state"), of("pins")), (vec![Value::from("live"); 3], vec![Value::from(0); 3]));
    assert!(listed[0]["lag_s"].as_f64().expect("a number") > 0.0 && listed[2]["lag_s"] == 0.0, "{listed:?}");
    for reader in &listed {
        assert!(reader["started"].as_str().is_some_and(|at| at.ends_with('Z')), "{reader}");
        assert!(reader["ring_used"].as_f64().is_some_and(|used| used < 0.01), "{reader}");
    }
    let stat = bus.stat();
    assert_eq!((&stat["readers"], &stat["readers_lag_bars"]), (&3.into(), &280.into()));
    let text = bus.barbus("stat", [] as [&str; 0]).ok();
    assert!(text.contains("3, up to 280 bars behind"), "{text}");

    let table = bus.barbus("readers", [] as [&str; 0]).ok();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    for (line, words) in lines.iter().zip([
        &["name", "pid", "user", "position", "bars behind", "time behind", "pins", "state"][..],
        &["────"],
        &["\\u{1b}[31mred", " 20 ", " 280 ", " live"],
        &["slow", " 120 ", " 180 ", " live"],
        &["quick", " 300 ", " 0 ", " 0 ms ", " live"],
    ]) {
        words.iter().for_each(|word| assert!(line.contains(word), "{word:?} in {line:?} of\n{table}"));
        assert!(line.chars().count() <= 120 && !line.contains('\u{1b}'), "{line}");
    }
    let csv = bus.barbus("readers", ["--format", "csv"]).ok();
    assert!(
        csv.starts_with("name,pid,user,position,lag_bars,lag_s,ring_used,pins,pins_since,state,started,id\n"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 4);

    // One is killed and one ends; both disappear together with their files.
    slow.signal(Signal::SIGKILL);
    drop(slow);
    drop(quick);
    wait::until("dead readers to disappear", || (readers(&bus).len() == 1).then_some(()));
    let files = names(&bus.path().join("readers"));
    assert_eq!(files, [listed[0]["id"].as_str().expect("a name")]);

    // Without a daemon the list is the same.
    let mut bus = bus;
    bus.stop();
    let stat = bus.stat();
    assert_eq!((&stat["readers"], &stat["writer_alive"], &stat["pid"]), (&1.into(), &false.into(), &Value::Null));
    assert!(stat["last_age_s"].as_f64().is_some_and(|age| age > 0.0), "{stat}");
    drop((slowest, hidden));
}

/// Promise 2: files in the readers' directory cannot disturb the bus.
#[test]
fn hostile_position_files_do_no_harm() {
    let bus = Bus::running("24x7");
    bus.publish(&bus.write("1.csv", market::csv(&market::minutes(&SYMBOLS, "2024-03-04T00:01:00Z", 2))), &[]);
    let folder = bus.path().join("readers");
    let page = |name: &[u8], position: u64| {
        let mut page = vec![0xff; 4096];
        page[..8].copy_from_slice(b"BARBUSRD");
        page[8..12].copy_from_slice(&1u32.to_le_bytes());
        page[40..44].copy_from_slice(&0u32.to_le_bytes());
        page[64..128].fill(0);
        page[64..64 + name.len()].copy_from_slice(name);
        page[128..136].copy_from_slice(&position.to_le_bytes());
        page
    };
    // Locked, so that they do not count as files of dead readers.
    let held: Vec<fs::File> = [
        ("1-00000001", page(b"\x1b]0;title\x07\n\xff", u64::MAX)),
        ("2-00000002", page(b"a,\"b\"", 0)),
        ("3-00000003", vec![0; 4096]),
        ("4-00000004", vec![0xff; 4096]),
        ("5-00000005", page(b"short", 0)[..200].to_vec()),
        ("6-00000006", Vec::new()),
    ]
    .into_iter()
    .map(|(name, bytes)| {
        let file = fs::File::create(folder.join(name)).expect("ours");
        file.try_lock().expect("a new file is not locked");
        file.write_all_at(&bytes, 0).expect("ours");
        file
    })
    .collect();
    let long = fs::File::create(folder.join("7-00000007")).expect("ours");
    long.try_lock().expect("a new file is not locked");
    long.set_len(1 << 40).expect("a hole");
    fs::create_dir(folder.join("8-00000008")).expect("ours");
    std::os::unix::fs::symlink("/dev/zero", folder.join("9-00000009")).expect("ours");
    assert!(Command::new("mkfifo").arg(folder.join("10-0000000a")).status().expect("mkfifo").success());
    for name in ["notes.txt", "12-short", "x-00000000", "\n"] {
        fs::write(folder.join(name), "mine").expect("ours");
    }
    fs::write(folder.join("11-0000000b"), page(b"dead", 0)).expect("ours");

    let before = names(&folder).len();
    let listed = readers(&bus);
    let shown: Vec<&str> = listed.iter().map(|reader| reader["name"].as_str().expect("text")).collect();
    assert_eq!(shown, ["\\u{1b}]0;title\\u{7}\\n\u{fffd}", "a,\"b\""]);
    for reader in &listed {
        assert_eq!((&reader["state"], &reader["lag_bars"]), (&"other-lineage".into(), &Value::Null), "{reader}");
        assert_eq!(reader["pins"], u32::MAX, "{reader}");
    }
    let table = bus.barbus("readers", [] as [&str; 0]).ok();
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(!table.contains(['\u{1b}', '\u{7}']), "{table:?}");
    assert_eq!(names(&folder).len(), before - 1, "only the dead reader's file was removed");
    assert_eq!(bus.stat()["readers"], 2);
    // The bus continues.
    bus.publish(&bus.write("2.csv", market::csv(&market::minutes(&SYMBOLS, "2024-03-04T00:03:00Z", 2))), &[]);
    assert!(reader(&bus, "mine", "follow").lines_so_far() > 0);
    drop((held, long));
}

/// Promise 2: the writer never waits for a reader.
/// Promise 4: the daemon warns about a slow reader while that can still catch up.
#[test]
fn the_daemon_warns_before_a_stopped_reader_is_overtaken() {
    let mut bus = Bus::init("24x7");
    bus.configure_small_ring();
    bus.start();
    let capacity = bus.stat()["blocks"].as_u64().expect("a count") as usize * 64;
    let bars = market::minutes(&SYMBOLS, "2024-03-04T00:01:00Z", (3 * capacity / SYMBOLS.len()) as i64);
    let mut rest = bars.chunks(capacity / 8);
    let mut step = 0;
    let mut publish = |bus: &Bus| {
        step += 1;
        bus.publish(&bus.write(&format!("{step}.csv"), market::csv(rest.next().expect("enough bars"))), &[]);
    };
    let mut tail = command::barbus();
    tail.arg("tail").arg(bus.path()).args(["--from", "oldest", "--format", "csv"]);
    let tail = Running::start(&mut tail, false);
    publish(&bus);
    wait::until("the reader at the tip", || {
        named(&bus, "barbus tail").filter(|reader| reader["lag_bars"] == 0 && reader["position"] != 0)
    });
    tail.signal(Signal::SIGSTOP);

    let mut lag = 0;
    loop {
        publish(&bus);
        let reader = named(&bus, "barbus tail").expect("it lives");
        assert_eq!(reader["state"], "live", "{reader}");
        let now = reader["lag_bars"].as_u64().expect("a count");
        assert!(now > lag, "{reader}");
        lag = now;
        if reader["ring_used"].as_f64().expect("a share") >= 0.75 {
            break;
        }
        assert!(!bus.log().contains("falls behind"), "{}", bus.log());
    }
    wait::until("the warning", || bus.log().contains("reader falls behind").then_some(()));
    assert!(!bus.log().contains("overtaken"), "{}", bus.log());
    let line = bus.log().lines().find(|line| line.contains("falls behind")).expect("just seen").to_owned();
    assert!(line.contains("barbus tail") && line.contains(&tail.child.id().to_string()), "{line}");

    while named(&bus, "barbus tail").expect("it lives")["state"] != "lapped" {
        publish(&bus);
    }
    wait::until("the second warning", || bus.log().contains("reader was overtaken").then_some(()));
    let table = bus.barbus("readers", [] as [&str; 0]).ok();
    assert!(table.contains(" lapped"), "{table}");

    tail.signal(Signal::SIGCONT);
    wait::until("the all-clear", || bus.log().contains("reader keeps up again").then_some(()));
    assert_eq!(bus.log().matches("falls behind").count(), 1, "told once\n{}", bus.log());
    assert_eq!(bus.log().matches("was overtaken").count(), 1, "told once\n{}", bus.log());
    // It keeps up again before it has read everything.
    wait::until("the reader at the tip", || (bus.stat()["readers_lag_bars"] == 0).then_some(()));
}

/// A process that pins blocks is listed as long as it pins them, and the daemon warns about it.
#[test]
fn pins_are_listed_and_long_ones_raise_a_warning() {
    let mut bus = Bus::init("24x7");
    bus.configure_ring("1MB", 64);
    bus.configure("# symbols = 8192", "symbols = 256");
    bus.configure("# warn_pins = \"5m\"", "warn_pins = \"50ms\"");
    bus.start();
    bus.publish(&bus.write("1.csv", market::csv(&market::minutes(&SYMBOLS, "2024-03-04T00:01:00Z", 60))), &[]);
    let mut holder = reader(&bus, "holder", "hold");
    let listed = named(&bus, "holder").expect("it lives");
    assert_eq!((&listed["pins"], &listed["position"]), (&3.into(), &180.into()));
    let since: jiff::Timestamp = listed["pins_since"].as_str().expect("a time").parse().expect("RFC 3339");
    assert!(since <= jiff::Timestamp::now(), "{since}");
    wait::until("the warning", || bus.log().contains("reader holds blocks").then_some(()));
    let table = bus.barbus("readers", [] as [&str; 0]).ok();
    assert!(table.contains(" 3 for "), "{table}");

    let mut input = holder.child.stdin.take().expect("stdin is piped");
    writeln!(input).expect("a pipe");
    wait::until("the reader's end", || holder.output_has("one column left").then_some(()));
    let listed = named(&bus, "holder").expect("a column of it lives");
    assert_eq!((&listed["pins"], &listed["state"], &listed["lag_bars"]), (&1.into(), &"closed".into(), &Value::Null));
    writeln!(input).expect("a pipe");
    wait::until("the column's end", || holder.output_has("nothing left").then_some(()));
    assert_eq!(named(&bus, "holder"), None);
    wait::until("the all-clear", || bus.log().contains("reader with a warning has ended").then_some(()));
    assert_eq!(bus.log().matches("holds blocks").count(), 1, "told once\n{}", bus.log());
}

/// A strategy sees that the writer has died or stopped, and how old the newest bar is.
#[test]
fn a_dead_writer_is_detected() {
    let mut bus = Bus::running("24x7");
    let reader = Reader::open(bus.path()).expect("a bus");
    assert_eq!((reader.writer_alive(), reader.newest_age()), (true, None));
    bus.publish(&bus.write("1.csv", market::csv(&market::minutes(&SYMBOLS, "2024-03-04T00:01:00Z", 1))), &[]);
    let age = reader.newest_age().expect("a bar was published");
    wait::until("the newest bar to age", || reader.newest_age().filter(|now| *now > age));

    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        assert!(wait::until("the writer", || reader.writer_alive().then_some(true)));
        bus.end_with(signal);
        wait::until("the writer's death to be seen", || (!reader.writer_alive()).then_some(()));
        assert_eq!(bus.stat()["writer_alive"], false);
        bus.start();
    }
    // A stopped writer stores no heartbeat either.
    wait::until("the writer", || reader.writer_alive().then_some(()));
    bus.signal(Signal::SIGSTOP);
    wait::until("the missing heartbeat to be seen", || (!reader.writer_alive()).then_some(()));
    bus.signal(Signal::SIGCONT);
    wait::until("the writer again", || reader.writer_alive().then_some(()));
}
