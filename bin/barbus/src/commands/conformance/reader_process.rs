//! Runs a reader of other hands, and takes what it prints.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

/// The command of the reader, and the time that it has.
pub(super) struct ReaderCommand {
    command: Vec<OsString>,
    timeout: Duration,
}

/// A running reader.
pub(super) struct ReaderProcess {
    child: Child,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
    end: Instant,
}

/// What a reader has printed until its end.
pub(super) struct Printed {
    /// The lines of its standard output, as JSON, or what is wrong with one.
    pub(super) lines: Result<Vec<Value>, String>,
    /// Whether it ended by itself with the exit code 0.
    pub(super) succeeded: bool,
    /// How it ended, and the beginning of its standard error.
    pub(super) end: String,
}

impl ReaderCommand {
    pub(super) fn new(command: Vec<OsString>, timeout: Duration) -> Self {
        Self { command, timeout }
    }

    /// Starts the reader on a ring.
    pub(super) fn start(&self, ring: &Path, arguments: &[&str]) -> anyhow::Result<ReaderProcess> {
        let (program, first) = self.command.split_first().context("no command")?;
        let mut command = Command::new(program);
        command.args(first).arg(ring).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| program.to_string_lossy().into_owned())?;
        let (sender, lines) = channel();
        let stdout = child.stdout.take().context("its standard output is a pipe")?;
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let text = line.unwrap_or_else(|error| error.to_string());
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        let mut stderr = child.stderr.take().context("its standard error is a pipe")?;
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).chars().take(300).collect()
        });
        Ok(ReaderProcess { child, lines, errors: Some(errors), end: Instant::now() + self.timeout })
    }

    /// Runs the reader on a ring to its end.
    pub(super) fn run(&self, ring: &Path, arguments: &[&str]) -> anyhow::Result<Printed> {
        Ok(self.start(ring, arguments)?.finish())
    }
}

impl ReaderProcess {
    /// Waits for the next line; `None` at the end of its output or of its time.
    pub(super) fn next_line(&mut self) -> Option<String> {
        self.lines.recv_timeout(self.end.saturating_duration_since(Instant::now())).ok()
    }

    /// Waits for its end, and returns the lines that were not taken.
    pub(super) fn finish(mut self) -> Printed {
        let mut texts = Vec::new();
        let in_time = loop {
            match self.lines.recv_timeout(self.end.saturating_duration_since(Instant::now())) {
                Ok(line) => texts.push(line),
                Err(RecvTimeoutError::Disconnected) => break true,
                Err(RecvTimeoutError::Timeout) => break false,
            }
        };
        if !in_time {
            let _ = self.child.kill();
        }
        let status = self.child.wait();
        let errors = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        let how = match (in_time, &status) {
            (false, _) => "it did not end in its time".to_owned(),
            (true, Ok(status)) => status.to_string(),
            (true, Err(error)) => error.to_string(),
        };
        let parse = |text: &String| -> Result<Value, String> {
            serde_json::from_str(text).map_err(|error| format!("{error} in the line {text:?}"))
        };
        Printed {
            lines: texts.iter().map(parse).collect(),
            succeeded: in_time && status.is_ok_and(|status| status.success()),
            end: format!("{how}: {:?}", errors.trim()),
        }
    }
}

impl Drop for ReaderProcess {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
