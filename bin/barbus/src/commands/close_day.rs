//! `barbus close-day`: closes the trading day and archives it.

use std::io::Write;
use std::path::PathBuf;

use barbus::protocol::DayClose;
use barbus::{Bus, Date};
use clap::Args;

use super::shared::daemon_flags::TimeLimit;
use super::shared::stdout::stdout;

/// Close the trading day and archive it.
///
/// It waits for the archive as long as the daemon lives. If the daemon is stopped or hung, it says
/// whether the day was closed.
#[derive(Debug, Args)]
pub(super) struct CloseDayArgs {
    /// The bus; its daemon must be running.
    bus: PathBuf,
    /// The day, such as 2024-03-04, which must be open or closed already; default: the open day.
    date: Option<Date>,
    #[command(flatten)]
    limit: TimeLimit,
}

impl CloseDayArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let DayClose { closed, archived, path } =
            barbus::request_close_day_within(&bus, self.date, self.limit.timeout)?;
        let mut out = stdout();
        match (closed, archived, path) {
            (Some(day), true, Some(path)) => writeln!(out, "{day} is closed and archived: {path}")?,
            (Some(day), true, None) => writeln!(out, "{day} is closed and archived")?,
            (Some(day), false, _) => writeln!(
                out,
                "{day} is closed; its archive is still being written: to see its state, run barbus stat {}",
                bus.path().display()
            )?,
            (None, true, _) => writeln!(out, "no trading day is open; every closed day is archived")?,
            (None, false, _) => writeln!(
                out,
                "no trading day is open; closed days are still being archived: to see their state, run barbus stat {}",
                bus.path().display()
            )?,
        }
        Ok(out.flush()?)
    }
}
