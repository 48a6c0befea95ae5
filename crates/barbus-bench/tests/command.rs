//! The benchmark command on a machine where some systems are missing.

use std::process::{Command, Output, Stdio};

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_barbus-bench")).args(arguments).env_remove("BARBUS_DATA").output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The benchmark contains the daemon and the command line that it measures.
#[test]
fn the_benchmark_contains_the_command_line() {
    let version = concat!("barbus ", env!("CARGO_PKG_VERSION"));
    let shown = bench(&["barbus", "--version"]);
    assert!(text(&shown.stdout).starts_with(version), "{shown:?}");
    assert_eq!(bench(&["barbus", "stat", "/nowhere"]).status.code(), Some(1));
    assert_eq!(bench(&["barbus", "nonsense"]).status.code(), Some(2));
}

#[test]
fn a_failure_is_reported_at_the_end_and_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (data, json) = (folder.path().to_str().unwrap(), folder.path().join("all.json"));
    let arguments = ["all", "--rounds", "2", "--only", "csv,ingest", "--data", data, "--json", json.to_str().unwrap()];
    let output = bench(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let failed: Vec<_> = text(&output.stderr).lines().filter_map(|line| line.strip_prefix("FAILED: ")).collect();
    let [csv, ingest] = failed[..] else { panic!("{failed:?}") };
    assert!(csv.starts_with(&format!("csv: {data}/")) && csv.contains("No such file"), "{csv}");
    assert!(ingest.starts_with("ingest: ") && ingest.contains("failed"), "{ingest}");
    assert_eq!(std::fs::read_to_string(json).unwrap(), "[]");
}

#[test]
fn a_missing_input_is_skipped_with_the_reason() {
    let output = bench(&["all", "--only", "csv,ingest", "--rounds", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("skipped: csv, ingest: BARBUS_DATA is not set"));
}

/// Every strategy verifies every bar, or the measure fails.
#[test]
fn a_burst_reaches_every_strategy() {
    let output = bench(&["burst", "--systems", "barbus,Unix", "--minutes", "2", "--rounds", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("barbus") && table.contains("Unix socket fan-out"), "{table}");
}

/// Another process removes the files of an interrupted benchmark.
#[test]
fn the_files_of_an_ended_process_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let own = std::process::id();
    let left = ["in", "memory"].map(|what| match what {
        "memory" => std::path::PathBuf::from(format!("/dev/shm/barbus-bench-{own}-x")),
        _ => folder.path().join(format!("barbus-bench-{own}-x")),
    });
    let others = [folder.path().join(format!("barbus-bench-{own}1-x")), folder.path().join("bars")];
    left.iter().chain(&others).for_each(|path| std::fs::create_dir_all(path.join("ring")).unwrap());
    let mut sweeper = Command::new(env!("CARGO_BIN_EXE_barbus-bench"))
        .args(["sweep", &own.to_string()])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(left[0].exists(), "removed before the process ended");
    drop(sweeper.stdin.take());
    assert!(sweeper.wait().unwrap().success());
    assert_eq!(left.map(|path| path.exists()), [false; 2]);
    assert_eq!(others.map(|path| path.exists()), [true; 2]);
}

/// The command fails before it measures anything.
#[test]
fn an_unwritable_report_fails_at_once() {
    let output = bench(&["all", "--json", "/nowhere/all.json"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).starts_with("Error: /nowhere/all.json"), "{}", text(&output.stderr));
}
