//! `barbus verify`: the ring's structure, the checksums of its sealed blocks, and every archived day.

use std::io::Write;
use std::path::{Path, PathBuf};

use barbus::{Bus, VerifyReport};
use barbus_archive::{FileKind, FileReport};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::Reported;
use super::shared::stdout::{Out, stdout};
use super::shared::{Report, complain};
use crate::output::colour_wanted;
use crate::output::table::{Cell, Layout, Sheet};

/// Check the ring and every archived day; exit code 1 if anything is wrong.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The bus; it may be in use.
    bus: PathBuf,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t)]
    format: Report,
}

impl Verify {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let report = barbus::verify(&bus)?;
        let problems = problems(&bus, &report);
        let mut out = stdout();
        match self.format {
            Report::Json => writeln!(out, "{}", object(&bus, &report, &problems))?,
            Report::Table => table(&bus, &report)?,
        }
        out.flush()?;
        if problems.is_empty() {
            return Ok(());
        }
        problems.iter().for_each(complain);
        Err(Reported.into())
    }
}

/// One message for everything that is wrong; each begins with the file.
fn problems(bus: &Bus, report: &VerifyReport) -> Vec<String> {
    let ring = bus.ring();
    let mut problems = match &report.ring {
        Ok(found) => found.problems.iter().map(|problem| about(&ring, problem)).collect(),
        Err(error) => vec![about(&ring, &error.to_string())],
    };
    for file in &report.archive {
        if let Err(error) = &file.outcome {
            problems.push(about(&file.path, &error.to_string()));
        }
    }
    problems
}

/// The message with the file's name before it, unless it names the file itself.
fn about(path: &Path, problem: &str) -> String {
    let name = path.display().to_string();
    if problem.contains(&name) { problem.to_owned() } else { format!("{name}: {problem}") }
}

fn table(bus: &Bus, report: &VerifyReport) -> anyhow::Result<()> {
    let mut sheet: Sheet<Out> =
        Sheet::new(stdout(), Layout::Table, ["file", "rows", "what", "state"], TimeZone::UTC).coloured(colour_wanted());
    let file = |path: &Path| path.strip_prefix(bus.path()).unwrap_or(path).display().to_string();
    let state = |wrong: usize| match wrong {
        0 => "good".to_owned(),
        1 => "1 problem".to_owned(),
        _ => format!("{wrong} problems"),
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
        let wrong = usize::from(found.outcome.is_err());
        sheet.row([file(&found.path).into(), rows, what(found).into(), state(wrong).into()])?;
    }
    Ok(sheet.finish().map(drop)?)
}

fn what(file: &FileReport) -> String {
    match file.kind {
        FileKind::Day => "trading day".to_owned(),
        FileKind::Part => format!("part of {}", file.day),
    }
}

fn object(bus: &Bus, report: &VerifyReport, problems: &[String]) -> Value {
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
    json!({"good": problems.is_empty(), "ring": ring, "archive": archive})
}
