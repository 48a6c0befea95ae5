//! Bars between buses over NATS JetStream.

use clap::Subcommand;

/// What the relay does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish the bars of a bus to a stream.
    Out,
    /// Publish the bars of a stream to a bus.
    In,
    /// Print what the relays of a bus have done.
    Status,
}

/// Runs a command of the relay until it ends.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    anyhow::bail!("{command:?}: not written yet")
}
