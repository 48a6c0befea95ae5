//! What barbus does in time, side by side with what the machine can do at most.
//!
//! Every measure runs in several rounds, the systems of a round one after the other, so that the ratios of a round mean something on a
//! noisy machine. Two-process measures pin each process to a core of its own. Every bar that is read is checked.
#![forbid(unsafe_code)]

mod batch;
mod ingest;
mod latency;
mod questions;
mod report;
mod restart;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use report::Report;

/// Measures barbus against the limits of this machine.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything, several rounds.
    All {
        /// Rounds; the medians are reported.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Writes the results as JSON too.
        #[arg(long)]
        json: Option<PathBuf>,
        /// Folder of real bars, for the ingest measure; skipped without it.
        #[arg(long, env = "BARBUS_DATA")]
        data: Option<PathBuf>,
        /// Only these parts.
        #[arg(long, value_delimiter = ',', default_values = ["latency", "batch", "questions", "ingest"])]
        only: Vec<Part>,
    },
    /// From the daemon's start to its first acknowledgement, with a full ring.
    Restart {
        /// Rounds; the medians are reported.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
    },
    /// The other process of a latency measure.
    #[command(hide = true)]
    Echo {
        /// Which system.
        system: latency::System,
        /// Directory of its files.
        directory: PathBuf,
        /// Messages to be answered.
        count: u64,
    },
}

/// A part of the measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// One bar from process to process.
    Latency,
    /// Batches through the library.
    Batch,
    /// `latest` and `window` over a full day.
    Questions,
    /// A year of real bars by the command line.
    Ingest,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Echo { system, directory, count } => latency::echo(system, &directory, count),
        Command::Restart { rounds } => {
            let mut report = Report::default();
            restart::rounds(&mut report, rounds.max(1))?;
            print!("{}", report.table());
            Ok(())
        }
        Command::All { rounds, json, data, only } => {
            let mut report = Report::default();
            for round in 1..=rounds.max(1) {
                eprintln!("round {round} of {rounds}");
                if only.contains(&Part::Latency) {
                    latency::round(&mut report)?;
                }
                if only.contains(&Part::Batch) {
                    batch::round(&mut report)?;
                }
                if only.contains(&Part::Questions) {
                    questions::round(&mut report)?;
                }
                if let Some(data) = data.as_ref().filter(|_| only.contains(&Part::Ingest)) {
                    ingest::round(&mut report, data)?;
                }
            }
            if data.is_none() && only.contains(&Part::Ingest) {
                eprintln!("skipped: ingest (BARBUS_DATA is not set)");
            }
            print!("{}", report.table());
            if let Some(path) = json {
                std::fs::write(path, report.json()?)?;
            }
            Ok(())
        }
    }
}
