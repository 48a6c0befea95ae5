//! `barbus-serve`: the server as a program.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

/// Serve metrics, health checks, a page and an API of one or several buses.
///
/// It only reads: it works beside a daemon that is stopped or dead, and costs the writer nothing.
#[derive(Parser)]
#[command(name = "barbus-serve", version = barbus_version::short(), long_version = barbus_version::long())]
#[command(max_term_width = 100)]
#[command(after_help = "Exit codes: 0 ended by SIGTERM or SIGINT, 1 failure, 2 wrong usage.")]
struct Arguments {
    #[command(flatten)]
    options: barbus_serve::ServeOptions,
    /// Write the manual page to this folder, and exit.
    #[arg(long, value_name = "DIR", exclusive = true, hide = true)]
    manuals: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.manuals {
        Some(folder) => barbus_manual::write_pages(Arguments::command(), &folder)
            .map_err(|error| anyhow::anyhow!("{}: {error}", folder.display())),
        None => barbus_serve::run(&arguments.options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("barbus: {error:#}");
            ExitCode::FAILURE
        }
    }
}
