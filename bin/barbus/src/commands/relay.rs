//! `barbus relay`: runs `barbus-relay`, a program of its own.

use std::ffi::OsString;

use clap::Args;

use super::shared::other_program;

/// Carry bars to and from other machines: out, in and status, over NATS JetStream.
///
/// It runs barbus-relay, which is installed by itself: cargo install --path bin/barbus-relay.
/// barbus-relay --help lists the commands and options.
#[derive(Debug, Args)]
pub(super) struct RelayArgs {
    /// The command, the bus, and options of barbus-relay.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND BUS")]
    arguments: Vec<OsString>,
}

impl RelayArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match other_program::run("barbus-relay", "bin/barbus-relay", &self.arguments)? {}
    }
}
