//! The C library of this build, installed into a folder, and programs that are built with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::venv;

/// The folder of the C library's crate.
pub(crate) fn crate_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/barbus-c")
}

/// The folder into which the library is installed, once for all tests.
pub(crate) fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        // What the tests link is the library that cargo has built beside this program.
        let build = std::env::current_exe().expect("a test program");
        let prefix = venv::target().join("c-library-prefix");
        let _ = std::fs::remove_dir_all(&prefix);
        let mut install = Command::new(crate_folder().join("install.sh"));
        step(install.arg(&prefix).env("BARBUS_BUILD", build.parent().expect("a folder")));
        prefix
    })
}

/// Whether a compiler exists; with `CI` set it must.
pub(crate) fn has(tool: &str) -> bool {
    let exists = Command::new(tool).arg("--version").output().is_ok();
    assert!(exists || std::env::var_os("CI").is_none(), "{tool}: not found: .ci/run installs it");
    if !exists {
        println!("skipped: {tool} is not installed");
    }
    exists
}

/// Builds a program of the C library's crate, with warnings as errors.
pub(crate) fn compile(compiler: &str, flags: &[&str], source: &str, to: &Path) {
    let mut command = Command::new(compiler);
    command.args(flags).args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"]).arg(prefix().join("include"));
    command.arg(crate_folder().join(source)).arg("-o").arg(to);
    step(command.arg("-L").arg(prefix().join("lib")).arg("-lbarbus"));
}

/// Runs a command, which must be a success.
#[track_caller]
pub(crate) fn step(command: &mut Command) {
    let finished = super::command::finish(command, None);
    assert!(finished.status.success(), "{finished}");
}

/// A command that finds the library.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", prefix().join("lib"));
    command
}

/// The reader in C++ that prints what it reads, built with address and undefined-behaviour
/// sanitizers.
pub(crate) fn follow_bus() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = prefix().join("follow_bus");
        let flags = ["-std=c++17", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
        compile("g++", &flags, "tests/programs/follow_bus.cpp", &program);
        program
    })
}
