//! The formats of a report: for people or for programs.

use clap::ValueEnum;

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(in crate::commands) enum ReportFormat {
    /// For people.
    #[default]
    Table,
    /// One JSON object, for programs.
    Json,
}
