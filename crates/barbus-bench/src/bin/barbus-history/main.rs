//! Questions over an archive, beside polars, DuckDB and pyarrow.
//!
//! It is a program of its own because of its allocator, which is that of the Python package. Each
//! answer takes megabytes, and the others bring allocators that keep freed memory too.
#![forbid(unsafe_code)]

mod history;
#[path = "../../python.rs"]
#[expect(dead_code, reason = "other measures use the rest")]
mod python;
#[path = "../../report.rs"]
#[cfg_attr(not(test), expect(dead_code, reason = "other measures use the rest"))]
mod report;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use report::Report;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Asks questions over an archive of 60 days, beside polars, DuckDB and pyarrow.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Rounds; the medians are reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The folder of real bars.
    #[arg(long, env = "BARBUS_DATA", value_name = "FOLDER")]
    data: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs `barbus`, for the first answer of a process.
    #[command(hide = true, disable_help_flag = true)]
    Barbus {
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(Command::Barbus { arguments }) = arguments.command {
        return Ok(barbus_cli::run(std::iter::once("barbus".into()).chain(arguments)));
    }
    let mut report = Report::default();
    history::rounds(&mut report, arguments.rounds.max(1), &arguments.data)?;
    print!("{}", report.table());
    Ok(ExitCode::SUCCESS)
}
