//! What barbus does in time, side by side with what the machine can do at most, and with its peers.
//!
//! Every measure runs in several rounds, the systems of a round one after the other, so that the ratios of a round mean something on a
//! noisy machine. Two-process measures pin each process to a core of its own. Every bar that is read is checked.
#![forbid(unsafe_code)]

mod all;
mod batch;
mod between;
mod catch_up;
mod command_line;
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
    /// Everything, several rounds.
    All(all::Arguments),
    /// `barbus`, for the measures that need its processes.
    #[command(hide = true, disable_help_flag = true)]
    Barbus {
        /// What its command line is to say.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
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
    /// Removes what a process has left, when that has ended.
    #[command(hide = true)]
    Sweep {
        /// Its number.
        pid: u32,
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

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::All(arguments) => {
            let _sweeper = sweeper::start()?;
            all::run(&arguments)?;
        }
        Command::Barbus { arguments } => return Ok(command_line::run(arguments)),
        Command::Side { job } => barbus_bench_link::side(&own::peers(), &job)?,
        Command::Growth(arguments) => {
            let _sweeper = sweeper::start()?;
            growth::run(&arguments)?;
        }
        Command::Sweep { pid } => sweeper::run(pid),
        Command::GrowthReader { task, path, from, to } => growth::attend(task, &path, from, to)?,
        Command::Reader { job } => reader::run(&job)?,
        Command::FlushRole { role, bus } => parquet::play(role, &bus)?,
        Command::SocketRole { role, directory } => socket::play(role, &directory)?,
        Command::Restart { rounds } => {
            let mut report = Report::default();
            restart::rounds(&mut report, rounds.max(1))?;
            print!("{}", report.table());
        }
    }
    Ok(ExitCode::SUCCESS)
}
