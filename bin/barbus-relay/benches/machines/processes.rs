//! Processes that a benchmark starts, and the daemon as one of them.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use barbus::Bus;
use barbusd::{DaemonOptions, LogFormat};
use tempfile::TempDir;

use crate::network::Machine;

/// Limit for the start of a process.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process; dropping it kills it.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Self(command.spawn().with_context(|| format!("{command:?}"))?))
    }

    /// Polls until `ask` returns a value.
    fn until<T>(&mut self, what: &str, mut ask: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
        let begun = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return Ok(answer);
            }
            ensure!(self.0.try_wait()?.is_none(), "{what}: it has ended");
            ensure!(begun.elapsed() < PATIENCE, "{what}: it does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it listens at a port of its machine.
    pub(crate) fn listens(mut self, machine: &Machine, port: u16) -> anyhow::Result<Self> {
        let connect = || machine.enter(|| TcpStream::connect((machine.address, port)).ok().map(drop));
        self.until("a server", connect)?;
        Ok(self)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory in shared memory, as all benchmarks of barbus use.
pub(crate) fn scratch() -> anyhow::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    Ok(tempfile::Builder::new().prefix("barbus-machines-").tempdir_in(place)?)
}

/// The daemon of a bus, ready.
pub(crate) fn daemon(bus: &Bus) -> anyhow::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut process = Process::start(command.arg("--daemon").arg(bus.path()))?;
    process.until("the daemon", || barbus::stat(bus).ok()?.pid)?;
    Ok(process)
}

/// The body of that process.
pub(crate) fn run_daemon(bus: PathBuf) -> anyhow::Result<()> {
    barbusd::run(&DaemonOptions { bus, log_format: LogFormat::default(), log_level: Some("error".into()) })
}
