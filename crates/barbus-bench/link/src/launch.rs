//! Starts the processes of a measure and collects the result.

use std::io::Read;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::child::Process;
use crate::{Figures, Job, Measure, Role, prepare, scratch};

/// Time limit of a measure.
const PATIENCE: Duration = Duration::from_secs(100);

/// Measures the peer `name` of `program` once, in child processes.
pub fn measure(program: &Path, name: &str, measure: Measure) -> anyhow::Result<Figures> {
    measured(program, name, measure).with_context(|| format!("{name}: {measure:?}"))
}

fn measured(program: &Path, name: &str, measure: Measure) -> anyhow::Result<Figures> {
    let directory = scratch()?;
    prepare(directory.path())?;
    let start = |role| {
        let job = Job { peer: name.into(), measure, role, directory: directory.path().to_owned() };
        Process::start(program, "side", &job)
    };
    let mut server = start(Role::Server)?;
    if server.ready_line()?.trim() == "false" {
        drop(server);
    }
    let mut second = start(Role::Second)?;
    let mut first = start(Role::First)?;
    let mut output = first.output()?;
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
