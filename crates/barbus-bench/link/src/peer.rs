//! The traits that a system implements to be measured.

use std::any::Any;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::drive;
use crate::{Figures, Job, Role};

/// A measure between two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measure {
    /// Half of a round trip of one bar; both processes spin.
    OneWay,
    /// The same, but the receiver sleeps in the kernel whenever a bar is sent.
    OneWayAsleep,
    /// Bars published one by one, with a reader that keeps up.
    OneByOne,
    /// Bars published in batches, with a reader that keeps up.
    Batches,
}

/// How a receiver waits; a sleeping one must be woken by the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wait {
    /// It spins.
    Spin,
    /// It sleeps in the kernel.
    Sleep,
}

/// Amounts of a round, so that each measure takes about a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Round trips, both spinning.
    pub spinning: u64,
    /// Round trips, both asleep.
    pub asleep: u64,
    /// Single bars.
    pub one_by_one: u64,
    /// Bars in batches.
    pub batched: u64,
}

impl Default for Scale {
    fn default() -> Self {
        Self { spinning: 200_000, asleep: 3_000, one_by_one: 20_000_000, batched: 20_000_000 }
    }
}

/// A way to send bars from one process to another.
pub trait Peer {
    /// The sending end.
    type Sender: Sender;
    /// The receiving end.
    type Receiver: Receiver;

    /// The name in the table.
    fn name(&self) -> &'static str;

    /// Version and settings, shown below the table.
    fn settings(&self) -> String;

    /// The reason if the peer cannot be measured here.
    fn missing(&self) -> Option<String> {
        None
    }

    /// The supported measures.
    fn measures(&self) -> &'static [Measure];

    /// The amounts to send.
    fn scale(&self) -> Scale {
        Scale::default()
    }

    /// Bars that the peer holds before it overwrites unread ones.
    ///
    /// `None` if its sender waits for the reader.
    ///
    /// The driver keeps the sender at most half of that ahead of the reader.
    fn capacity(&self) -> Option<u64> {
        None
    }

    /// Starts a server that the peer needs; dropping the value ends it.
    fn server(&self, _directory: &Path) -> anyhow::Result<Option<Box<dyn Any>>> {
        Ok(None)
    }

    /// Opens the sending end of the channel `name` in `directory`, before any receiver of it.
    fn sender(&self, directory: &Path, name: &str, wait: Wait) -> anyhow::Result<Self::Sender>;

    /// Opens the receiving end, which waits for its sender, see [`until`].
    fn receiver(&self, directory: &Path, name: &str, wait: Wait) -> anyhow::Result<Self::Receiver>;
}

/// The sending end.
pub trait Sender {
    /// Sends [`crate::Bar::number`]`(n)`; a receiver can read it when this returns.
    ///
    /// It wakes a receiver that was opened to sleep.
    fn send(&mut self, n: u64) -> anyhow::Result<()>;

    /// Sends the bars with numbers from `first` on as one batch, if the peer supports that.
    fn send_batch(&mut self, first: u64, count: u64) -> anyhow::Result<()> {
        (first..first + count).try_for_each(|n| self.send(n))
    }
}

/// The receiving end.
pub trait Receiver {
    /// Receives available bars, verifies them from number `next` on, and counts them.
    ///
    /// A spinning receiver returns 0 if no bar is available; a sleeping one may wait for a while.
    fn receive(&mut self, next: u64) -> anyhow::Result<u64>;
}

/// Retries until success, for as long as a process may take to start.
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

/// The object-safe form of [`Peer`], implemented for every peer.
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
    /// Runs one side of a measure; the side with the clock returns the result.
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
