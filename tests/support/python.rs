//! Runs the scripts of `tests/python` in a virtual environment of their own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::command::{self, Finished};
use super::venv::environment;

/// Runs a script of `tests/python` to its end.
pub(crate) fn run<S: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = S>) -> Finished {
    command::finish(command(script).args(arguments), None)
}

/// A script of `tests/python`, not yet started.
pub(crate) fn command(script: &str) -> Command {
    let mut command = Command::new(interpreter());
    command.arg(folder().join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python")
}

/// The Python of the tests, with pyarrow.
pub(crate) fn interpreter() -> &'static Path {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER.get_or_init(|| environment(&folder().join("requirements.txt")).join("bin/python"))
}
