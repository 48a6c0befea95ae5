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

/// Promise 9: any bytes as a file of bars.
#[test]
fn files() {
    replay("files", fuzz::files::run);
}

/// Promise 9: any text as a layout.
#[test]
fn layouts() {
    replay("layouts", fuzz::layouts::run);
}

/// Promise 9: the examples of the layouts, whole and damaged, with the options of any other file
/// and with each other's layouts.
#[test]
fn examples_of_layouts() {
    let layouts = barbus_files::built_in().expect("the layouts are sound");
    let texts: Vec<&str> = barbus_files::layout_names().filter_map(barbus_files::layout_text).collect();
    let examples: Vec<_> = layouts.iter().flat_map(|layout| &layout.example).collect();
    for (number, example) in examples.iter().enumerate() {
        let text = example.text.trim_start_matches('\n').as_bytes();
        let mut damaged = text.to_vec();
        damaged[number * 31 % text.len()] ^= 1 << (number % 8);
        for content in [text, &text[..text.len() * 2 / 3], &damaged] {
            let file = [example.file.as_bytes(), b"\n", content].concat();
            for options in [0x80, 0x81, 2 + number as u8 % 14] {
                fuzz::files::run(&[&[options], &file[..]].concat());
            }
            let layout = texts[(number * 7 + content.len()) % texts.len()];
            fuzz::layouts::run(&[layout.as_bytes(), b"\0", &file[..]].concat());
        }
    }
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
