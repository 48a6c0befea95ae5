//! `barbus sql`: runs `barbus-sql`, a program of its own.

use std::ffi::OsString;

use clap::Args;

use super::shared::other_program;

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
        match other_program::run("barbus-sql", "crates/barbus-sql", &self.arguments)? {}
    }
}
