//! Many reader processes, and their memory.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use barbus::{Event, Reader, Start};
use barbus_ring::{Polled, Ring, RingReader};

use super::check;
use barbus_bench_link::pin;

/// The task of a reader process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Task {
    /// Polls a ring every ten milliseconds.
    PollRing,
    /// Polls a bus every ten milliseconds.
    Poll,
    /// Sleeps until the writer wakes it.
    Sleep,
    /// Reads all bars and stays attached.
    Stay,
}

const PAUSE: Duration = Duration::from_millis(10);

/// The body of a reader process.
///
/// It reports that it is attached, reads and verifies the rows `from..to`, reports again, and stays
/// until its standard input ends.
pub(crate) fn attend(task: Task, path: &Path, from: u64, to: u64) -> anyhow::Result<()> {
    let mut next = from;
    if task == Task::PollRing {
        pin(1);
        let ring = Ring::attach(path)?;
        let mut ring_reader = RingReader::new(&ring, barbus_ring::RingStart::Seq(from))?;
        let mut rows = Vec::with_capacity(1_024);
        say("here")?;
        while next < to {
            rows.clear();
            match ring_reader.poll(&ring, &mut rows, 1_024) {
                Polled::Rows(count) => {
                    check(&rows, next)?;
                    next += count as u64;
                }
                Polled::Empty => std::thread::sleep(PAUSE),
                other => bail!("{other:?} at {next}"),
            }
        }
        return stay();
    }
    if task != Task::Stay {
        pin(1);
    }
    let mut reader = Reader::open(path)?.start_at(Start::Seq(from))?;
    say("here")?;
    while next < to {
        let event = match task {
            Task::Sleep => reader.next(Duration::from_secs(10))?,
            _ => reader.poll()?,
        };
        match event {
            Some(Event::Bars(bars)) => {
                check(bars.rows(), next)?;
                next += bars.len() as u64;
            }
            Some(other) => bail!("{other:?} at {next}"),
            None => std::thread::sleep(PAUSE),
        }
    }
    stay()
}

fn stay() -> anyhow::Result<()> {
    say("done")?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn say(word: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{word}")?;
    Ok(out.flush()?)
}

/// A set of reader processes.
pub(super) struct Crowd {
    readers: Vec<(Child, Option<ChildStdin>, BufReader<ChildStdout>)>,
}

impl Crowd {
    /// Starts `count` readers of the rows `from..to` and waits until each is attached.
    pub(super) fn start(count: usize, task: Task, path: &Path, from: u64, to: u64) -> anyhow::Result<Self> {
        let mut crowd = Self { readers: Vec::with_capacity(count) };
        crowd.grow(count, task, path, from, to)?;
        Ok(crowd)
    }

    /// Starts further readers.
    pub(super) fn grow(&mut self, to_count: usize, task: Task, path: &Path, from: u64, to: u64) -> anyhow::Result<()> {
        let known = self.readers.len();
        let task = clap::ValueEnum::to_possible_value(&task).context("every task has a name")?;
        for _ in known..to_count {
            let mut child = Command::new(std::env::current_exe()?)
                .args(["growth-reader", task.get_name()])
                .arg(path)
                .args([from.to_string(), to.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let out = BufReader::new(child.stdout.take().context("piped")?);
            let stdin = child.stdin.take();
            self.readers.push((child, stdin, out));
        }
        self.readers[known..].iter_mut().try_for_each(|reader| heard(&mut reader.2, "here"))
    }

    /// Waits until the readers from index `known` on have read everything.
    pub(super) fn read(&mut self, known: usize) -> anyhow::Result<()> {
        self.readers[known..].iter_mut().try_for_each(|reader| heard(&mut reader.2, "done"))
    }

    /// Memory in bytes of this process and the readers: in total, and the shared part.
    ///
    /// Shared memory counts once.
    pub(super) fn memory(&self) -> anyhow::Result<(u64, u64)> {
        let pids = self.readers.iter().map(|(child, ..)| child.id()).chain([std::process::id()]);
        pids.map(memory_of).try_fold((0, 0), |sum, one| one.map(|one| (sum.0 + one.0, sum.1 + one.1)))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // Closing the input ends a reader; a failed one has ended already.
        self.readers.iter_mut().for_each(|(_, stdin, _)| drop(stdin.take()));
        for (child, ..) in &mut self.readers {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn heard(out: &mut BufReader<ChildStdout>, word: &str) -> anyhow::Result<()> {
    let mut line = String::new();
    out.read_line(&mut line)?;
    ensure!(line.trim() == word, "a reader failed: {line:?}");
    Ok(())
}

fn memory_of(pid: u32) -> anyhow::Result<(u64, u64)> {
    let path = PathBuf::from(format!("/proc/{pid}/smaps_rollup"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let kilobytes = |key: &str| -> anyhow::Result<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key}"))?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1_024)
    };
    Ok((kilobytes("Pss:")?, kilobytes("Pss_Shmem:")?))
}
