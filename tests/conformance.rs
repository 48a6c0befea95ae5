//! `barbus conformance`: readers of other hands pass, and a reader that is wrong fails.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::command::{self, Finished};
use crate::support::{c_library, python};

fn conformance(only: &str, reader: &[&Path]) -> Finished {
    let mut command = command::barbus();
    command.env("LD_LIBRARY_PATH", c_library::prefix().join("lib"));
    command::finish(command.args(["conformance", "--only", only]).args(reader), None)
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/follow_ring.py")
}

/// Promises 3, 4 and 9, by a reader that was written only from docs/FORMAT.md.
#[test]
fn the_python_reader_conforms() {
    let printed = conformance("", &[python::interpreter(), &script()]).ok();
    assert!(printed.contains("the reader conforms: 17 cases"), "{printed}");
}

/// The reader of the C++ header by each compiler, by copies and in place.
#[test]
fn the_cpp_reader_conforms() {
    for program in c_library::follow_bus() {
        let printed = conformance("", &[program]).ok();
        assert!(printed.contains("the reader conforms: 17 cases"), "{printed}");
        let printed = conformance("", &[program, Path::new("--pin")]).ok();
        assert!(printed.contains("the reader conforms"), "{printed}");
    }
}

/// Readers with one fault each, around the right one.
#[test]
fn a_reader_that_is_wrong_fails() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let right = format!("{} {}", python::interpreter().display(), script().display());
    let piped = |filter: &str| format!("set -o pipefail; {right} \"$@\" | {filter}");
    let faults = [
        ("a value is changed", piped("sed 's/\"volume\": 1/\"volume\": 2/'"), "golden", "\"volume\" is wrong"),
        ("a line is left out", piped("sed 10d"), "golden", "is wrong"),
        ("every file is a ring", format!("{right} \"$@\" || true"), "refuses", "it ended as if the ring were valid"),
        ("nothing is printed", "true".to_owned(), "golden", "it printed nothing"),
        ("no JSON", "echo bars".to_owned(), "golden", "in the line \"bars\""),
    ];
    for (what, text, only, words) in faults {
        let program = folder.path().join("reader");
        std::fs::write(&program, format!("#!/bin/bash\n{text}\n")).expect("ours");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("ours");
        let run = conformance(only, &[&program]);
        assert!(run.stdout.contains(words), "{what}: {run}");
        run.fails(1, &["does not conform"]);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_barbus"));
    command::finish(command.args(["conformance", "/nonexistent/reader"]), None).fails(1, &["/nonexistent/reader"]);
}
