//! `barbus close-day`: the trading day ends now, and its file is written.

use std::io::Write;
use std::path::PathBuf;

use barbus::protocol::DayClose;
use barbus::{Bus, Date};
use clap::Args;

use super::shared::stdout::stdout;

/// Close the trading day and archive it.
#[derive(Debug, Args)]
pub(crate) struct CloseDay {
    /// The bus; its daemon must be running.
    bus: PathBuf,
    /// The day, such as 2024-03-04, to be refused if it is not the open one or one that is closed; default: whichever
    /// is open.
    date: Option<Date>,
}

impl CloseDay {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let DayClose { closed, archived, path } = barbus::request_close_day(&bus, self.date)?;
        let mut out = stdout();
        match (closed, archived, path) {
            (Some(day), true, Some(path)) => writeln!(out, "{day} is closed and archived: {path}")?,
            (Some(day), true, None) => writeln!(out, "{day} is closed and archived")?,
            (Some(day), false, _) => writeln!(
                out,
                "{day} is closed; its archive is still being written: barbus stat {} tells of it",
                bus.path().display()
            )?,
            (None, true, _) => writeln!(out, "no trading day is open; every closed day is archived")?,
            (None, false, _) => writeln!(
                out,
                "no trading day is open; closed days are still being archived: barbus stat {} tells of them",
                bus.path().display()
            )?,
        }
        Ok(out.flush()?)
    }
}
