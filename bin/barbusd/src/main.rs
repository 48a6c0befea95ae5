//! `barbusd BUS`: the daemon as a program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::FromArgMatches;

fn main() -> ExitCode {
    let matches = barbusd::command().get_matches();
    let options = barbusd::DaemonOptions::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match barbusd::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("barbusd: {error}");
            ExitCode::FAILURE
        }
    }
}
