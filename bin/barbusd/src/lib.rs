//! The barbus daemon: a [`barbus_writer::Writer`] behind a Unix socket.
//!
//! A library with two thin faces, `barbusd BUS` and `barbus daemon BUS`. The way of a bar through it: `socket` → `connections` → `connection` (`access`) →
//! `producer`, which takes messages off the stream (`messages`, `decoder`) → `daemon`, which has the one writer.
#![forbid(unsafe_code)]

mod access;
mod alerts;
mod control;
mod ingest;
mod json_lines;
mod logs;
mod server;
mod shared_writer;
mod socket;
mod watch;

use std::path::PathBuf;

pub use ingest::batch_reader::Batches;
pub use logs::LogFormat;

/// How the daemon is started; the arguments of both of its faces.
#[derive(Debug, Clone, clap::Args)]
pub struct DaemonOptions {
    /// The bus: a directory made by `barbus init`
    #[arg(value_name = "BUS")]
    pub bus: PathBuf,
    /// How the log on standard error looks
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace, or a filter such as info,barbusd=debug
    ///
    /// Without it the variable RUST_LOG says so, and without that it is info.
    #[arg(long, value_name = "LEVEL", value_parser = logs::filter)]
    pub log_level: Option<String>,
}

/// Runs the daemon in this process until SIGTERM or SIGINT ends it, which is `Ok`.
///
/// On the way out connections are ended, what is committed is put on disk, closed days are tried to be archived, and the socket is removed.
/// A second signal ends the process at once with exit code 1. Logs go to standard error; nothing is printed.
///
/// # Errors
/// `bus` is no bus, its settings or its ring cannot be used, another process is its writer, the socket cannot be bound; or a bug was met.
/// The error's `Display` is a whole message, to be printed behind the program's name.
pub fn run(options: &DaemonOptions) -> anyhow::Result<()> {
    logs::init(options.log_format, options.log_level.as_deref());
    let bus = barbus::Bus::open(&options.bus)?;
    server::run(&bus)
}
