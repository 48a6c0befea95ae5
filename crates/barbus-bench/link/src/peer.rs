use std::any::Any;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::drive;
use crate::{Figures, Job, Role};

/// What is measured between two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measure {
    /// One bar, there and back again, both spinning; half of a round trip.
    OneWay,
    /// The same; the other one has fallen asleep in the kernel whenever a bar is sent.
    OneWayAsleep,
    /// Bars published one by one, with a reader that keeps up.
    OneByOne,
    /// Bars published in batches, with a reader that keeps up.
    Batches,
}

/// How a receiver waits, and whether a sender has to wake it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wait {
    /// It looks again and again.
    Spin,
    /// The kernel wakes it.
    Sleep,
}

/// How much is sent in a round, for a measure to take about a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Round trips, both spinning.
    pub spinning: u64,
    /// Round trips, both asleep.
    pub asleep: u64,
    /// Bars, one by one.
    pub one_by_one: u64,
    /// Bars, in batches.
    pub batched: u64,
}

impl Default for Scale {
    fn default() -> Self {
        Self { spinning: 200_000, asleep: 3_000, one_by_one: 20_000_000, batched: 20_000_000 }
    }
}

/// A way to send bars from one process to another.
pub trait Peer {
    /// Its sending end.
    type Sender: Sender;
    /// Its receiving end.
    type Receiver: Receiver;

    /// What it is called in the table.
    fn name(&self) -> &'static str;

    /// Version and settings, for the reader of the table.
    fn settings(&self) -> String;

    /// Why it cannot be measured here, where it cannot.
    fn missing(&self) -> Option<String> {
        None
    }

    /// What it can do.
    fn measures(&self) -> &'static [Measure];

    /// How much to send.
    fn scale(&self) -> Scale {
        Scale::default()
    }

    /// Bars that it holds before it overwrites what a slow reader has not read; `None` where its sender waits by itself.
    ///
    /// The driver then keeps the sender from being more than half of that ahead of the reader, the same way for all.
    fn capacity(&self) -> Option<u64> {
        None
    }

    /// Starts what has to run besides sender and receiver; it ends when the value is dropped.
    fn server(&self, _directory: &Path) -> anyhow::Result<Option<Box<dyn Any>>> {
        Ok(None)
    }

    /// Opens the sending end of the channel `name` in `directory`, before any receiver of it.
    fn sender(&self, directory: &Path, name: &str, wait: Wait) -> anyhow::Result<Self::Sender>;

    /// Opens the receiving end: it waits for its sender, see [`until`].
    fn receiver(&self, directory: &Path, name: &str, wait: Wait) -> anyhow::Result<Self::Receiver>;
}

/// The sending end.
pub trait Sender {
    /// Sends [`crate::Bar::number`]`(n)`, so that a receiver finds it when this returns (and wakes it, if it was opened to sleep).
    fn send(&mut self, n: u64) -> anyhow::Result<()>;

    /// Sends the bars with numbers from `first` at once, where there is a way to do so.
    fn send_batch(&mut self, first: u64, count: u64) -> anyhow::Result<()> {
        (first..first + count).try_for_each(|n| self.send(n))
    }
}

/// The receiving end.
pub trait Receiver {
    /// Takes what there is, checks that it is the bars with numbers from `next` on, in every field, and says how many there were.
    ///
    /// Opened to spin it returns 0 where there is nothing; opened to sleep it may wait for a while.
    fn receive(&mut self, next: u64) -> anyhow::Result<u64>;
}

/// Tries until it works, for as long as a process takes to start.
pub fn until<T, E: Into<anyhow::Error>>(mut attempt: impl FnMut() -> Result<T, E>) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if begun.elapsed() > Duration::from_secs(10) => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// A [`Peer`] without its types; every peer is one.
pub trait AnyPeer {
    /// [`Peer::name`].
    fn name(&self) -> &'static str;
    /// [`Peer::settings`].
    fn settings(&self) -> String;
    /// [`Peer::missing`].
    fn missing(&self) -> Option<String>;
    /// [`Peer::measures`].
    fn measures(&self) -> &'static [Measure];
    /// [`Peer::server`].
    fn server(&self, directory: &Path) -> anyhow::Result<Option<Box<dyn Any>>>;
    /// Does one side of a measure; the side that has the clock says what it saw.
    fn run(&self, job: &Job) -> anyhow::Result<Option<Figures>>;
}

impl<P: Peer> AnyPeer for P {
    fn name(&self) -> &'static str {
        Peer::name(self)
    }

    fn settings(&self) -> String {
        Peer::settings(self)
    }

    fn missing(&self) -> Option<String> {
        Peer::missing(self)
    }

    fn measures(&self) -> &'static [Measure] {
        Peer::measures(self)
    }

    fn server(&self, directory: &Path) -> anyhow::Result<Option<Box<dyn Any>>> {
        Peer::server(self, directory)
    }

    fn run(&self, job: &Job) -> anyhow::Result<Option<Figures>> {
        let control = Control::open(&job.directory)?;
        let done = match (job.measure, job.role) {
            (_, Role::Server) => bail!("a server has no side"),
            (_, Role::Both { bars, reads }) => drive::both(self, job, bars, reads).map(|()| None),
            (Measure::OneWay, Role::First) => drive::ping(self, job, Wait::Spin, &control).map(Some),
            (Measure::OneWayAsleep, Role::First) => drive::ping(self, job, Wait::Sleep, &control).map(Some),
            (Measure::OneWay, Role::Second) => drive::echo(self, job, Wait::Spin, &control).map(|()| None),
            (Measure::OneWayAsleep, Role::Second) => drive::echo(self, job, Wait::Sleep, &control).map(|()| None),
            (Measure::OneByOne | Measure::Batches, Role::First) => drive::write(self, job, &control).map(Some),
            (Measure::OneByOne | Measure::Batches, Role::Second) => drive::read(self, job, &control).map(|()| None),
        };
        done.inspect_err(|_| control.fail())
    }
}
