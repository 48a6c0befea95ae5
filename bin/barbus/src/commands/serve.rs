//! `barbus serve`: runs `barbus-serve`, a program of its own.

use std::ffi::OsString;

use clap::Args;

use super::shared::other_program;

/// Serve metrics, health checks, a page and an API of one or several buses over HTTP.
///
/// It runs barbus-serve, which is installed by itself: cargo install --path bin/barbus-serve.
/// barbus-serve --help lists the options.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The buses, and options of barbus-serve.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "BUS")]
    arguments: Vec<OsString>,
}

impl ServeArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match other_program::run("barbus-serve", "bin/barbus-serve", &self.arguments)? {}
    }
}
