//! Benchmarks of barbus, beside the limits of the machine and beside its peers.
//!
//! Every measure runs in several rounds, and in each round the systems run one after the other.
//! So ratios within a round are comparable on a noisy machine.
//! Two-process measures pin each process to its own core.
//! Every bar that is read is verified.
#![forbid(unsafe_code)]

mod all;
mod batch;
mod beside;
mod between;
mod burst;
mod c_reader;
mod catch_up;
mod command_line;
mod counters;
mod csv;
mod files;
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
mod serve;
mod socket;
mod sweeper;
mod syncs;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use report::Report;

/// Measures barbus against the limits of this machine and against its peers.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All measures, in several rounds.
    All(all::Arguments),
    /// Runs `barbus`, for measures that need its processes.
    #[command(hide = true, disable_help_flag = true)]
    Barbus {
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Latency of a live bar beside producers of invalid rows and of late bars.
    Beside {
        /// Rounds; the medians are reported.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// A minute's burst to many strategies through the daemon, beside other systems.
    Burst(burst::Arguments),
    /// One process of `burst`.
    #[command(hide = true)]
    BurstSide {
        /// Its task as JSON.
        job: String,
    },
    /// A reader in C++ beside the same in Rust.
    CReader {
        /// Rounds; the medians are reported.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// The reader in Rust of `c-reader`.
    #[command(hide = true)]
    CReaderRole {
        /// What it does.
        task: c_reader::Task,
        /// The bus.
        bus: PathBuf,
        /// The file of the answers.
        words: PathBuf,
        /// Number of bars.
        count: u64,
    },
    /// Files of bars of several kinds into memory, beside pandas.
    Files {
        /// Rounds; the medians are reported.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Time from the daemon's start to its first acknowledgement, with a full ring.
    Restart {
        /// Rounds; the medians are reported.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
    },
    /// The writer's cost of a bar beside a server that is scraped, with a page open.
    Serve(serve::Arguments),
    /// Helper process of a socket measure.
    #[command(hide = true)]
    SocketRole {
        /// Its role.
        role: socket::SocketRole,
        /// The directory of its files.
        directory: PathBuf,
    },
    /// Removes the files of a process after its end.
    #[command(hide = true)]
    Sweep {
        /// Its process ID.
        pid: u32,
    },
    /// Helper process that fills a bus or flushes it.
    #[command(hide = true)]
    FlushRole {
        /// Its task.
        role: parquet::FlushRole,
        /// The bus.
        bus: PathBuf,
    },
    /// Growth of costs with readers, symbols, block size, ring size and day size.
    Growth(growth::Arguments),
    /// Reader process of `growth`.
    #[command(hide = true)]
    GrowthReader {
        /// Its task.
        task: growth::Task,
        /// The ring or the bus.
        path: PathBuf,
        /// The first row to read.
        from: u64,
        /// The row after the last one.
        to: u64,
    },
    /// Reader process for measures of the writer.
    #[command(hide = true)]
    Reader {
        /// Its job as JSON.
        job: String,
    },
    /// One process of a two-process measure.
    #[command(hide = true)]
    Side {
        /// Its job as JSON.
        job: String,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::All(arguments) => {
            let _sweeper = sweeper::start()?;
            all::run(&arguments)?;
        }
        Command::Barbus { arguments } => return Ok(command_line::run(arguments)),
        Command::Side { job } => barbus_bench_link::side(&own::peers(), &job)?,
        Command::Burst(arguments) => {
            let _sweeper = sweeper::start()?;
            burst::run(&arguments)?;
        }
        Command::BurstSide { job } => barbus_bench_link::burst_side(&own::bursts::all(), &job)?,
        Command::Growth(arguments) => {
            let _sweeper = sweeper::start()?;
            growth::run(&arguments)?;
        }
        Command::Sweep { pid } => sweeper::run(pid),
        Command::GrowthReader { task, path, from, to } => growth::attend(task, &path, from, to)?,
        Command::Reader { job } => reader::run(&job)?,
        Command::FlushRole { role, bus } => parquet::play(role, &bus)?,
        Command::SocketRole { role, directory } => socket::play(role, &directory)?,
        Command::Beside { rounds } => {
            let mut report = Report::default();
            beside::rounds(&mut report, rounds.max(1))?;
            print!("{}", report.table());
        }
        Command::CReader { rounds } => {
            let mut report = Report::default();
            c_reader::rounds(&mut report, rounds.max(1))?;
            print!("{}", report.table());
        }
        Command::CReaderRole { task, bus, words, count } => c_reader::play(task, &bus, &words, count)?,
        Command::Files { rounds } => {
            let mut report = Report::default();
            files::rounds(&mut report, rounds.max(1))?;
            print!("{}", report.table());
        }
        Command::Serve(arguments) => {
            let mut report = Report::default();
            serve::run(&mut report, &arguments)?;
            print!("{}", report.table());
        }
        Command::Restart { rounds } => {
            let mut report = Report::default();
            restart::rounds(&mut report, rounds.max(1))?;
            print!("{}", report.table());
        }
    }
    Ok(ExitCode::SUCCESS)
}
