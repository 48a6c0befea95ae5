//! What a command prints: facts for people, or one JSON object for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum ReportFormat {
    /// Lines for people.
    #[default]
    Table,
    /// One JSON object.
    Json,
}

/// Prints a report: `lines` for people, `value` for programs.
pub(super) fn print<T: Serialize>(format: ReportFormat, value: &T, lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        ReportFormat::Json => writeln!(out, "{}", serde_json::to_string(value)?)?,
        ReportFormat::Table => lines.iter().try_for_each(|line| writeln!(out, "{line}"))?,
    }
    out.flush()
}

/// Prints problems on standard error, each as a message of its own, and fails if there is one.
pub(super) fn fail_with(place: &str, problems: &[String]) -> anyhow::Result<()> {
    for problem in problems {
        let _ = writeln!(io::stderr(), "barbus: {problem}");
    }
    match problems.len() {
        0 => Ok(()),
        1 => anyhow::bail!("{place}: 1 problem, named above"),
        many => anyhow::bail!("{place}: {many} problems, named above"),
    }
}

/// A number of bytes for people.
pub(super) fn bytes(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().si().to_string()
}

/// A number of things with their name, such as `1 day` or `3 days`.
pub(super) fn count(number: usize, name: &str) -> String {
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}
