//! What the daemon answers, which alone knows producers, rates and the quarantine of its run.

use std::time::{Duration, Instant};

use barbus::protocol::Stat;
use barbus::{Bus, Error};

/// How long the daemon may take to answer. It answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// The daemon's last answer.
#[derive(Debug, Clone)]
pub(super) enum DaemonAnswer {
    /// It runs, and this is the state of the bus.
    Runs(Box<Stat>),
    /// No daemon listens.
    Absent,
    /// It did not answer in time, and why.
    Silent(String),
    /// It cannot be asked, or it refuses to answer.
    Refused(String),
}

/// The daemon's answers so far.
#[derive(Debug)]
pub(super) struct DaemonWatch {
    /// `None` until it was asked for the first time.
    pub(super) answer: Option<DaemonAnswer>,
    /// When it last answered or was known to be absent; at first when it was asked.
    pub(super) answered_at: Instant,
}

impl DaemonWatch {
    /// Before the first question.
    pub(super) fn new() -> DaemonWatch {
        DaemonWatch { answer: None, answered_at: Instant::now() }
    }

    /// Takes an answer.
    pub(super) fn note(&mut self, answer: DaemonAnswer) {
        if !matches!(answer, DaemonAnswer::Silent(_)) {
            self.answered_at = Instant::now();
        }
        self.answer = Some(answer);
    }
}

/// Asks the daemon of `bus`.
pub(super) fn ask(bus: &Bus) -> DaemonAnswer {
    match barbus::stat_within(bus, PATIENCE) {
        Ok(Stat { daemon_silent: Some(why), .. }) => DaemonAnswer::Silent(why),
        Ok(stat) if stat.pid.is_some() => DaemonAnswer::Runs(Box::new(stat)),
        // Without a daemon the state is that of the files, which another worker reads.
        Ok(_) | Err(Error::NoDaemon { .. } | Error::NoRing { .. } | Error::OtherBoot { .. }) => DaemonAnswer::Absent,
        Err(error) => DaemonAnswer::Refused(error.to_string()),
    }
}
