//! `barbusd BUS`: the daemon as a program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

/// The daemon of a bus: ingests bars from producers, publishes them to readers, archives each
/// trading day as Parquet.
///
/// Exit codes: 0 ended by SIGTERM or SIGINT, 1 failure, 2 wrong usage.
#[derive(Parser)]
#[command(name = "barbusd", version)]
struct Arguments {
    #[command(flatten)]
    options: barbusd::DaemonOptions,
}

fn main() -> ExitCode {
    match barbusd::run(&Arguments::parse().options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("barbusd: {error}");
            ExitCode::FAILURE
        }
    }
}
