//! `barbus stat`: prints the state of the bus.
//!
//! A running daemon reports it; without one it is read from the ring and the archive.

mod lines;

use std::io::Write;
use std::path::PathBuf;

use barbus::Bus;
use clap::Args;
use jiff::tz::TimeZone;

use super::shared::daemon_flags::TimeLimit;
use super::shared::errors::{AlreadyPrinted, print_error};
use super::shared::facts;
use super::shared::report_format::ReportFormat;
use super::shared::stdout::stdout;
use crate::output::colour_wanted;
use lines::lines;

/// Show the state of the bus.
///
/// If the daemon is stopped or hung, the figures are those that the files of the bus show, and the
/// exit code is 1.
#[derive(Debug, Args)]
pub(super) struct StatArgs {
    /// The bus.
    bus: PathBuf,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
    /// Exit with 1 if anything needs attention, and say what on standard error.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    limit: TimeLimit,
}

impl StatArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let stat = barbus::stat_within(&bus, self.limit.timeout)?;
        let mut out = stdout();
        match self.format {
            ReportFormat::Json => writeln!(out, "{}", serde_json::to_string(&stat)?)?,
            ReportFormat::Table => {
                let zone = TimeZone::get(bus.settings().schema.zone()).unwrap_or(TimeZone::UTC);
                facts::write(&mut out, &lines(&stat, &zone), colour_wanted())?;
            }
        }
        out.flush()?;
        if let Some(why) = &stat.daemon_silent {
            print_error(format_args!("{}: {why}; the figures are those of the files", bus.path().display()));
        }
        let alarms = if self.check { stat.alarms() } else { Vec::new() };
        alarms.iter().filter(|alarm| Some(*alarm) != stat.daemon_silent.as_ref()).for_each(print_error);
        if alarms.is_empty() && stat.daemon_silent.is_none() { Ok(()) } else { Err(AlreadyPrinted.into()) }
    }
}
