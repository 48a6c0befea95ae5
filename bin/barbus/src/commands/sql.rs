//! `barbus sql`: runs `barbus-sql`, a program of its own.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::bail;
use clap::Args;

/// The program that answers.
const PROGRAM: &str = "barbus-sql";

/// Ask a bus in SQL: live and archived bars, readers and the quarantine as tables.
///
/// It runs barbus-sql, which is installed by itself: cargo install --path crates/barbus-sql.
/// barbus-sql --help lists tables, functions and options.
#[derive(Debug, Args)]
pub(super) struct SqlArgs {
    /// The bus, the query, and options of barbus-sql.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "BUS QUERY")]
    arguments: Vec<OsString>,
}

impl SqlArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let beside = std::env::current_exe().ok().map(|program| program.with_file_name(PROGRAM));
        let program = beside.filter(|program| program.is_file()).unwrap_or_else(|| PathBuf::from(PROGRAM));
        // It takes the place of this process, and with it the exit code and signals.
        let error = Command::new(&program).args(&self.arguments).exec();
        match error.kind() {
            std::io::ErrorKind::NotFound => {
                bail!("{PROGRAM} is not installed: install it with: cargo install --path crates/barbus-sql")
            }
            _ => bail!("{}: {error}", program.display()),
        }
    }
}
