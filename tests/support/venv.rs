//! Virtual environments with pinned packages of PyPI.
//!
//! An environment is created once, in `test-venv-<hash>` of the build directory.
//! A file lock guards the creation, because tests run in many threads and processes.
//! An unfinished environment is created again.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Cargo's build directory.
pub(crate) fn target() -> &'static Path {
    // CARGO_TARGET_TMPDIR is `tmp` in it.
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("tmp is in the build directory")
}

/// A virtual environment with the packages of a file.
pub(crate) fn environment(requirements: &Path) -> PathBuf {
    let version = step(Command::new("python3").arg("--version"));
    let text = fs::read_to_string(requirements).unwrap_or_else(|error| panic!("{}: {error}", requirements.display()));
    let mut hasher = DefaultHasher::new();
    (text, version).hash(&mut hasher);
    let environment = target().join(format!("test-venv-{:016x}", hasher.finish()));

    let lock = File::create(environment.with_extension("lock")).expect("the build directory can be written");
    lock.lock().expect("a lock in the build directory");
    let complete = environment.join("complete");
    if !complete.exists() {
        let _ = fs::remove_dir_all(&environment);
        step(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        let mut pip = Command::new(environment.join("bin/python"));
        step(pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r"]).arg(requirements));
        fs::write(&complete, "").expect("the environment can be marked as complete");
    }
    environment
}

/// One step of the creation; returns its output, or panics with a message that names the remedy.
pub(crate) fn step(command: &mut Command) -> String {
    let line = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| {
        panic!("{line}: {error}: the end-to-end tests need python3 3.11 or later with its venv module")
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{line}: {}: the end-to-end tests need python3 3.11 or later, its venv module (Debian: python3-venv) and a package \
         index to install the requirements.txt from\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr),
    );
    text(&output.stdout)
}
