//! Runs `barbus-relay archive` to its end.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// `barbus-relay archive`, not yet started, with no credentials.
pub(crate) fn archive() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_barbus-relay"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").env("TZ", "UTC").env("BARBUS_CALENDARS", "/nonexistent").arg("archive");
    command
}

/// Runs `barbus-relay archive` with these arguments to its end.
pub(crate) fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Finished {
    finish(archive().args(arguments))
}

/// Pushes the bus to a folder.
pub(crate) fn push_to_folder(bus: &Path, folder: &Path, options: &[&str]) -> Finished {
    finish(archive().arg("push").arg(bus).arg(folder).args(options))
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let line = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| panic!("{line}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    Finished { line, status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The output and exit status of a program that has ended.
pub(crate) struct Finished {
    line: String,
    status: ExitStatus,
    stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Asserts that it succeeded, and returns its standard output.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.status.code(), Some(0), "{self}");
        self.stdout
    }

    /// Asserts that it succeeded, and returns its standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// Asserts that it ended with `code` and with messages `barbus: what: why` that have all
    /// `words`.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in the message of {self}");
        }
        assert!(!self.stderr.contains("panicked"), "{self}");
        if code == 1 {
            assert!(self.stderr.lines().all(|line| line.starts_with("barbus: ")), "another message in {self}");
        }
        self
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "{}: {}", self.line, self.status)?;
        writeln!(to, "--- standard output\n{}--- standard error\n{}", self.stdout, self.stderr)
    }
}
