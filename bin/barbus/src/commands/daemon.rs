//! `barbus daemon`: the daemon in this process, as `barbusd BUS` runs it.

use barbusd::DaemonOptions;
use clap::Args;

use super::shared::lifeline;

/// Run the bus's daemon in this process, until SIGTERM or SIGINT.
#[derive(Debug, Args)]
pub(crate) struct Daemon {
    #[command(flatten)]
    options: DaemonOptions,
    /// End when the process with this number, which must be the parent, ends.
    #[arg(long, hide = true, value_name = "PID")]
    parent: Option<u32>,
}

impl Daemon {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        if let Some(pid) = self.parent {
            lifeline::end_with_parent(pid)?;
        }
        barbusd::run(&self.options)
    }
}
