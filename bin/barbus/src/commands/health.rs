//! `barbus health`: whether a bus is well, for scripts and monitors.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use barbus::{Bus, Health};
use clap::Args;
use jiff::SignedDuration;

use super::shared::errors::{AlreadyPrinted, print_error};
use super::shared::facts;
use super::shared::report_format::ReportFormat;
use super::shared::stdout::stdout;
use crate::output::colour_wanted;

/// Say whether a bus is well: exit code 0 if it is, 1 if it is not.
///
/// A bus is ready if its writer runs and the newest bar is fresh. Bars are expected in the regular
/// sessions of the symbols on the bus: at lunch, at night and on holidays quiet is right.
/// It reads the files of the bus only, so a daemon that is stopped does not delay it.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// The bus.
    bus: PathBuf,
    /// Ask for fresh bars, too; this is the default.
    #[arg(long, conflicts_with = "live")]
    ready: bool,
    /// Ask only whether the writer runs.
    #[arg(long)]
    live: bool,
    /// How old the newest bar may be while the market is open, such as 90s or 5m.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = grace)]
    grace: Duration,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

impl HealthArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let health = barbus::health(&bus, self.grace);
        let mut out = stdout();
        match self.format {
            ReportFormat::Json => writeln!(out, "{}", serde_json::to_string(&health)?)?,
            ReportFormat::Table => facts::write(&mut out, &lines(&health), colour_wanted())?,
        }
        out.flush()?;
        if if self.live { health.alive } else { health.ready } {
            return Ok(());
        }
        health.reasons.iter().for_each(|reason| print_error(format_args!("{}: {reason}", bus.path().display())));
        Err(AlreadyPrinted.into())
    }
}

fn lines(health: &Health) -> Vec<(&'static str, String)> {
    let yes_or_no = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let session = health.session.as_ref().map_or("closed".to_owned(), |session| format!("open: {session}"));
    let age = health.last_age_s.map_or("none".to_owned(), |age| format!("received {age:.0} s ago"));
    vec![
        ("writer alive", yes_or_no(health.alive)),
        ("ready", yes_or_no(health.ready)),
        ("market", session),
        ("newest bar", age),
    ]
}

fn grace(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text.parse().map_err(|_| "write a time such as 90s or 2m".to_owned())?;
    parsed.try_into().map_err(|_| "a time is not negative".to_owned())
}
