//! What several verbs use: standard output, the table of bars, and how things are said.

pub(crate) mod bars;
pub(crate) mod facts;
pub(crate) mod lifeline;
pub(crate) mod stdout;

use std::fmt;
use std::io::Write;

use clap::ValueEnum;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Report {
    /// For people.
    #[default]
    Table,
    /// One JSON object, for programs.
    Json,
}

/// Says what went wrong, on standard error. Nobody listening there is no reason to fail.
pub(crate) fn complain(what: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "barbus: {what}");
}

/// Columns of the terminal that standard output is, if it is one.
pub(crate) fn terminal_columns() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(usize::from(width.0))
}

/// An error and what caused it, each said once: many of our messages have their cause in them already.
pub(crate) fn in_one_line(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |said, cause| match said.contains(&cause) {
        true => said,
        false => format!("{said}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_cause_is_said_once() {
        let missing = || std::fs::read("/nonexistent/bars.csv");
        let plain = missing().context("bars.csv").unwrap_err();
        assert_eq!(in_one_line(&plain), "bars.csv: No such file or directory (os error 2)");
        let repeated =
            missing().map_err(|e| anyhow::Error::new(e).context("bars.csv: No such file or directory (os error 2)"));
        assert_eq!(in_one_line(&repeated.unwrap_err()), "bars.csv: No such file or directory (os error 2)");
    }
}
