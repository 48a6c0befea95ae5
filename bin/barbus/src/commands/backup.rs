//! `barbus backup` and `barbus restore`.

use std::io::Write;
use std::path::PathBuf;

use barbus::Bus;
use clap::Args;

use super::shared::errors::{AlreadyPrinted, print_error};
use super::shared::facts;
use super::shared::report_format::ReportFormat;
use super::shared::stdout::stdout;
use crate::output::{colour_wanted, format};

/// Make a backup of a bus, also while it is written; a second one copies only what has changed.
///
/// It has every bar that was acknowledged before it began, the quarantine and the settings. The
/// backup that is there already stays until the new one is complete.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The bus; it may be in use.
    bus: PathBuf,
    /// The directory of the backup, on another disk; it is created if it is missing.
    dir: PathBuf,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

impl BackupArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let report = barbus::backup(&bus, &self.dir)?;
        let mut out = stdout();
        match self.format {
            ReportFormat::Json => writeln!(out, "{}", serde_json::to_string(&report)?)?,
            ReportFormat::Table => {
                let of = |files, bytes| format!("{}, {}", format::count(files), format::bytes(bytes));
                let lines = [
                    ("backup", report.tree.display().to_string()),
                    ("days", format::count(report.days)),
                    ("bars of the ring", format::count(report.bars_of_ring)),
                    ("files", of(report.files, report.bytes)),
                    ("copied", of(report.files_copied, report.bytes_copied)),
                ];
                facts::write(&mut out, &lines, colour_wanted())?;
            }
        }
        out.flush()?;
        if report.damaged.is_empty() {
            return Ok(());
        }
        report.damaged.iter().for_each(print_error);
        Err(AlreadyPrinted.into())
    }
}

/// Restore a backup as a new bus, and verify every file of it.
///
/// Start the daemon on it then: it goes on with the open day, in a new ring. Publish again what
/// came after the backup; bars that the bus has are duplicates.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The directory of the backup.
    dir: PathBuf,
    /// The bus; it must be missing or empty.
    bus: PathBuf,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

impl RestoreArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let report = barbus::restore(&self.dir, &self.bus)?;
        let mut out = stdout();
        match self.format {
            ReportFormat::Json => writeln!(out, "{}", serde_json::to_string(&report)?)?,
            ReportFormat::Table => {
                let lines = [
                    ("bus", self.bus.display().to_string()),
                    ("backup", format!("of {}, made at {}", report.bus, report.at)),
                    ("days", format::count(report.days)),
                    ("files", format!("{}, {}", format::count(report.files), format::bytes(report.bytes))),
                    ("next", format!("barbusd {}", self.bus.display())),
                ];
                facts::write(&mut out, &lines, colour_wanted())?;
            }
        }
        Ok(out.flush()?)
    }
}
