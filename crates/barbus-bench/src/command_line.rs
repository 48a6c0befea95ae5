//! `barbus`, which this program has in it: what is measured is what was built together, and there is nothing else to build.

use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use barbus::Bus;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than a daemon takes to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command line, in a process of its own.
pub(crate) fn barbus() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("barbus");
    Ok(command)
}

/// That process.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    barbus_cli::run(std::iter::once("barbus".into()).chain(arguments))
}

/// The daemon of a bus; it is killed where it has not been ended before.
#[derive(Debug)]
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts it; what goes wrong it says itself.
    pub(crate) fn start(bus: &Bus) -> anyhow::Result<Self> {
        let mut command = barbus()?;
        command.arg("daemon").arg(bus.path()).args(["--log-level", "error"]).stdin(Stdio::null());
        // It ends with this process.
        command.arg("--parent").arg(std::process::id().to_string());
        Ok(Self(command.spawn().context("cannot start the daemon")?))
    }

    /// Waits, looking every `pause`, until it listens.
    pub(crate) fn until_it_listens(&mut self, bus: &Bus, pause: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        while UnixStream::connect(bus.socket()).is_err() {
            ensure!(self.0.try_wait()?.is_none(), "the daemon ended");
            ensure!(begun.elapsed() < PATIENCE, "the daemon does not listen");
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// Ends it by a signal.
    pub(crate) fn end(mut self, signal: Signal) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.0.id() as i32), signal)?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Of one that has been waited for there is nothing left to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
