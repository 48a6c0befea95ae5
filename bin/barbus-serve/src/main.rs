//! `barbus-serve`: the server as a program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

/// Serve metrics, health checks, a page and an API of one or several buses.
///
/// It only reads: it works beside a daemon that is stopped or dead, and costs the writer nothing.
///
/// Exit codes: 0 ended by SIGTERM or SIGINT, 1 failure, 2 wrong usage.
#[derive(Parser)]
#[command(name = "barbus-serve", version = barbus_version::short(), long_version = barbus_version::long(), max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    options: barbus_serve::ServeOptions,
}

fn main() -> ExitCode {
    match barbus_serve::run(&Arguments::parse().options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("barbus: {error:#}");
            ExitCode::FAILURE
        }
    }
}
