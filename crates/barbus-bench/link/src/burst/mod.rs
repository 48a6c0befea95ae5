//! A minute's burst: one producer sends all bars of a minute, and many strategies wait for them.
//!
//! A system implements [`Burst`]. Each strategy is a process that verifies every field of every
//! bar, and stores when it has the complete minute. The figure of a minute is the time from the
//! beginning of its sending until the last strategy has it.
//!
//! All systems do the same work as far as a strategy sees it: each bar has the name of its symbol
//! and not a number, the strategy compares the name and all values, and it finds out by itself that
//! the minute is complete, from the symbols that it knows and not from the number of bytes. The
//! systems that deliver single bars do that with [`StrategyMinute`].
//!
//! What barbus does beyond that is in its figures, and in none of the others': it casts columns of
//! any type, checks the rules, deduplicates, finds the trading day, keeps the bars in a file that
//! outlives its process, and delivers a minute sorted by symbol.

mod bar;
mod minute;

use std::any::Any;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use barbus_shm::{Load, Memory, Store, WriteMap, allocate, boot_ns};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::child::Process;
use crate::{Times, scratch};

pub use bar::{BurstBar, BurstSource, Symbol, burst_symbols, burst_values, check_burst_values};
pub use minute::StrategyMinute;

/// Bars of a minute.
pub const BURST: u64 = 5_000;
/// Strategies, each in a process of its own.
pub const STRATEGIES: usize = 16;

/// Minutes that are not counted.
const WARM: u64 = 10;
/// The pause after a minute, in which everybody goes to sleep.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a process waits for the others.
const PATIENCE: Duration = Duration::from_secs(60);

/// A way to send the bars of a minute to many processes.
pub trait Burst {
    /// The name in the table.
    fn name(&self) -> &'static str;

    /// Version and settings, shown below the table.
    fn settings(&self) -> String;

    /// The reason if it cannot be measured here.
    fn missing(&self) -> Option<String> {
        None
    }

    /// Starts a server that is needed; dropping the value ends it.
    fn server(&self, _directory: &Path) -> anyhow::Result<Option<Box<dyn Any>>> {
        Ok(None)
    }

    /// Opens the producer's end, before the strategies' ends.
    fn sender(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstSender>>;

    /// Opens the end of a strategy.
    fn receiver(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstReceiver>>;
}

/// The producer's end.
pub trait BurstSender {
    /// Waits until every strategy would get what is sent next.
    fn begin(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Sends the bars of a minute.
    fn send(&mut self, minute: u64) -> anyhow::Result<()>;
}

/// The end of a strategy.
pub trait BurstReceiver {
    /// Sleeps until the complete minute was received and verified.
    fn receive(&mut self, minute: u64) -> anyhow::Result<()>;
}

/// The description of a system.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BurstAbout {
    /// Its name.
    pub name: String,
    /// Version and settings.
    pub settings: String,
    /// The reason if it cannot be measured here.
    pub missing: Option<String>,
}

/// The description of `system`.
pub fn burst_about(system: &dyn Burst) -> BurstAbout {
    BurstAbout { name: system.name().into(), settings: system.settings(), missing: system.missing() }
}

/// The task of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum BurstRole {
    Server,
    Producer,
    Strategy(usize),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct BurstJob {
    system: String,
    role: BurstRole,
    directory: PathBuf,
    minutes: u64,
}

/// The words that the processes share: for each of them whether it is ready, how many minutes it
/// has, and when it had the last one; and whether one has failed.
struct Words(WriteMap);

const LINE: usize = 128;
const FAILED: usize = (STRATEGIES + 1) * LINE;

impl Words {
    fn open(directory: &Path) -> anyhow::Result<Self> {
        Ok(Self(WriteMap::open(&directory.join("burst"))?))
    }

    fn set(&self, process: usize, word: usize, value: u64) {
        self.0.words64(process * LINE + 8 * word, 1)[0].set_release(value);
    }

    fn get(&self, process: usize, word: usize) -> u64 {
        let value = self.0.words64(process * LINE + 8 * word, 1)[0].get();
        self.0.fence_acquire();
        value
    }

    /// Waits until `word` of each of `processes` is at least `value`.
    fn wait(&self, processes: std::ops::Range<usize>, word: usize, value: u64) -> anyhow::Result<()> {
        let begun = Instant::now();
        while processes.clone().any(|process| self.get(process, word) < value) {
            ensure!(self.0.words64(FAILED, 1)[0].get() == 0, "another process failed");
            ensure!(begun.elapsed() < PATIENCE, "not finished after {PATIENCE:?}");
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}

const READY: usize = 0;
const MINUTES: usize = 1;
const AT_NS: usize = 2;

/// Runs a task (JSON) with the system that it names. The producer prints its result as JSON.
pub fn burst_side(systems: &[Box<dyn Burst>], job: &str) -> anyhow::Result<()> {
    let job: BurstJob = serde_json::from_str(job)?;
    let system = systems.iter().find(|system| system.name() == job.system);
    let system = system.with_context(|| format!("no system {:?}", job.system))?;
    if job.role == BurstRole::Server {
        let server = system.server(&job.directory)?;
        println!("{}", server.is_some());
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        return Ok(());
    }
    // A process that waits would not notice that its parent has ended.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
    let words = Words::open(&job.directory)?;
    let done = match job.role {
        BurstRole::Strategy(number) => attend(system.as_ref(), &job, number, &words),
        _ => produce(system.as_ref(), &job, &words).and_then(|times| {
            println!("{}", serde_json::to_string(&times)?);
            Ok(())
        }),
    };
    done.inspect_err(|_| words.0.words64(FAILED, 1)[0].set_release(1))
}

fn produce(system: &dyn Burst, job: &BurstJob, words: &Words) -> anyhow::Result<Times> {
    let mut sender = system.sender(&job.directory)?;
    words.set(STRATEGIES, READY, 1);
    words.wait(0..STRATEGIES, READY, 1)?;
    sender.begin()?;
    let mut histogram = Histogram::<u64>::new(3)?;
    for minute in 0..WARM + job.minutes {
        std::thread::sleep(PAUSE);
        let begun = boot_ns();
        sender.send(minute)?;
        words.wait(0..STRATEGIES, MINUTES, minute + 1)?;
        let last = (0..STRATEGIES).map(|strategy| words.get(strategy, AT_NS)).max().unwrap_or_default();
        if minute >= WARM {
            histogram.record(last.saturating_sub(begun as u64))?;
        }
    }
    let ns = |quantile| histogram.value_at_quantile(quantile) as f64;
    Ok(Times { p50: ns(0.5), p99: ns(0.99), p999: ns(0.999), max: histogram.max() as f64 })
}

fn attend(system: &dyn Burst, job: &BurstJob, number: usize, words: &Words) -> anyhow::Result<()> {
    words.wait(STRATEGIES..STRATEGIES + 1, READY, 1)?;
    let mut receiver = system.receiver(&job.directory)?;
    words.set(number, READY, 1);
    for minute in 0..WARM + job.minutes {
        receiver.receive(minute)?;
        words.set(number, AT_NS, boot_ns() as u64);
        words.set(number, MINUTES, minute + 1);
    }
    Ok(())
}

/// Measures the system `name` of `program` over this number of minutes, in child processes.
pub fn burst_measure(program: &Path, name: &str, minutes: u64) -> anyhow::Result<Times> {
    let directory = scratch()?;
    allocate(&directory.path().join("burst"), 4_096)?;
    let start = |role: BurstRole| {
        let job = BurstJob { system: name.into(), role, directory: directory.path().to_owned(), minutes };
        Process::start(program, "burst-side", &job)
    };
    let mut server = start(BurstRole::Server)?;
    server.ready_line().with_context(|| name.to_owned())?;
    let mut producer = start(BurstRole::Producer)?;
    let strategies = (0..STRATEGIES).map(|number| start(BurstRole::Strategy(number)));
    let mut strategies = strategies.collect::<anyhow::Result<Vec<_>>>()?;
    let mut text = String::new();
    producer.output()?.read_to_string(&mut text)?;
    ensure!(producer.child.wait()?.success(), "{name}: the producer failed");
    for strategy in &mut strategies {
        ensure!(strategy.child.wait()?.success(), "{name}: a strategy failed");
    }
    serde_json::from_str(&text).with_context(|| format!("{name}: {text:?}"))
}
