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
