//! The command `all`: every measure in several rounds, as a table and as JSON.
//!
//! A failing measure does not stop the others.
//! The end of the report lists the failures, and the program then exits with 1.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use barbus_bench_link::{Measure, scratch_place, unpin};
use clap::ValueEnum;

use crate::between::{self, System};
use crate::report::Report;
use crate::{batch, catch_up, counters, csv, ingest, memory, parquet, peers, questions, readers, socket};

/// Options of the command `all`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Rounds; the medians are reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// File for the results as JSON, written after each round.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Folder of real bars. Without it csv, ingest and a part of parquet are skipped.
    #[arg(long, env = "BARBUS_DATA")]
    data: Option<PathBuf>,
    /// Only these parts.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// In two-process measures: only systems with one of these words in their names.
    /// `barbus,raw` builds no peers.
    #[arg(long, value_delimiter = ',')]
    systems: Vec<String>,
}

/// A group of measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Latency of one bar between two spinning processes.
    Latency,
    /// Latency of one bar between two processes that sleep while they wait.
    Asleep,
    /// Throughput of single bars between two processes.
    Throughput,
    /// Throughput of batches between two processes.
    Batches,
    /// Instructions, loads, stores and cache lines of one bar in shared-memory rings.
    Counters,
    /// Batches on one core, in the ring and in the library.
    Batch,
    /// Reading a full ring, by copy and in place.
    CatchUp,
    /// The writer's cost of attached readers.
    Readers,
    /// The writer's cost of a wake.
    Wakes,
    /// The memory of a hundred readers.
    Memory,
    /// `latest` and `window` over a full day.
    Questions,
    /// Bars over the daemon's socket, single and in batches.
    Socket,
    /// Days as Parquet, beside pyarrow, polars and DuckDB.
    Parquet,
    /// A year of real bars as gzip CSV, stage by stage.
    Csv,
    /// A year of real bars through the command line to the archive.
    Ingest,
}

/// The parts that measure between two processes.
const BETWEEN: [(Part, Measure); 4] = [
    (Part::Latency, Measure::OneWay),
    (Part::Asleep, Measure::OneWayAsleep),
    (Part::Throughput, Measure::OneByOne),
    (Part::Batches, Measure::Batches),
];

/// Results so far.
#[derive(Debug, Default)]
struct Outcome {
    report: Report,
    /// Skipped measures and the reasons.
    skipped: Vec<String>,
    /// Failed measures and the errors.
    failures: Vec<String>,
    /// Parts that failed and are not measured again.
    failed: Vec<Part>,
}

impl Outcome {
    fn save(&self, path: Option<&Path>) -> anyhow::Result<()> {
        let Some(path) = path else { return Ok(()) };
        std::fs::write(path, self.report.json()?).with_context(|| path.display().to_string())
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut outcome = Outcome::default();
    // Fail before the measurement if the file cannot be written.
    outcome.save(arguments.json.as_deref())?;
    let machine = machine();
    let mut systems = arguments.systems(&mut outcome.skipped)?;
    if arguments.data.is_none() && (arguments.want(Part::Csv) || arguments.want(Part::Ingest)) {
        outcome.skipped.push("csv, ingest: BARBUS_DATA is not set".into());
    }
    let rounds = arguments.rounds.max(1);
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for part in Part::value_variants() {
            if arguments.want(*part)
                && !outcome.failed.contains(part)
                && let Err(error) = part.measure(&mut outcome, &mut systems, arguments.data.as_deref(), round == 1)
            {
                outcome.failures.push(format!("{}: {error:#}", part.name()));
                outcome.failed.push(*part);
                // An earlier failure may have ended this part.
                unpin();
            }
        }
        outcome.save(arguments.json.as_deref())?;
    }
    println!("{machine}");
    print!("{}", outcome.report.table());
    let measured = |system: &&System| {
        BETWEEN.iter().any(|(part, what)| arguments.want(*part) && system.about.measures.contains(what))
    };
    systems.iter().filter(measured).for_each(|System { about, .. }| println!("{}: {}", about.name, about.settings));
    outcome.skipped.iter().for_each(|what| println!("skipped: {what}"));
    outcome.failures.iter().for_each(|what| eprintln!("FAILED: {what}"));
    ensure!(outcome.failures.is_empty(), "{} of the measures failed", outcome.failures.len());
    Ok(())
}

impl Arguments {
    fn want(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// The selected systems of the two-process measures.
    /// `skipped` gets the reason of each system that is missing.
    fn systems(&self, skipped: &mut Vec<String>) -> anyhow::Result<Vec<System>> {
        let mut all = between::own()?;
        let has = |all: &[System], name: &str| all.iter().any(|system| system.about.name.contains(name));
        let between_processes = BETWEEN.iter().any(|(part, _)| self.want(*part)) || self.want(Part::Counters);
        if between_processes && (self.systems.is_empty() || !self.systems.iter().all(|name| has(&all, name))) {
            all.extend(peers::systems(skipped));
        }
        let unknown = self.systems.iter().filter(|name| !has(&all, name));
        skipped.extend(unknown.map(|name| format!("{name}: no system has this in its name")));
        all.retain(|System { about, .. }| {
            let wanted = self.systems.is_empty() || self.systems.iter().any(|name| about.name.contains(name));
            if let Some(why) = about.missing.as_ref().filter(|_| wanted) {
                skipped.push(format!("{}: {why}", about.name));
            }
            wanted && about.missing.is_none()
        });
        Ok(all)
    }
}

impl Part {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// One round.
    fn measure(
        self,
        outcome: &mut Outcome,
        systems: &mut Vec<System>,
        data: Option<&Path>,
        is_first: bool,
    ) -> anyhow::Result<()> {
        if let Some((_, what)) = BETWEEN.iter().find(|(part, _)| *part == self) {
            outcome.failures.extend(between::round(&mut outcome.report, systems, *what)?);
            return Ok(());
        }
        let report = &mut outcome.report;
        match self {
            // Counts differ by some thousandths between rounds, so one round is enough.
            Self::Counters if is_first => outcome.skipped.extend(counters::round(report, systems)?),
            Self::Latency | Self::Asleep | Self::Throughput | Self::Batches | Self::Counters => {}
            Self::Batch => batch::round(report)?,
            Self::CatchUp => catch_up::round(report)?,
            Self::Readers => readers::round(report)?,
            Self::Wakes => readers::wakes(report)?,
            Self::Memory => memory::round(report)?,
            Self::Questions => questions::round(report)?,
            Self::Socket => socket::round(report)?,
            Self::Parquet => {
                let skipped = parquet::round(report, data)?;
                outcome.skipped.extend(skipped.into_iter().filter(|_| is_first));
            }
            Self::Csv => data.map_or(Ok(()), |data| csv::round(report, data))?,
            Self::Ingest => data.map_or(Ok(()), |data| ingest::round(report, data))?,
        }
        Ok(())
    }
}

/// The versions and the machine that the figures belong to.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "barbus {}, {}, {} cores{}, Linux {}, rings in {}",
        env!("CARGO_PKG_VERSION"),
        jiff::Timestamp::now().strftime("%F"),
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        cpu.replace("\t:", " of"),
        kernel.trim(),
        scratch_place().display()
    )
}
