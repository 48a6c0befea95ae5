//! `barbus keep`: shows what `archive.keep` and `quarantine.keep` would remove.
//!
//! It removes nothing, so that there is one place that does: the daemon.

use std::io::Write;
use std::path::{Path, PathBuf};

use barbus::{Bus, KeepPlan};
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::shared::report_format::ReportFormat;
use super::shared::stdout::{StandardOutput, stdout};
use crate::output::cell::Cell;
use crate::output::colour_wanted;
use crate::output::format;
use crate::output::table::{Layout, Sheet};

/// Show which files archive.keep and quarantine.keep of bus.toml do not keep; nothing is removed.
///
/// The daemon reads bus.toml when it starts: change it, look with this command, and restart the
/// daemon, which removes what is shown here unless it is damaged or has bars that wait.
#[derive(Debug, Args)]
pub(super) struct KeepArgs {
    /// The bus; it may be in use.
    bus: PathBuf,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

/// A file of a plan.
struct Listed<'a> {
    kind: &'static str,
    date: barbus::Date,
    path: &'a Path,
    bytes: u64,
}

impl KeepArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let plan = KeepPlan::of(&bus, Timestamp::now())?;
        let days = plan.days.iter().map(|file| Listed::new("trading day", file.date, &file.path, file.bytes));
        let copies = plan.copies.iter().map(|copy| Listed::new("copy of a day", copy.day, &copy.path, copy.bytes));
        let conflicts = plan.conflicts.iter().map(|file| Listed::new("conflicts", file.date, &file.path, file.bytes));
        let rows = plan.quarantine.iter().map(|file| Listed::new("quarantine", file.date, &file.path, file.bytes));
        let files: Vec<Listed<'_>> = days.chain(copies).chain(rows).chain(conflicts).collect();
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let mut out = stdout();
        match self.format {
            ReportFormat::Json => {
                let files: Vec<_> = files.iter().map(Listed::as_json).collect();
                writeln!(out, "{}", json!({"bytes": bytes, "files": files}))?;
            }
            ReportFormat::Table if files.is_empty() => writeln!(out, "nothing: bus.toml keeps every file")?,
            ReportFormat::Table => {
                print_table(&bus, &files)?;
                let number = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
                writeln!(out, "{number}, {}: the daemon removes what is listed", format::bytes(bytes))?;
            }
        }
        Ok(out.flush()?)
    }
}

impl<'a> Listed<'a> {
    fn new(kind: &'static str, date: barbus::Date, path: &'a Path, bytes: u64) -> Self {
        Self { kind, date, path, bytes }
    }

    fn as_json(&self) -> serde_json::Value {
        json!({"kind": self.kind, "date": self.date.to_string(), "path": self.path, "bytes": self.bytes})
    }
}

fn print_table(bus: &Bus, files: &[Listed<'_>]) -> anyhow::Result<()> {
    let mut sheet: Sheet<StandardOutput> =
        Sheet::new(stdout(), Layout::Table, ["file", "what", "bytes"], TimeZone::UTC).coloured(colour_wanted());
    for file in files {
        let name = file.path.strip_prefix(bus.path()).unwrap_or(file.path).display().to_string();
        sheet.row([name.into(), file.kind.to_owned().into(), Cell::Count(file.bytes)])?;
    }
    Ok(sheet.finish().map(drop)?)
}
