//! The command line `barbus`, contained in this program, so that both come from one build.

use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use barbus::Bus;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Limit for the start of a daemon.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that runs the command line in its own process.
pub(crate) fn barbus() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("barbus");
    Ok(command)
}

/// Makes a bus at `path`, whose days are those of UTC.
pub(crate) fn init(path: &Path) -> anyhow::Result<()> {
    let mut init = barbus()?;
    let made = init.arg("init").arg(path).args(["--calendar", "24x7"]).stdout(Stdio::null()).status()?;
    ensure!(made.success(), "barbus init failed");
    Ok(())
}

/// The body of that process.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    barbus_cli::run(std::iter::once("barbus".into()).chain(arguments))
}

/// The daemon of a bus; dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts the daemon, which reports its own errors.
    pub(crate) fn start(bus: &Bus) -> anyhow::Result<Self> {
        let mut command = barbus()?;
        command.arg("daemon").arg(bus.path()).args(["--log-level", "error"]).stdin(Stdio::null());
        // The daemon ends with this process.
        command.arg("--parent").arg(std::process::id().to_string());
        Ok(Self(command.spawn().context("cannot start the daemon")?))
    }

    /// Polls every `pause` until the daemon listens.
    pub(crate) fn until_it_listens(&mut self, bus: &Bus, pause: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        while UnixStream::connect(bus.socket()).is_err() {
            ensure!(self.0.try_wait()?.is_none(), "the daemon ended");
            ensure!(begun.elapsed() < PATIENCE, "the daemon does not listen");
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// Ends the daemon by a signal.
    pub(crate) fn end(mut self, signal: Signal) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.0.id() as i32), signal)?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Killing a process that has been reaped fails, which is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
