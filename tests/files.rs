//! Files of every layout: understood or refused, never silently wrong.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::bus::{Bus, Counts};
use crate::support::command::{self, Running};
use crate::support::market;
use crate::support::python;
use crate::support::wait;

const SYMBOLS: [&str; 2] = ["600000.XSHG", "000001.XSHE"];

/// Promise 9, with the cases in the folder that `BARBUS_FILES` names, which is no part of the
/// project.
#[test]
fn every_case_is_as_expected() {
    let Some(folder) = std::env::var_os("BARBUS_FILES").map(PathBuf::from) else {
        println!("skipped: BARBUS_FILES is not set");
        return;
    };
    let programs = tempfile::tempdir().expect("a temporary directory");
    symlink(env!("CARGO_BIN_EXE_barbus"), programs.path().join("barbus")).expect("a link");
    let daemon = programs.path().join("barbusd");
    fs::write(&daemon, format!("#!/bin/sh\nexec {} daemon \"$@\"\n", env!("CARGO_BIN_EXE_barbus"))).expect("a script");
    fs::set_permissions(&daemon, fs::Permissions::from_mode(0o755)).expect("an executable script");
    let mut check = Command::new(python::interpreter());
    check.arg(folder.join("check.py")).arg(&folder).arg("--bin").arg(programs.path());
    let output = check.output().expect("the checker starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// 240 minutes of hours, as a file of longer bars has them.
fn hours() -> String {
    let row = |hour: i32| format!("A,2024-03-{:02} {:02}:00,1,2,1,2,{hour}\n", 4 + hour / 24, hour % 24);
    "symbol,time,open,high,low,close,volume\n".to_owned() + &(0..48).map(row).collect::<String>()
}

/// Promise 9: what is doubted is not sent, and the message names the way out.
#[test]
fn doubts_stop_a_publication_unless_they_are_trusted() {
    let bus = Bus::running("24x7");
    let file = bus.write("hours.csv", hours());
    bus.barbus("publish", [file.as_os_str()]).fails(1, &["1 hour", "--trust", "nothing was sent"]);
    assert_eq!(bus.stat()["bars"], 0);
    bus.barbus("publish", [file.as_os_str(), "--check".as_ref()]).fails(1, &["1 hour"]);
    assert_eq!(bus.publish(&file, &["--trust"]), Counts::all_accepted(48));
}

/// `--check` tells what is understood and sends nothing.
#[test]
fn a_check_reports_and_sends_nothing() {
    let bus = Bus::running("XSHG");
    let file = bus.write("bars.csv", market::csv(&market::xshg_day(&SYMBOLS, "2024-03-04")));
    let run = bus.barbus("publish", [file.as_os_str(), "--check".as_ref()]);
    for words in
        ["label    end", "zone     Asia/Shanghai", "480 bars of 2 symbols", "every minute", "columns  symbol=symbol"]
    {
        assert!(run.stdout.contains(words), "no {words:?} in {run}");
    }
    let json =
        bus.barbus("publish", [file.as_os_str(), "--check".as_ref(), "--format".as_ref(), "json".as_ref()]).json();
    assert_eq!((&json["rows"], &json["symbols"], &json["inputs"][0]["label"]), (&480.into(), &2.into(), &"end".into()));
    assert_eq!(bus.stat()["bars"], 0);
}

/// Promise 9: a file that cannot be understood does not stop the others, and the exit code is 1.
#[test]
fn one_bad_file_does_not_stop_the_others() {
    let bus = Bus::running("XSHG");
    let good = bus.write("good.csv", market::csv(&market::xshg_day(&SYMBOLS[..1], "2024-03-04")));
    let bad = bus.write("bad.csv", "a,b,c\n1,2,3\n");
    let missing = bus.beside("missing.csv");
    bus.barbus("publish", [bad.as_os_str(), missing.as_os_str(), good.as_os_str()])
        .fails(1, &["bad.csv: no columns for", "give --map '", "missing.csv: No such file"]);
    assert_eq!(bus.stat()["bars"], 240);
    bus.barbus("publish", [bad.as_os_str()]).fails(1, &["bad.csv"]);
    let empty = bus.write("empty.csv", "symbol,frame,open,high,low,close,volume\n");
    bus.barbus("publish", [empty.as_os_str()]).fails(1, &["the inputs have no bars"]);
}

/// Promise 9: a publication of which no row is accepted is a failure, and one that is sent again is
/// not.
#[test]
fn a_publication_that_stores_nothing_fails() {
    let bus = Bus::running("XSHG");
    let header = "symbol,frame,open,high,low,close,volume\n";
    // High below low.
    let bad = "A,2024-03-04 09:32,10,9,11,10,1\n";
    let all = bus.write("bad.csv", format!("{header}{bad}"));
    bus.barbus("publish", [all.as_os_str()]).fails(1, &["1 row was rejected", "no row was accepted"]);
    let unread = bus.write("unread.csv", format!("{header}A,2024-03-04 09:32,ten,11,9,10,1\n"));
    bus.barbus("publish", [unread.as_os_str()]).fails(1, &["no row was accepted"]);
    let some = bus.write("some.csv", format!("{header}A,2024-03-04 09:31,10,11,9,10,1\n{bad}"));
    assert_eq!(bus.publish(&some, &[]), Counts { rows: 2, accepted: 1, quarantined: 1, ..Counts::default() });
    assert_eq!(bus.publish(&some, &[]), Counts { rows: 2, duplicate: 1, quarantined: 1, ..Counts::default() });
}

/// Bars of a pipe that stays open arrive as they come.
#[test]
fn a_live_pipe_is_published_as_it_comes() {
    let bus = Bus::running("24x7");
    let mut publish = command::barbus();
    publish.arg("publish").arg(bus.path()).args(["-", "--as-is", "--format", "json"]).stdin(Stdio::piped());
    let mut running = Running::start(&mut publish, true);
    let mut pipe = running.child.stdin.take().expect("stdin is piped");
    pipe.write_all(b"symbol,frame,open,high,low,close,volume\nA,2024-03-04T00:01:00Z,1,2,1,2,5\n").expect("it reads");
    pipe.flush().expect("it reads");
    wait::until("the first bar", || (bus.stat()["bars"] == 1).then_some(()));
    pipe.write_all(b"A,2024-03-04T00:02:00Z,1,2,1,2,5\n").expect("it reads");
    wait::until("the second bar", || (bus.stat()["bars"] == 2).then_some(()));
    drop(pipe);
    assert_eq!(Counts::of(&running.finish().json()), Counts::all_accepted(2));
}

/// A converted file is published as the bars that it was converted from.
#[test]
fn converted_files_hold_the_same_bars() {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&SYMBOLS, "2024-03-04");
    let csv = bus.write("bars.csv", market::csv(&bars));
    assert_eq!(bus.publish(&csv, &[]), Counts::all_accepted(bars.len()));
    for name in ["out.parquet", "out.csv", "out.arrow"] {
        let out = bus.beside(name);
        let arguments = ["convert".as_ref(), csv.as_os_str(), "-o".as_ref(), out.as_os_str()];
        command::run(arguments.into_iter().chain(["--calendar", "XSHG"].map(AsRef::as_ref))).ok();
        let rows = bars.len() as u64;
        assert_eq!(bus.publish(&out, &[]), Counts { rows, duplicate: rows, ..Counts::default() }, "{name}");
    }
    let wrong = command::run(["convert".as_ref(), csv.as_os_str(), "-o".as_ref(), "bars.xlsx".as_ref()]);
    wrong.fails(1, &["unknown ending"]);
    let zoneless = bus.write("local.csv", "symbol,time,open,high,low,close,volume\nA,2024-03-04 09:31,1,2,1,2,5\n");
    let out = bus.beside("no.csv");
    command::run(["convert".as_ref(), zoneless.as_os_str(), "-o".as_ref(), out.as_os_str()]).fails(1, &["--zone"]);
    assert!(!out.exists());
}

/// The layouts are listed, and one that was printed works as a file of the user's own.
#[test]
fn a_printed_layout_is_a_layout_of_ones_own() {
    let bus = Bus::running("24x7");
    let list = command::run(["layouts"]);
    assert!(list.stdout.lines().any(|line| line.starts_with("binance ")), "{list}");
    let shown = command::run(["layouts", "show", "kraken"]);
    let own = bus.write("mine.toml", shown.stdout.replace("only_by_name = false", ""));
    let file = bus.write("x.dat", "1709510400,1.5,1.75,1.25,1.625,100.5,7\n1709510520,1.5,1.75,1.25,1.5,3.5,1\n");
    let own = own.to_str().expect("UTF-8");
    assert_eq!(bus.publish(&file, &["--layout", own, "--symbol", "A"]), Counts::all_accepted(2));
    bus.barbus("publish", [file.as_os_str()]).fails(1, &["no header", "--columns", "--layout"]);
    command::run(["layouts", "show", "nobody"]).fails(1, &["barbus layouts lists them"]);
}
