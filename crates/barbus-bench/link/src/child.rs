//! A process of a measure: the program itself, with a subcommand and a job.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;

/// A child process that ends with this value, because its standard input closes.
pub(crate) struct Process {
    pub(crate) child: Child,
    /// Kept apart from the child, because waiting for the child would close it.
    input: Option<ChildStdin>,
}

impl Process {
    /// Starts `program` with this subcommand and job.
    pub(crate) fn start(program: &Path, subcommand: &str, job: &impl Serialize) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args([subcommand, &serde_json::to_string(job)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let input = child.stdin.take();
        Ok(Self { child, input })
    }

    /// The line that a server prints when it is ready.
    pub(crate) fn ready_line(&mut self) -> anyhow::Result<String> {
        let mut ready = String::new();
        BufReader::new(self.output()?).read_line(&mut ready)?;
        ensure!(!ready.is_empty(), "its server did not start");
        Ok(ready)
    }

    /// Its standard output, once.
    pub(crate) fn output(&mut self) -> anyhow::Result<ChildStdout> {
        self.child.stdout.take().context("it was piped")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
