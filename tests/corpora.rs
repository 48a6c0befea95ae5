//! The kept inputs of the fuzz targets, run through the same functions: a fixed bug stays fixed.

use std::path::Path;

/// The bodies of the fuzz targets.
#[path = "fuzz/src/lib.rs"]
#[allow(unreachable_pub)]
mod fuzz;

/// Runs every kept input of a target; a panic names it.
fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
    let mut inputs: Vec<_> =
        std::fs::read_dir(corpus).expect("a corpus").map(|entry| entry.expect("a file").path()).collect();
    inputs.sort();
    assert!(inputs.len() > 3, "{target}: only {} inputs", inputs.len());
    for input in inputs {
        let bytes = std::fs::read(&input).expect("an input");
        let outcome = std::panic::catch_unwind(|| run(&bytes));
        assert!(outcome.is_ok(), "{} breaks a promise", input.display());
    }
}

/// Promise 9: any bytes as a ring.
#[test]
fn attach() {
    replay("attach", fuzz::attach::run);
}

/// Promise 9: any bytes on the socket.
#[test]
fn ingest() {
    replay("ingest", fuzz::ingest::run);
}

/// Promise 9: any text as CSV or NDJSON.
#[test]
fn lines() {
    replay("lines", fuzz::lines::run);
}

/// Any text as `bus.toml`.
#[test]
fn settings() {
    replay("settings", fuzz::settings::run);
}
