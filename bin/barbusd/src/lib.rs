//! The barbus daemon: a [`barbus_writer::Writer`] behind a Unix socket.
//!
//! A library with two entry points, `barbusd BUS` and `barbus daemon BUS`.
//! `server` accepts connections on the `socket` and gives each a thread (`connection_threads`).
//! `connection` checks the peer's `access` and then serves a stream of bars (`ingest`) or requests
//! (`control`). Both use the `shared_writer`. `alerts` watches the readers of the bus.
//! `calendar_reload` reads the calendar again at a SIGHUP. `service_manager` tells systemd.
//! What a peer can cost is limited: `places`, `memory`, time (`peer_reader`), lines in the log.
#![forbid(unsafe_code)]

mod access;
mod alerts;
mod calendar_reload;
mod connection;
mod connection_threads;
mod control;
mod ingest;
mod json_lines;
mod logs;
mod memory;
mod peer;
mod peer_reader;
mod places;
mod server;
mod service_manager;
mod shared_writer;
mod socket;
mod sources;
mod watermarks;

use std::path::PathBuf;

pub use ingest::batch_reader::BatchReader;
pub use logs::LogFormat;

/// The arguments of both entry points.
#[derive(Debug, Clone, clap::Args)]
pub struct DaemonOptions {
    /// The bus: a directory created by `barbus init`
    #[arg(value_name = "BUS")]
    pub bus: PathBuf,
    /// Format of the log on standard error
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Log level: error, warn, info, debug or trace, or a filter such as info,barbusd=debug
    ///
    /// The default is the value of RUST_LOG, or info where that is not set.
    #[arg(long, value_name = "LEVEL", value_parser = logs::parse_filter)]
    pub log_level: Option<String>,
}

/// The daemon of a bus: ingests bars from producers, publishes them to readers, archives each
/// trading day as Parquet.
///
/// It runs in the foreground until SIGTERM or SIGINT, and logs to standard error.
#[derive(clap::Parser)]
#[command(name = "barbusd", version = barbus_version::short(), long_version = barbus_version::long())]
#[command(max_term_width = 100)]
#[command(after_help = "Exit codes: 0 ended by SIGTERM or SIGINT, 1 failure, 2 wrong usage.")]
struct Arguments {
    #[command(flatten)]
    _options: DaemonOptions,
}

/// The command line of the program `barbusd`, whose arguments are [`DaemonOptions`].
pub fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// Runs the daemon in this process until SIGTERM or SIGINT; then it returns `Ok`.
///
/// Before it returns it ends the connections, syncs the ring, tries to archive the closed days, and
/// removes the socket. A second signal ends the process at once with exit code 1.
/// It logs to standard error and prints nothing.
///
/// # Errors
/// `bus` is not a bus; its settings or its ring cannot be used; another process is its writer; the
/// socket cannot be bound; or the daemon met a bug.
/// The error's `Display` is a whole message: print it after the name of the program.
pub fn run(options: &DaemonOptions) -> anyhow::Result<()> {
    logs::init(options.log_format, options.log_level.as_deref());
    let bus = barbus::Bus::open(&options.bus)?;
    server::run(&bus)
}
