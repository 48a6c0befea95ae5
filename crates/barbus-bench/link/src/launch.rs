//! Starts the processes of a measure and collects the result.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::{Figures, Job, Measure, Role, prepare, scratch};

/// Time limit of a measure.
const PATIENCE: Duration = Duration::from_secs(100);

/// A child process that ends with this value, because its standard input closes.
struct Process {
    child: Child,
    /// Kept apart from the child, because waiting for the child would close it.
    input: Option<ChildStdin>,
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

fn start(program: &Path, job: &Job) -> anyhow::Result<Process> {
    let mut child = Command::new(program)
        .args(["side", &serde_json::to_string(job)?])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let input = child.stdin.take();
    Ok(Process { child, input })
}

/// Measures the peer `name` of `program` once, in child processes.
pub fn measure(program: &Path, name: &str, measure: Measure) -> anyhow::Result<Figures> {
    measured(program, name, measure).with_context(|| format!("{name}: {measure:?}"))
}

fn measured(program: &Path, name: &str, measure: Measure) -> anyhow::Result<Figures> {
    let directory = scratch()?;
    prepare(directory.path())?;
    let job = |role| Job { peer: name.into(), measure, role, directory: directory.path().to_owned() };
    let mut server = start(program, &job(Role::Server))?;
    let mut ready = String::new();
    BufReader::new(server.child.stdout.take().context("it was piped")?).read_line(&mut ready)?;
    ensure!(!ready.is_empty(), "its server did not start");
    if ready.trim() == "false" {
        drop(server);
    }
    let mut second = start(program, &job(Role::Second))?;
    let mut first = start(program, &job(Role::First))?;
    let mut output = first.child.stdout.take().context("it was piped")?;
    // The first process prints its result at the end; this process only waits.
    let (through, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = output.read_to_string(&mut text);
        let _ = through.send(text);
    });
    let begun = Instant::now();
    let text = loop {
        match heard.recv_timeout(Duration::from_millis(500)) {
            Ok(text) => break text,
            Err(_) if second.child.try_wait()?.is_some_and(|status| !status.success()) => {
                bail!("the second process failed")
            }
            Err(_) => ensure!(begun.elapsed() < PATIENCE, "not finished after {PATIENCE:?}"),
        }
    };
    ensure!(first.child.wait()?.success(), "the first process failed");
    ensure!(second.child.wait()?.success(), "the second process failed");
    Ok(serde_json::from_str(&text)?)
}
