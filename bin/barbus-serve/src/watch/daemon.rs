//! What the daemon answers, without waiting for a daemon that does not.
//!
//! A thread asks, and requests take its newest answer. A daemon that is stopped keeps the thread
//! waiting, and no request.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use barbus::Bus;
use barbus::protocol::Stat;
use tokio::sync::watch;

/// An answer of this age is new enough.
const FRESH: Duration = Duration::from_millis(900);
/// How long a request waits for a newer one.
const WAIT: Duration = Duration::from_millis(250);
/// An answer of this age tells nothing of the present.
const STALE: Duration = Duration::from_secs(5);

/// How long the thread waits for the daemon.
const PATIENCE: Duration = Duration::from_secs(2);

/// The daemon's newest answer.
#[derive(Debug, Clone, Default)]
struct Answer {
    at: Option<Instant>,
    stat: Option<Stat>,
    /// Why it was silent.
    silent: Option<String>,
}

/// Where the daemon's figures are asked for.
pub(super) struct DaemonDesk {
    wanted: SyncSender<()>,
    answer: watch::Receiver<Answer>,
}

impl DaemonDesk {
    /// Starts the thread that asks.
    pub(super) fn open(bus: &Bus) -> anyhow::Result<Self> {
        let (wanted, orders) = sync_channel(1);
        let (answers, answer) = watch::channel(Answer::default());
        let bus = bus.clone();
        let ask = move || {
            while let Ok(()) = orders.recv() {
                if answers.send(ask(&bus)).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("ask the daemon".into()).spawn(ask).context("cannot start a thread")?;
        Ok(Self { wanted, answer })
    }

    /// The daemon's figures; without them why it is silent, if there is a daemon.
    pub(super) async fn stat(&self) -> (Option<Stat>, Option<String>) {
        let mut answer = self.answer.clone();
        let is_within = |answer: &Answer, age: Duration| answer.at.is_some_and(|at| at.elapsed() < age);
        if !is_within(&answer.borrow_and_update(), FRESH) {
            // A thread that is asking already has an order, and its answer comes.
            let _ = self.wanted.try_send(());
            let _ = tokio::time::timeout(WAIT, answer.changed()).await;
        }
        let answer = answer.borrow();
        (answer.stat.clone().filter(|_| is_within(&answer, STALE)), answer.silent.clone())
    }
}

fn ask(bus: &Bus) -> Answer {
    let stat = barbus::stat_within(bus, PATIENCE).ok();
    let silent = stat.as_ref().and_then(|stat| stat.daemon_silent.clone());
    let stat = stat.filter(|stat| stat.pid.is_some() && stat.daemon_silent.is_none());
    Answer { at: Some(Instant::now()), stat, silent }
}
