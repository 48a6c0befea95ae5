//! The processes of the demo: this program, started again as the daemon and as readers.
//!
//! None outlives the demo: a process is killed when it is dropped, and ends when its parent ends.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use barbus::{Bus, ConnectOptions};
use clap::ValueEnum;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::market::Scale;
use super::reader::{Report, Role};

/// Longest wait for a process to start or to end.
const TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A process that is killed when it is dropped.
struct KillOnDrop(Child);

impl KillOnDrop {
    fn start(command: &mut Command) -> anyhow::Result<KillOnDrop> {
        Ok(KillOnDrop(command.spawn().with_context(|| format!("{:?} does not start", command.get_program()))?))
    }

    /// Waits at most [`TIMEOUT`] for the process to end.
    fn wait(&mut self, what: &str) -> anyhow::Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            ensure!(start.elapsed() < TIMEOUT, "{what} does not end");
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn this_program() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::current_exe().context("this program's path")?))
}

/// The daemon of a bus.
pub(super) struct DaemonProcess {
    process: KillOnDrop,
    log: PathBuf,
}

impl DaemonProcess {
    /// Starts the daemon, which logs to the file `log`, and waits until it answers.
    pub(super) fn start(bus: &Bus, log: PathBuf) -> anyhow::Result<DaemonProcess> {
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = this_program()?;
        command.arg("daemon").arg(bus.path()).arg("--parent").arg(std::process::id().to_string());
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut daemon = DaemonProcess { process: KillOnDrop::start(&mut command)?, log };
        let start = Instant::now();
        let at_once = ConnectOptions { wait: Duration::ZERO, ..ConnectOptions::default() };
        while barbus::Publisher::connect_with(bus, at_once).is_err() {
            if let Some(status) = daemon.process.0.try_wait()? {
                bail!("the daemon ended with {status}: {}", daemon.last_line());
            }
            ensure!(start.elapsed() < TIMEOUT, "the daemon does not answer: {}", daemon.last_line());
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(daemon)
    }

    /// Ends the daemon as an operator does, with SIGTERM.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.process.0.id())?);
        kill(pid, Signal::SIGTERM).context("cannot send SIGTERM to the daemon")?;
        let status = self.process.wait("the daemon")?;
        ensure!(status.success(), "the daemon ended with {status}: {}", self.last_line());
        Ok(())
    }

    fn last_line(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().last().unwrap_or("its log is empty").to_owned()
    }
}

/// A report of a reader; `None` when its output has ended.
pub(super) type ReaderMessage = (Role, Option<Report>);

/// A reader process.
pub(super) struct ReaderProcess {
    process: KillOnDrop,
    role: Role,
    /// The file with the log of its bars, once it has ended.
    pub(super) log: PathBuf,
}

impl ReaderProcess {
    /// Starts a reader, whose reports are sent to `reports`.
    pub(super) fn start(
        role: Role,
        bus: &Path,
        scale: Scale,
        log: PathBuf,
        reports: Sender<ReaderMessage>,
    ) -> anyhow::Result<ReaderProcess> {
        let mut command = this_program()?;
        command.arg("demo-reader").arg(bus).arg("--log").arg(&log);
        let name = role.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let options = [
            ("--role", name),
            ("--seed", scale.seed.to_string()),
            ("--symbols", scale.symbols.to_string()),
            ("--minutes", scale.minutes.to_string()),
            ("--parent", std::process::id().to_string()),
        ];
        for (option, value) in options {
            command.arg(option).arg(value);
        }
        // Its standard error is that of the demo.
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = KillOnDrop::start(&mut command)?;
        let output = process.0.stdout.take().context("the reader's output")?;
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(report) = serde_json::from_str(&line) {
                    let _ = reports.send((role, Some(report)));
                }
            }
            let _ = reports.send((role, None));
        });
        Ok(ReaderProcess { process, role, log })
    }

    /// Waits for the process to end, which must be a success.
    pub(super) fn wait(&mut self) -> anyhow::Result<()> {
        let name = format!("reader {:?}", self.role);
        let status = self.process.wait(&name)?;
        ensure!(status.success(), "{name} ended with {status}");
        Ok(())
    }
}
