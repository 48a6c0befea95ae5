//! `barbus archive`: runs `barbus-relay archive`, which is in a program of its own.

use std::ffi::OsString;

use clap::Args;

use super::shared::other_program;

/// Keep archived days in object storage: push, pull, verify, restore, replay, list, prune, status.
///
/// It runs barbus-relay archive, which is installed by itself: cargo install --path
/// bin/barbus-relay. barbus archive push BUS s3://BUCKET/PREFIX copies the days of a bus;
/// barbus-relay archive --help lists the other commands and the options.
#[derive(Debug, Args)]
pub(super) struct ArchiveArgs {
    /// The command of barbus-relay archive, its bus and its bucket.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    arguments: Vec<OsString>,
}

impl ArchiveArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let arguments: Vec<OsString> = std::iter::once("archive".into()).chain(self.arguments).collect();
        match other_program::run("barbus-relay", "bin/barbus-relay", &arguments)? {}
    }
}
