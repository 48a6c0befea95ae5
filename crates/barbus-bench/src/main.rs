//! What barbus does in time, side by side with what the machine can do at most, and with its peers.
//!
//! Every measure runs in several rounds, the systems of a round one after the other, so that the ratios of a round mean something on a
//! noisy machine. Two-process measures pin each process to a core of its own. Every bar that is read is checked.
#![forbid(unsafe_code)]

mod batch;
mod between;
mod catch_up;
mod counters;
mod csv;
mod filling;
mod growth;
mod ingest;
mod market;
mod memory;
mod own;
mod parquet;
mod peers;
mod python;
mod questions;
mod reader;
mod readers;
mod report;
mod restart;
mod socket;
mod syncs;

use std::path::PathBuf;

use barbus_bench_link::Measure;
use clap::{Parser, Subcommand};

use between::System;
use report::Report;

/// Measures barbus against the limits of this machine and against its peers.
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
        #[arg(long, value_delimiter = ',')]
        only: Vec<Part>,
        /// Only systems with one of these in their names, in the two-process measures; `barbus,raw` builds no peers.
        #[arg(long, value_delimiter = ',')]
        systems: Vec<String>,
    },
    /// From the daemon's start to its first acknowledgement, with a full ring.
    Restart {
        /// Rounds; the medians are reported.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
    },
    /// Another process of a socket measure.
    #[command(hide = true)]
    SocketRole {
        /// What it is.
        role: socket::Role,
        /// Directory of its files.
        directory: PathBuf,
    },
    /// A process that flushes, or fills the bus for it.
    #[command(hide = true)]
    FlushRole {
        /// What it does.
        role: parquet::Role,
        /// The bus.
        bus: PathBuf,
    },
    /// How costs grow with readers, symbols, rows of a block, the ring's size and the day's: figures and plots.
    Growth(growth::Arguments),
    /// A reader process of `growth`.
    #[command(hide = true)]
    GrowthReader {
        /// What it does.
        task: growth::Task,
        /// The ring or the bus.
        path: PathBuf,
        /// The first row to be read.
        from: u64,
        /// The row behind the last.
        to: u64,
    },
    /// A reader that measures of the writer need.
    #[command(hide = true)]
    Reader {
        /// What it is to do, JSON.
        job: String,
    },
    /// A process of a two-process measure.
    #[command(hide = true)]
    Side {
        /// What it is to do, JSON.
        job: String,
    },
}

/// A part of the measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// One bar from process to process, both spinning.
    Latency,
    /// One bar from process to process, both asleep while they wait.
    Asleep,
    /// Bars one by one from process to process, as many as go through.
    Throughput,
    /// Bars in batches from process to process, as many as go through.
    Batches,
    /// Instructions, loads, stores and cache lines of a bar in rings of shared memory.
    Counters,
    /// Batches on one core, through the library too.
    Batch,
    /// Reading a full ring, by copy and in place.
    CatchUp,
    /// What the writer pays for readers.
    Readers,
    /// What the writer pays for a wake.
    Wakes,
    /// The memory of a hundred readers.
    Memory,
    /// `latest` and `window` over a full day.
    Questions,
    /// Bars over the daemon's socket: one by one, and in batches.
    Socket,
    /// Days as Parquet, beside pyarrow, polars and DuckDB.
    Parquet,
    /// A year of real bars as gzip CSV, stage by stage.
    Csv,
    /// A year of real bars by the command line.
    Ingest,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Side { job } => barbus_bench_link::side(&own::peers(), &job),
        Command::Growth(arguments) => growth::run(&arguments),
        Command::GrowthReader { task, path, from, to } => growth::attend(task, &path, from, to),
        Command::Reader { job } => reader::run(&job),
        Command::FlushRole { role, bus } => parquet::play(role, &bus),
        Command::SocketRole { role, directory } => socket::play(role, &directory),
        Command::Restart { rounds } => {
            let mut report = Report::default();
            restart::rounds(&mut report, rounds.max(1))?;
            print!("{}", report.table());
            Ok(())
        }
        Command::All { rounds, json, data, only, systems } => {
            let mut report = Report::default();
            let mut notes = Vec::new();
            let machine = machine();
            let wanted = |part: Part| only.is_empty() || only.contains(&part);
            let between = [
                (Part::Latency, Measure::OneWay),
                (Part::Asleep, Measure::OneWayAsleep),
                (Part::Throughput, Measure::OneByOne),
                (Part::Batches, Measure::Batches),
            ];
            let mut all = between::own()?;
            let is_own = |name: &String| all.iter().any(|system| system.about.name.contains(name));
            let between_processes = between.iter().any(|&(part, _)| wanted(part)) || wanted(Part::Counters);
            if between_processes && (systems.is_empty() || !systems.iter().all(is_own)) {
                all.extend(peers::systems(&mut notes));
            }
            all.retain(|system| {
                let name = &system.about.name;
                if let Some(why) = &system.about.missing {
                    notes.push(format!("{name}: {why}"));
                }
                system.about.missing.is_none()
                    && (systems.is_empty() || systems.iter().any(|wanted| name.contains(wanted)))
            });
            if data.is_none() && (wanted(Part::Csv) || wanted(Part::Ingest)) {
                notes.push("csv, ingest: BARBUS_DATA is not set".into());
            }
            for round in 1..=rounds.max(1) {
                eprintln!("round {round} of {rounds}");
                for (part, measure) in between {
                    if wanted(part) {
                        between::round(&mut report, &all, measure)?;
                    }
                }
                // They are the same each time, but for some thousandths.
                if wanted(Part::Counters) && round == 1 {
                    notes.extend(counters::round(&mut report, &all)?);
                }
                if wanted(Part::Batch) {
                    batch::round(&mut report)?;
                }
                if wanted(Part::CatchUp) {
                    catch_up::round(&mut report)?;
                }
                if wanted(Part::Readers) {
                    readers::round(&mut report)?;
                }
                if wanted(Part::Wakes) {
                    readers::wakes(&mut report)?;
                }
                if wanted(Part::Memory) {
                    memory::round(&mut report)?;
                }
                if wanted(Part::Questions) {
                    questions::round(&mut report)?;
                }
                if wanted(Part::Socket) {
                    socket::round(&mut report)?;
                }
                if wanted(Part::Parquet) {
                    let skipped = parquet::round(&mut report, data.as_deref())?;
                    notes.extend(skipped.into_iter().filter(|_| round == 1));
                }
                if let Some(data) = data.as_ref().filter(|_| wanted(Part::Csv)) {
                    csv::round(&mut report, data)?;
                }
                if let Some(data) = data.as_ref().filter(|_| wanted(Part::Ingest)) {
                    ingest::round(&mut report, data)?;
                }
            }
            println!("{machine}");
            print!("{}", report.table());
            let measured = |system: &&System| {
                between.iter().any(|&(part, measure)| wanted(part) && system.about.measures.contains(&measure))
            };
            all.iter().filter(measured).for_each(|System { about, .. }| println!("{}: {}", about.name, about.settings));
            notes.iter().for_each(|note| println!("skipped: {note}"));
            if let Some(path) = json {
                std::fs::write(path, report.json()?)?;
            }
            Ok(())
        }
    }
}

/// What the figures are of.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "barbus {}, {}, {} cores{}, Linux {}",
        env!("CARGO_PKG_VERSION"),
        jiff::Timestamp::now().strftime("%F"),
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        cpu.replace("\t:", " of"),
        kernel.trim()
    )
}
