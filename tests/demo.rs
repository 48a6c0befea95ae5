//! `barbus demo`: its report is true, its suggestions work, and it leaves no process behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::bus::names;
use crate::support::command::{self, Running};
use crate::support::{python, wait};

/// A demo whose temporary directory is in `root`.
fn demo(root: &TempDir, options: &[&str]) -> Command {
    let mut command = command::barbus();
    command.arg("demo").args(options).env("TMPDIR", root.path());
    command
}

/// The one directory that the demo has made in `root`.
fn made(root: &Path) -> Option<PathBuf> {
    names(root).iter().find(|name| name.starts_with("barbus-demo-")).map(|name| root.join(name))
}

#[test]
fn a_day_of_500_symbols_matches_everywhere() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let text = command::finish(&mut demo(&root, &[]), None).ok();
    assert!(text.contains("Everything matched: 120,000 bars"), "{text}");
    for who in ["publisher", "strategy", "late joiner", "counter", "archive"] {
        let row = text.lines().find(|line| line.starts_with(who)).unwrap_or_else(|| panic!("no {who} in {text}"));
        assert!(row.contains("120,000") && row.contains("yes"), "{row}");
    }
    // Promise 7, by another reader: the named file has the day.
    let archive = made(root.path()).expect("it is kept").join("bus/archive/1m/2024-03-04.parquet");
    assert!(text.contains(archive.to_str().expect("UTF-8")), "{text}");
    let opened = python::run("open_everywhere.py", [archive.to_str().expect("UTF-8"), "--zone", "Asia/Shanghai"]).ok();
    assert!(opened.contains("120000 rows, 240 minutes"), "{opened}");
}

#[test]
fn the_suggested_commands_work() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let options = ["--symbols", "20", "--minutes", "30", "--seconds", "0.3"];
    let text = command::finish(&mut demo(&root, &options), None).ok();
    let (_, next) = text.split_once("Try next\n").expect("the demo suggests commands");
    let commands: Vec<&str> = next.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect();
    for verb in [" window ", " tail ", " stat ", " verify ", " publish ", " daemon ", "rm -r "] {
        assert!(commands.iter().any(|line| line.contains(verb)), "no {verb}in {next}");
    }
    let bus = commands[0];
    assert!(bus.starts_with("BUS="), "{next}");
    for line in &commands[1..] {
        // 124: `timeout` stopped the daemon, so it was running.
        let (line, code) =
            if line.contains(" daemon ") { (format!("timeout 1 {line}"), 124) } else { (line.to_string(), 0) };
        let run = command::finish(Command::new("sh").args(["-c", &format!("{bus}; {line}")]), None);
        assert_eq!(run.status.code(), Some(code), "{run}");
    }
    assert_eq!(made(root.path()), None, "the last command removes it");
}

#[test]
fn another_seed_is_another_day() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let picture = |seed: &str| {
        let options = ["--symbols", "3", "--minutes", "20", "--seconds", "0", "--seed", seed];
        let text = command::finish(&mut demo(&root, &options), None).ok();
        text.lines().filter(|line| line.contains('┤')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(picture("5"), picture("5"));
    assert_ne!(picture("5"), picture("6"));
}

#[test]
fn no_process_stays_behind_when_it_is_killed() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let mut running = Running::start(&mut demo(&root, &["--symbols", "20", "--seconds", "600"]), false);
    // Readers are attached once bars are visible.
    let bus = wait::until("bars on the demo's bus", || {
        let bus = made(root.path())?.join("bus");
        let mut stat = command::barbus();
        let output = stat.arg("stat").arg(&bus).args(["--format", "json"]).stderr(Stdio::null()).output().ok()?;
        let stat: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        (stat["bars"].as_u64()? > 0).then_some(bus)
    });
    assert!(processes_on(&bus) >= 3, "a daemon and two readers");
    running.child.kill().expect("the demo is running");
    wait::until("the end of its processes", || (processes_on(&bus) == 0).then_some(()));
}

#[test]
fn it_fails_if_it_cannot_create_a_bus() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let missing = root.path().join("missing");
    let mut command = command::barbus();
    command::finish(command.arg("demo").env("TMPDIR", &missing), None).fails(1, &["temporary directory"]);
}

/// Processes with this directory in their command line.
fn processes_on(bus: &Path) -> usize {
    let bus = bus.to_str().expect("UTF-8");
    let is_on = |pid: &String| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(bus)
    };
    names(Path::new("/proc"))
        .iter()
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        .filter(|pid| is_on(pid))
        .count()
}
