//! Builds the programs of these tests against an installed library, and a bus for them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use barbus::{Bus, InitOptions, Row};
use barbus_writer::Writer;

use crate::toolchain;
pub(crate) use crate::toolchain::{crate_folder, has};

/// 2024-03-04 00:00 UTC.
const MIDNIGHT_MS: i64 = 1_709_510_400_000;
const MINUTE_MS: i64 = 60_000;

/// A folder into which the library of this build is installed, once for all tests.
pub(crate) fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("barbus-c-prefix");
        toolchain::install(&prefix);
        prefix
    })
}

/// Runs a command, which finds the library, to its end; returns its standard output.
#[track_caller]
pub(crate) fn ok(command: &mut Command) -> String {
    toolchain::ok(command.env("LD_LIBRARY_PATH", prefix().join("lib")))
}

/// Compiles a program of `tests/programs` with warnings as errors; `flags` come first.
pub(crate) fn compile(compiler: &str, flags: &[&str], source: &str, to: &Path) {
    toolchain::compile(prefix(), compiler, flags, &crate_folder().join("tests/programs").join(source), to);
}

/// Builds `latest.c` by CMake, which finds the library in an installed prefix.
pub(crate) fn cmake(folder: &Path, prefix: &Path) -> PathBuf {
    let project = "cmake_minimum_required(VERSION 3.13)\nproject(latest C)\n\
                   find_package(barbus 0.1 REQUIRED)\nadd_executable(latest latest.c)\n\
                   target_link_libraries(latest PRIVATE barbus::barbus)\n";
    let source = folder.join("cmake");
    std::fs::create_dir(&source).expect("can be written");
    std::fs::write(source.join("CMakeLists.txt"), project).expect("can be written");
    std::fs::copy(crate_folder().join("tests/programs/latest.c"), source.join("latest.c")).expect("can be written");
    let build = source.join("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(&source).arg("-B").arg(&build);
    ok(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));
    ok(Command::new("cmake").arg("--build").arg(&build));
    build.join("latest")
}

/// A bus with what `check.c` expects, and its writer.
pub(crate) fn bus(folder: &Path) -> (Bus, Writer) {
    let options = InitOptions { calendar: "24x7".into(), preset: None };
    let bus = Bus::init(&folder.join("bus"), &options).expect("a new bus");
    let mut writer = Writer::open(&bus).expect("a writer");
    push(&mut writer, 0, 300);
    writer.close_day().expect("a day was open");
    writer.flush().expect("the archive can be written");
    push(&mut writer, 1, 100);
    (bus, writer)
}

/// The first minutes of a day, with two symbols.
fn push(writer: &mut Writer, day: i64, minutes: i64) {
    for minute in 1..=minutes {
        for (symbol, more) in [("A", 0.0), ("B", 0.25)] {
            let close = minute as f64 + more;
            let has_money = minute % 2 == 0;
            let row = Row {
                symbol: writer.symbol(symbol).expect("room for a symbol"),
                frame_ms: MIDNIGHT_MS + (day * 1_440 + minute) * MINUTE_MS,
                open: close,
                high: close,
                low: close,
                close,
                volume: 100.0,
                optional: [if has_money { 10.0 * close } else { 0.0 }, 1.0, 0.0, 0.0, 0.0, 0.0],
                present: if has_money { 3 } else { 2 },
                ..Row::default()
            };
            writer.push(&row).expect("a valid bar");
        }
    }
}
