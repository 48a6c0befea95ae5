//! Archived days in object storage.

use clap::Subcommand;

/// What is done with the bucket.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Copy archived days to a bucket.
    Push,
}

/// Runs a command on a bucket until it ends.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    anyhow::bail!("{command:?}: not written yet")
}
