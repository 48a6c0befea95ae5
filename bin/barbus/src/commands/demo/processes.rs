//! The processes of the demo: this very program, started again as the daemon and as readers.
//!
//! None of them stays behind: one that is dropped is killed, and each ends by itself when this process does.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use barbus::Bus;
use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};

use super::market::Scale;
use super::reader::{Role, Word};

/// For how long the daemon is waited for, at its start and at its end.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(5);

/// A process that is killed when it is dropped.
struct Guarded(Child);

impl Guarded {
    fn start(command: &mut Command) -> anyhow::Result<Guarded> {
        Ok(Guarded(command.spawn().with_context(|| format!("{:?} does not start", command.get_program()))?))
    }

    /// Waits for its end, at most [`PATIENCE`].
    fn wait(&mut self, what: &str) -> anyhow::Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            ensure!(start.elapsed() < PATIENCE, "{what} does not end");
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Guarded {
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
pub(super) struct Daemon {
    process: Guarded,
    log: PathBuf,
}

impl Daemon {
    /// Starts it, its log going to `log`, and waits until it answers.
    pub(super) fn start(bus: &Bus, log: PathBuf) -> anyhow::Result<Daemon> {
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = this_program()?;
        command.arg("daemon").arg(bus.path()).arg("--parent").arg(std::process::id().to_string());
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut daemon = Daemon { process: Guarded::start(&mut command)?, log };
        let start = Instant::now();
        while barbus::Publisher::connect(bus).is_err() {
            if let Some(status) = daemon.process.0.try_wait()? {
                bail!("the daemon ended with {status}: {}", daemon.last_line());
            }
            ensure!(start.elapsed() < PATIENCE, "the daemon does not answer: {}", daemon.last_line());
            std::thread::sleep(LOOK);
        }
        Ok(daemon)
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Ends it as an operator does, with SIGTERM.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("the daemon's process number")?;
        kill_process(pid, Signal::TERM).context("the daemon cannot be ended")?;
        let status = self.process.wait("the daemon")?;
        ensure!(status.success(), "the daemon ended with {status}: {}", self.last_line());
        Ok(())
    }

    fn last_line(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().last().unwrap_or("it said nothing").to_owned()
    }
}

/// A reader and what it said; `None` when it has no more to say.
pub(super) type Said = (Role, Option<Word>);

/// A reader process.
pub(super) struct ReaderProcess {
    process: Guarded,
    role: Role,
    /// The file with what it saw, once it is done.
    pub(super) seen: PathBuf,
}

impl ReaderProcess {
    /// Starts a reader; what it says is sent to `words`.
    pub(super) fn start(
        role: Role,
        bus: &Path,
        scale: Scale,
        seen: PathBuf,
        words: Sender<Said>,
    ) -> anyhow::Result<ReaderProcess> {
        let mut command = this_program()?;
        command.arg("demo-reader").arg(bus).arg("--seen").arg(&seen);
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
        // Its complaints are ours.
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Guarded::start(&mut command)?;
        let said = process.0.stdout.take().context("the reader's output")?;
        std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                if let Ok(word) = serde_json::from_str(&line) {
                    let _ = words.send((role, Some(word)));
                }
            }
            let _ = words.send((role, None));
        });
        Ok(ReaderProcess { process, role, seen })
    }

    /// Waits for its end, which must be a success.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        let name = format!("reader {:?}", self.role);
        let status = self.process.wait(&name)?;
        ensure!(status.success(), "{name} ended with {status}");
        Ok(())
    }
}
