//! `barbus verify`: checks the structure and the checksums of the ring, and every archived day.

use std::io::Write;
use std::path::{Path, PathBuf};

use barbus::{Bus, VerifyReport};
use barbus_archive::{FileKind, FileReport};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::shared::errors::{AlreadyPrinted, print_error};
use super::shared::report_format::ReportFormat;
use super::shared::stdout::{StandardOutput, stdout};
use crate::output::cell::Cell;
use crate::output::colour_wanted;
use crate::output::table::{Layout, Sheet};

/// Check the ring and every archived day; the exit code is 1 if there is a problem.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The bus, which may be in use; or a backup.
    bus: PathBuf,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

impl VerifyArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        // A backup is no bus, and its files are compared with its manifest.
        if barbus::is_backup(&self.bus) {
            return self.check_backup();
        }
        let bus = Bus::open(&self.bus)?;
        let report = barbus::verify(&bus)?;
        let problems = problems(&bus, &report);
        let mut out = stdout();
        match self.format {
            ReportFormat::Json => writeln!(out, "{}", report_as_json(&bus, &report, &problems))?,
            ReportFormat::Table => print_table(&bus, &report)?,
        }
        out.flush()?;
        if problems.is_empty() {
            return Ok(());
        }
        problems.iter().for_each(print_error);
        Err(AlreadyPrinted.into())
    }
}

impl VerifyArgs {
    fn check_backup(self) -> anyhow::Result<()> {
        let (files, problems) = barbus::check_backup(&self.bus)?;
        let mut out = stdout();
        match self.format {
            ReportFormat::Json => {
                writeln!(out, "{}", json!({"good": problems.is_empty(), "files": files, "problems": problems}))?;
            }
            ReportFormat::Table => writeln!(out, "backup of {files} files: {} problems", problems.len())?,
        }
        out.flush()?;
        if problems.is_empty() {
            return Ok(());
        }
        problems.iter().for_each(print_error);
        Err(AlreadyPrinted.into())
    }
}

/// One message for each problem; it names the file.
fn problems(bus: &Bus, report: &VerifyReport) -> Vec<String> {
    let ring = bus.ring();
    let mut problems = match &report.ring {
        Ok(found) => found.problems.iter().map(|problem| with_path(&ring, problem)).collect(),
        Err(error) => vec![with_path(&ring, &error.to_string())],
    };
    for file in &report.archive {
        if let Err(error) = &file.outcome {
            problems.push(with_path(&file.path, &error.to_string()));
        }
    }
    problems.extend(report.missing.iter().map(|problem| with_path(bus.path(), problem)));
    problems
}

/// The problem with the name of the file before it, unless it contains the name.
fn with_path(path: &Path, problem: &str) -> String {
    let name = path.display().to_string();
    if problem.contains(&name) { problem.to_owned() } else { format!("{name}: {problem}") }
}

fn print_table(bus: &Bus, report: &VerifyReport) -> anyhow::Result<()> {
    let mut sheet: Sheet<StandardOutput> =
        Sheet::new(stdout(), Layout::Table, ["file", "rows", "what", "state"], TimeZone::UTC).coloured(colour_wanted());
    let file = |path: &Path| path.strip_prefix(bus.path()).unwrap_or(path).display().to_string();
    let state = |problems: usize| match problems {
        0 => "good".to_owned(),
        1 => "1 problem".to_owned(),
        _ => format!("{problems} problems"),
    };
    let ring = file(&bus.ring());
    match &report.ring {
        Ok(found) => {
            let what = format!("{} blocks, {} sealed", found.blocks, found.checksums);
            sheet.row([ring.into(), Cell::Count(found.rows), what.into(), state(found.problems.len()).into()])?;
        }
        Err(_) => sheet.row([ring.into(), Cell::Null, "ring".into(), state(1).into()])?,
    }
    for found in &report.archive {
        let rows = found.outcome.as_ref().map_or(Cell::Null, |meta| Cell::Count(meta.rows));
        let problems = usize::from(found.outcome.is_err());
        sheet.row([file(&found.path).into(), rows, kind(found).into(), state(problems).into()])?;
    }
    Ok(sheet.finish().map(drop)?)
}

fn kind(file: &FileReport) -> String {
    match file.kind {
        FileKind::Day => "trading day".to_owned(),
        FileKind::Part => format!("part of {}", file.day),
    }
}

fn report_as_json(bus: &Bus, report: &VerifyReport, problems: &[String]) -> Value {
    let ring = match &report.ring {
        Ok(found) => json!({
            "path": bus.ring(),
            "blocks": found.blocks,
            "rows": found.rows,
            "checksums": found.checksums,
            "problems": found.problems,
        }),
        Err(error) => json!({"path": bus.ring(), "problems": [error.to_string()]}),
    };
    let file = |file: &FileReport| {
        json!({
            "path": file.path,
            "kind": match file.kind { FileKind::Day => "day", FileKind::Part => "part" },
            "day": file.day.to_string(),
            "rows": file.outcome.as_ref().ok().map(|meta| meta.rows),
            "problem": file.outcome.as_ref().err().map(ToString::to_string),
        })
    };
    let archive: Vec<Value> = report.archive.iter().map(file).collect();
    json!({"good": problems.is_empty(), "ring": ring, "archive": archive, "missing": report.missing})
}
