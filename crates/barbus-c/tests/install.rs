//! Programs that find an installed library by pkg-config, by CMake, and as a static library.

use std::path::Path;
use std::process::Command;

use crate::support::{bus, cmake, crate_folder, has, ok, prefix};

fn source() -> std::path::PathBuf {
    crate_folder().join("tests/programs/latest.c")
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn pkg_config(arguments: &[&str]) -> String {
    let mut command = Command::new("pkg-config");
    ok(command.args(arguments).arg("barbus").env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig")))
}

fn assert_runs(program: &Path, bus: &Path) {
    assert_eq!(ok(Command::new(program).arg(bus).arg("A")), "A 100\n");
}

#[test]
fn a_program_is_built_by_pkg_config() {
    if !has("pkg-config") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (bus, _writer) = bus(folder.path());
    let program = folder.path().join("latest");
    let flags = pkg_config(&["--cflags", "--libs"]);
    ok(Command::new("cc").arg(source()).arg("-o").arg(&program).args(words(&flags)));
    assert_runs(&program, bus.path());
    assert_eq!(pkg_config(&["--modversion"]).trim(), env!("CARGO_PKG_VERSION"));

    // With the library inside, and no shared one beside it.
    let alone = folder.path().join("latest_static");
    let flags = pkg_config(&["--cflags"]);
    let private = pkg_config(&["--static", "--libs-only-l"]);
    let mut cc = Command::new("cc");
    cc.arg(source()).arg("-o").arg(&alone).args(words(&flags)).arg(prefix().join("lib/libbarbus.a"));
    ok(cc.args(words(&private).into_iter().filter(|word| *word != "-lbarbus")));
    let needed = ok(Command::new("readelf").arg("-d").arg(&alone));
    assert!(!needed.contains("libbarbus"), "{needed}");
    assert_runs(&alone, bus.path());
}

#[test]
fn a_program_is_built_by_cmake() {
    if !has("cmake") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (bus, _writer) = bus(folder.path());
    let program = cmake(folder.path(), prefix());
    assert_runs(&program, bus.path());
}
