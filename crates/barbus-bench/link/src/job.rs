//! Jobs, results and descriptions that the processes of a measure exchange as JSON.

use std::path::PathBuf;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{AnyPeer, Measure};

/// The role of a process in a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The peer's server; it lives until its standard input ends.
    Server,
    /// Sends first, on core 0, and measures the time.
    First,
    /// Receives first, on core 1.
    Second,
    /// Both ends in one process without a clock, for instruction counts.
    ///
    /// It sends `bars` bars and then receives them if `reads` is set.
    Both {
        /// Number of bars, at most as many as the peer holds.
        bars: u64,
        /// Whether the bars are received as well.
        reads: bool,
    },
}

/// The job of one process of a measure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Name of the peer.
    pub peer: String,
    /// The measure.
    pub measure: Measure,
    /// The role of the process.
    pub role: Role,
    /// The directory of the peer's files.
    pub directory: PathBuf,
}

/// The result of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Figures {
    /// Latency of one bar, one way.
    OneWay(Times),
    /// Throughput.
    Rate {
        /// Bars sent and read.
        bars: u64,
        /// Bars per second.
        per_second: f64,
    },
}

/// Latencies in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The 99.9th percentile.
    pub p999: f64,
    /// The maximum.
    pub max: f64,
}

impl Times {
    /// The values with their names.
    pub fn named(&self) -> [(&'static str, f64); 4] {
        [("p50", self.p50), ("p99", self.p99), ("p99.9", self.p999), ("max", self.max)]
    }
}

/// The description of a peer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct About {
    /// Its name.
    pub name: String,
    /// Version and settings.
    pub settings: String,
    /// The reason if the peer cannot be measured here.
    pub missing: Option<String>,
    /// The supported measures.
    pub measures: Vec<Measure>,
}

/// The description of `peer`.
pub fn about(peer: &dyn AnyPeer) -> About {
    About {
        name: peer.name().into(),
        settings: peer.settings(),
        missing: peer.missing(),
        measures: peer.measures().to_vec(),
    }
}

/// Runs `job` (JSON) with the peer that it names.
///
/// The first process prints its result as JSON.
pub fn side(peers: &[Box<dyn AnyPeer>], job: &str) -> anyhow::Result<()> {
    let job: Job = serde_json::from_str(job)?;
    let peer = peers.iter().find(|peer| peer.name() == job.peer).with_context(|| format!("no peer {:?}", job.peer))?;
    if job.role == Role::Server {
        let server = peer.server(&job.directory)?;
        println!("{}", server.is_some());
        until_the_end_of_input();
        return Ok(());
    }
    // A spinning process would not notice that its parent has ended.
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
