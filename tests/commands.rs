//! The command line for people and programs: the output and exit code of each verb.

use serde_json::{Value, json};

use crate::support::bus::Bus;
use crate::support::command::{self, Running};
use crate::support::market::{self, Bar};
use crate::support::wait;

const SYMBOLS: [&str; 2] = ["600000.XSHG", "000001.XSHE"];

#[test]
fn wrong_usage_exits_with_2_and_help_with_0() {
    for arguments in [&[][..], &["nonsense"], &["publish"], &["latest"], &["tail", "/tmp", "--format", "xml"]] {
        let run = command::run(arguments);
        assert_eq!(run.status.code(), Some(2), "{run}");
        assert!(run.stdout.is_empty(), "{run}");
    }
    let help = command::run(["--help"]).ok();
    let verbs =
        ["init", "daemon", "publish", "replay", "tail", "latest", "window", "stat", "close-day", "verify", "demo"];
    for verb in verbs {
        assert!(help.contains(verb), "{help}");
        command::run([verb, "--help"]).ok();
    }
    let version = command::run(["--version"]).ok();
    let mut lines = version.lines();
    let first = format!("barbus {}", env!("CARGO_PKG_VERSION"));
    assert!(lines.next().is_some_and(|line| line.starts_with(&first)), "{version}");
    // An operator learns whether two versions read each other's files.
    assert_eq!(lines.collect::<Vec<_>>(), ["ring format 1", "archive format 1"]);
}

#[test]
fn a_program_that_is_not_installed_is_named_with_its_folder() {
    let programs = [("archive", "barbus-relay", "bin/barbus-relay"), ("sql", "barbus-sql", "crates/barbus-sql")];
    for (verb, program, folder) in programs {
        let mut barbus = command::barbus();
        let run = command::finish(barbus.args([verb, "list", "x"]).env("PATH", "/nonexistent"), None);
        run.fails(1, &[&format!("{program} is not installed"), &format!("cargo install --path {folder}")]);
    }
}

#[test]
fn init_writes_every_setting_with_its_default() {
    let bus = Bus::init("XSHG");
    let text = std::fs::read_to_string(bus.path().join("bus.toml")).expect("bus.toml");
    assert!(text.contains("calendar = \"XSHG\""), "{text}");
    for line in text.lines() {
        let comment = line.trim_start_matches(['#', ' ']);
        assert!(line.is_empty() || line.starts_with('#') || line.contains('=') || line.starts_with('['), "{comment}");
    }
}

#[test]
fn tail_prints_existing_and_new_bars() {
    let bus = Bus::running("XSHG");
    let bars = market::minutes(&SYMBOLS, "2024-03-04T01:31:00Z", 20);
    bus.publish(&bus.write("1.csv", market::csv(&bars[..20])), &[]);
    let mut tail = command::barbus();
    tail.arg("tail").arg(bus.path()).args(["--from", "oldest", "--format", "json", "--until-close"]);
    let tail = Running::start(&mut tail, false);
    bus.publish(&bus.write("2.csv", market::csv(&bars)), &[]);
    bus.close_day();
    let rows: Vec<Value> = tail.finish().json_lines();
    assert_bars(&rows, &bars);
}

#[test]
fn tail_takes_a_symbol_a_sequence_number_and_csv() {
    let bus = Bus::running("XSHG");
    let bars = market::minutes(&SYMBOLS, "2024-03-04T01:31:00Z", 20);
    bus.publish(&bus.write("1.csv", market::csv(&bars)), &[]);
    bus.close_day();
    let tail = |options: &[&str]| {
        let mut arguments = vec!["--until-close"];
        arguments.extend(options);
        bus.barbus("tail", arguments)
    };
    let one: Vec<Bar> = bars.iter().filter(|bar| bar.symbol == SYMBOLS[1]).cloned().collect();
    assert_bars(&tail(&["--from", "oldest", "--symbol", SYMBOLS[1], "--format", "json"]).json_lines(), &one);
    assert_bars(&tail(&["--from", "30", "--format", "json"]).json_lines(), &bars[30..]);
    assert_bars(&tail(&["--from", "2024-03-04", "--format", "json"]).json_lines(), &bars);
    let csv = tail(&["--from", "oldest", "--format", "csv"]).ok();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("symbol,frame,open,high,low,close,volume,money,factor"), "{}", lines[0]);
    assert_eq!(lines.len(), bars.len() + 1);
}

#[test]
fn the_output_of_tail_can_be_published() {
    let bus = Bus::running("XSHG");
    let bars = market::minutes(&SYMBOLS, "2024-03-04T01:31:00Z", 20);
    bus.publish(&bus.write("1.csv", market::csv(&bars)), &[]);
    bus.close_day();
    for format in ["csv", "json"] {
        let text = bus.barbus("tail", ["--from", "oldest", "--until-close", "--format", format]).ok();
        let name = if format == "csv" { "tail.csv" } else { "tail.ndjson" };
        let counts = bus.publish(&bus.write(name, text), &[]);
        // The output has full precision: any changed bit would be a revision.
        assert_eq!((counts.rows, counts.duplicate), (40, 40), "{format}: {counts:?}");
    }
}

#[test]
fn latest_and_window_answer_for_a_symbol() {
    let bus = Bus::running("XSHG");
    let bars = market::minutes(&SYMBOLS, "2024-03-04T01:31:00Z", 20);
    bus.publish(&bus.write("1.csv", market::csv(&bars)), &[]);
    let latest = bus.barbus("latest", [SYMBOLS[0], SYMBOLS[1], "--format", "json"]).json_lines();
    assert_bars(&latest, &bars[38..]);
    let window = bus.barbus("window", [SYMBOLS[0], "5", "--format", "json"]).json_lines();
    let one: Vec<Bar> = bars.iter().filter(|bar| bar.symbol == SYMBOLS[0]).cloned().collect();
    assert_bars(&window, &one[15..]);
    let all = bus.barbus("window", [SYMBOLS[0], "500", "--format", "json"]).json_lines();
    assert_bars(&all, &one);
    bus.barbus("latest", ["UNKNOWN"]).fails(1, &["UNKNOWN"]);
    bus.barbus("window", ["UNKNOWN", "5"]).fails(1, &["UNKNOWN"]);
    let table = bus.barbus("latest", [SYMBOLS[0]]).ok();
    assert!(table.contains(SYMBOLS[0]), "{table}");
}

#[test]
fn stat_shows_the_state_of_the_bus() {
    let bus = Bus::running("XSHG");
    let bars = market::minutes(&SYMBOLS, "2024-03-04T01:31:00Z", 20);
    let csv = bus.write("1.csv", market::csv(&bars));
    bus.publish(&csv, &[]);
    bus.publish(&csv, &[]);
    let mut revised = bars[0].clone();
    revised.close = revised.low;
    bus.publish(&bus.write("2.csv", market::csv(&[revised])), &[]);
    let stat = bus.stat();
    assert_eq!(stat["symbols"], 2, "{stat}");
    assert_eq!(stat["duplicates"], 40, "{stat}");
    assert_eq!(stat["revisions"], 1, "{stat}");
    assert_eq!(stat["day"], "2024-03-04", "{stat}");
    let text = bus.barbus("stat", [] as [&str; 0]).ok();
    assert!(text.contains("2024-03-04"), "{text}");
}

#[test]
fn stat_without_a_daemon_still_reports_the_ring() {
    let mut bus = Bus::running("XSHG");
    bus.publish(&bus.write("1.csv", market::csv(&market::minutes(&SYMBOLS, "2024-03-04T01:31:00Z", 20))), &[]);
    bus.stop();
    let stat = bus.stat();
    assert_eq!((&stat["symbols"], &stat["bars"]), (&json!(2), &json!(40)), "{stat}");
}

#[test]
fn verify_finds_a_flipped_bit() {
    let mut bus = Bus::running("XSHG");
    let bars = market::xshg_day(&SYMBOLS, "2024-03-04");
    bus.publish(&bus.write("1.csv", market::csv(&bars)), &[]);
    bus.close_day();
    bus.barbus("verify", [] as [&str; 0]).ok();
    bus.stop();
    bus.barbus("verify", [] as [&str; 0]).ok();

    let file = bus.archive().join("2024-03-04.parquet");
    let mut bytes = std::fs::read(&file).expect("archived");
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0x10;
    std::fs::write(&file, bytes).expect("can be written");
    bus.barbus("verify", [] as [&str; 0]).fails(1, &["2024-03-04.parquet"]);
}

#[test]
fn a_closed_pipe_ends_tail_quietly() {
    let bus = Bus::running("XSHG");
    bus.publish(&bus.write("1.csv", market::csv(&market::xshg_day(&SYMBOLS, "2024-03-04"))), &[]);
    let mut tail = command::barbus();
    tail.arg("tail").arg(bus.path()).args(["--from", "oldest", "--format", "csv"]);
    tail.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = tail.spawn().expect("barbus starts");
    drop(child.stdout.take());
    bus.publish(&bus.write("2.csv", market::csv(&market::xshg_day(&SYMBOLS, "2024-03-05"))), &[]);
    wait::until("the end of tail", || child.try_wait().expect("can be waited for"));
    let mut message = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut message).expect("can be read");
    assert_eq!(message, "");
}

/// Asserts that the JSON rows are exactly these bars, in this order, in full precision.
#[track_caller]
fn assert_bars(rows: &[Value], bars: &[Bar]) {
    assert_eq!(rows.len(), bars.len(), "{rows:#?}");
    for (row, bar) in rows.iter().zip(bars) {
        assert_eq!(row["symbol"], bar.symbol.as_str(), "{row}");
        let frame: jiff::Timestamp = row["frame"].as_str().expect("a time as text").parse().expect("RFC 3339");
        assert_eq!(frame, bar.frame, "{row}");
        let values =
            [("open", bar.open), ("high", bar.high), ("low", bar.low), ("close", bar.close), ("volume", bar.volume)];
        for (name, value) in values {
            assert_eq!(row[name].as_f64(), Some(value), "{name} of {row}");
        }
        assert_eq!(row["money"].as_f64(), bar.money, "{row}");
    }
}

#[test]
fn a_check_of_the_state_has_an_exit_code() {
    // A calendar without a table: a table ends some day.
    let mut bus = Bus::running("24x7");
    bus.barbus("stat", ["--check"]).ok();
    bus.kill();
    wait::until("the heartbeat to end", || (bus.stat()["writer_alive"] == false).then_some(()));
    bus.barbus("stat", ["--check"]).fails(1, &["no writer"]);
    bus.barbus("stat", [] as [&str; 0]).ok();
}

#[test]
fn completions_and_manual_pages_are_accepted_by_the_programs_that_read_them() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let script = folder.path().join("barbus.bash");
    std::fs::write(&script, command::run(["completions", "bash"]).ok()).expect("ours");
    let mut bash = std::process::Command::new("bash");
    let line =
        r#"set -u; . "$0"; COMP_WORDS=(barbus to); COMP_CWORD=1; _barbus barbus to barbus; echo "${COMPREPLY[@]}""#;
    assert_eq!(command::finish(bash.args(["--norc", "-c", line]).arg(&script), None).ok().trim(), "top");
    command::run(["completions", "sh"]).fails(2, &["bash"]);

    let pages = folder.path().join("man");
    command::run(["manuals".as_ref(), pages.as_os_str()]).ok();
    command::run(["manuals".as_ref(), script.as_os_str()]).fails(1, &["barbus.bash"]);
    if std::process::Command::new("groff").arg("--version").output().is_err() {
        println!("skipped: groff: the pages are not formatted");
        return;
    }
    for page in ["barbus.1", "barbus-init.1", "barbusd.1"] {
        let mut groff = std::process::Command::new("groff");
        let shown = command::finish(groff.args(["-man", "-Tutf8", "-ww", "-P-cbou"]).arg(pages.join(page)), None);
        assert_eq!(shown.stderr, "", "{page}");
        let text = shown.ok();
        assert!(text.contains("EXIT STATUS") && text.contains("wrong usage"), "{text}");
    }
}
