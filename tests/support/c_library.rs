//! The C library of this build, installed into a folder, and programs that are built with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::venv;

#[path = "../../crates/barbus-c/tests/toolchain.rs"]
mod toolchain;

pub(crate) use toolchain::{SANITIZERS, crate_folder, has, has_sanitizers, ok};

/// The folder into which the library is installed, once for all tests.
pub(crate) fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = venv::target().join("c-library-prefix");
        toolchain::install(&prefix);
        prefix
    })
}

/// Builds a program of the C library's crate, with warnings as errors.
pub(crate) fn compile(compiler: &str, flags: &[&str], source: &str, to: &Path) {
    toolchain::compile(prefix(), compiler, flags, &crate_folder().join(source), to);
}

/// A command that finds the library.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", prefix().join("lib"));
    command
}

/// The compilers of C++ that exist with their sanitizers.
pub(crate) fn sanitizing_compilers() -> &'static [&'static str] {
    static COMPILERS: OnceLock<Vec<&str>> = OnceLock::new();
    COMPILERS.get_or_init(|| ["g++", "clang++"].into_iter().filter(|compiler| has_sanitizers(compiler)).collect())
}

/// The reader in C++ that prints what it reads, with address and undefined-behaviour sanitizers:
/// the builds by all compilers that exist.
pub(crate) fn follow_bus() -> &'static [PathBuf] {
    static PROGRAMS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let build = |compiler: &&str| {
            let program = prefix().join(format!("follow_bus-{compiler}"));
            compile(compiler, &[&["-std=c++17"], &SANITIZERS[..]].concat(), "tests/programs/follow_bus.cpp", &program);
            program
        };
        sanitizing_compilers().iter().map(build).collect()
    })
}
