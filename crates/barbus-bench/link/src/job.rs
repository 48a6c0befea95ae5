use std::path::PathBuf;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{AnyPeer, Measure};

/// Which of a measure's processes this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// What the peer needs besides: it lives until its standard input ends.
    Server,
    /// Sends first, on core 0, and has the clock.
    First,
    /// Receives first, on core 1.
    Second,
    /// Both ends in one process without a clock, for whoever counts what it does: sends so many bars, and then receives them if it `reads`.
    Both {
        /// Bars, no more than the peer holds.
        bars: u64,
        /// Whether they are received as well.
        reads: bool,
    },
}

/// What a process of a measure is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Name of the peer.
    pub peer: String,
    /// What is measured.
    pub measure: Measure,
    /// Which process.
    pub role: Role,
    /// Where the peer's files are.
    pub directory: PathBuf,
}

/// What a measure found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Figures {
    /// One bar, one way.
    OneWay(Times),
    /// Bars a second.
    Rate {
        /// How many were sent and read.
        bars: u64,
        /// How many of them a second.
        per_second: f64,
    },
}

/// Nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Half of them were faster.
    pub p50: f64,
    /// 99 % of them.
    pub p99: f64,
    /// 99.9 % of them.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

impl Times {
    /// With their names.
    pub fn named(&self) -> [(&'static str, f64); 4] {
        [("p50", self.p50), ("p99", self.p99), ("p99.9", self.p999), ("max", self.max)]
    }
}

/// What a program says of a peer that it has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct About {
    /// Its name.
    pub name: String,
    /// Version and settings.
    pub settings: String,
    /// Why it cannot be measured here.
    pub missing: Option<String>,
    /// What it can do.
    pub measures: Vec<Measure>,
}

/// What there is to say of `peer`.
pub fn about(peer: &dyn AnyPeer) -> About {
    About {
        name: peer.name().into(),
        settings: peer.settings(),
        missing: peer.missing(),
        measures: peer.measures().to_vec(),
    }
}

/// Does `job` (JSON) with the one of `peers` that it names; what the first process found goes to standard output, as JSON.
pub fn side(peers: &[Box<dyn AnyPeer>], job: &str) -> anyhow::Result<()> {
    let job: Job = serde_json::from_str(job)?;
    let peer = peers.iter().find(|peer| peer.name() == job.peer).with_context(|| format!("no peer {:?}", job.peer))?;
    if job.role == Role::Server {
        let server = peer.server(&job.directory)?;
        println!("{}", server.is_some());
        until_the_end_of_input();
        return Ok(());
    }
    // Who spins does not notice that nobody waits for him any more.
    std::thread::spawn(|| {
        until_the_end_of_input();
        std::process::exit(1);
    });
    if let Some(figures) = peer.run(&job)? {
        println!("{}", serde_json::to_string(&figures)?);
    }
    Ok(())
}

fn until_the_end_of_input() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}
