//! `barbus daemon`: runs the daemon in this process, like `barbusd BUS`.

use barbusd::DaemonOptions;
use clap::Args;

use super::shared::parent_process::end_with_parent;

/// Run the daemon of the bus in this process, until SIGTERM or SIGINT.
#[derive(Debug, Args)]
pub(super) struct DaemonArgs {
    #[command(flatten)]
    options: DaemonOptions,
    /// End when the parent process, which must have this id, ends.
    #[arg(long, hide = true, value_name = "PID")]
    parent: Option<u32>,
}

impl DaemonArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if let Some(pid) = self.parent {
            end_with_parent(pid)?;
        }
        barbusd::run(&self.options)
    }
}
