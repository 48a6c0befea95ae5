//! `barbus withdraw`: withdraws the bars of a trading day.

use std::io::Write;
use std::path::PathBuf;

use barbus::protocol::Withdrawal;
use barbus::{Bus, Date};
use clap::Args;

use super::shared::stdout::stdout;

/// Withdraw the bars of a trading day: they leave the archive for a file of their own.
///
/// If the day is in the future and has closed today, today is opened again.
#[derive(Debug, Args)]
pub(super) struct WithdrawArgs {
    /// The bus; its daemon must be running.
    bus: PathBuf,
    /// The trading day of the bars, such as 2027-11-29.
    #[arg(long)]
    day: Date,
    /// Only the bars of this symbol; may be given several times.
    #[arg(long)]
    symbol: Vec<String>,
}

impl WithdrawArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let Withdrawal { withdrawn, file, open } = barbus::request_withdraw(&bus, self.day, &self.symbol)?;
        let mut out = stdout();
        let bars = if withdrawn == 1 { "bar" } else { "bars" };
        write!(out, "{withdrawn} {bars} of {} withdrawn", self.day)?;
        if let Some(file) = file {
            write!(out, " to {file}")?;
        }
        match open {
            Some(day) => writeln!(out, "; the open day is {day}")?,
            None => writeln!(out, "; no day is open")?,
        }
        Ok(out.flush()?)
    }
}
