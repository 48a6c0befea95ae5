//! The input side of `barbus publish`: files and standard input become batches of bars.
//!
//! [`Feed`] is what a caller uses: it opens every input, refuses those it cannot map to bars before anything is
//! sent, and then gives batches in feed order (or as they are), each with the rows that could not be read and the
//! time it is due. Rows that can be read but break a rule of the bus are passed on as they are: the daemon applies the
//! rules and keeps what it refuses.

mod ahead;
mod arrow;
mod content;
mod csv;
mod decimal;
mod feed;
mod field_ends;
mod fields;
mod input;
mod line_rows;
mod lines;
mod ndjson;
mod parquet;
mod plain_rows;
mod reject;
mod replay;
mod rows;
#[cfg(test)]
mod testing;

use std::collections::VecDeque;
use std::io;

use barbus::Pace;
use barbus_bars::{BarSchema, CastOptions, ColumnMap, Label, Rules};
use clap::ValueEnum;
use jiff::tz::TimeZone;

pub use content::{Content, read};
pub(crate) use feed::{Batch, Feed};
pub(crate) use input::{Input, Progress};
pub(crate) use reject::{Reject, reject_batch};
pub(crate) use replay::ReplayFeed;
pub(crate) use rows::Rows;

/// Most rows of one batch on the way to the daemon.
pub(crate) const BATCH_ROWS: usize = 8192;

/// How inputs are read and released.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The columns of the bus the bars are for.
    pub(crate) schema: BarSchema,
    /// Which end of a bar the input's time marks.
    pub(crate) label: Label,
    /// Zone of times without one; the schema's when `None`.
    pub(crate) zone: Option<TimeZone>,
    /// Which column of the input is which.
    pub(crate) map: ColumnMap,
    /// Length of a bar, milliseconds.
    pub(crate) interval_ms: i64,
    /// Keep the order of the input instead of sorting everything by frame.
    pub(crate) as_is: bool,
    /// How fast batches are due.
    pub(crate) pace: Pace,
    /// The format of every input, when it is not to be found out.
    pub(crate) format: Option<Format>,
}

impl Options {
    /// One-minute bars labelled by their end, the usual column names, feed order, full speed, formats found out.
    pub(crate) fn new(schema: BarSchema) -> Options {
        Options {
            schema,
            label: Label::End,
            zone: None,
            map: ColumnMap::default(),
            interval_ms: 60_000,
            as_is: false,
            pace: Pace::Max,
            format: None,
        }
    }

    /// How Arrow batches of an input are turned into bars. Rules that can be switched are off: the daemon has them.
    fn cast(&self) -> CastOptions {
        CastOptions {
            label: self.label,
            interval_ms: self.interval_ms,
            zone: self.zone.clone(),
            map: self.map.clone(),
            rules: Rules { high_low: false },
        }
    }
}

/// What an input holds. A gzip wrapping is always found out by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text with a header line; comma, tab, semicolon or bar between the fields.
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// Parquet.
    Parquet,
    /// Arrow IPC, file or stream.
    Arrow,
}

/// Rows read from an input in one go.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The bars that could be read.
    pub(crate) bars: Rows,
    /// The rows that could not.
    pub(crate) rejects: VecDeque<Reject>,
}

impl Parsed {
    fn new(schema: &BarSchema) -> Parsed {
        Parsed { bars: Rows::new(schema), rejects: VecDeque::new() }
    }

    fn len(&self) -> usize {
        self.bars.len() + self.rejects.len()
    }
}

/// Why an input could not be read, or not to its end. Every message begins with the input's name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// The file cannot be opened.
    #[error("{input}: {source}")]
    Open {
        /// The path.
        input: String,
        /// What the system says.
        source: io::Error,
    },
    /// Reading failed half-way. Rows before `place` have been given.
    #[error("{input}: reading stopped {place}: {source}")]
    Read {
        /// The path.
        input: String,
        /// How far it went: `after line 17`.
        place: String,
        /// What the system or the decompressor says.
        source: io::Error,
    },
    /// Compressed data ends before its end. Rows before `place` have been given.
    #[error("{input}: the gzip data ends too early, {place}: the file has been cut off")]
    CutOff {
        /// The path.
        input: String,
        /// How far it went: `after line 17`.
        place: String,
    },
    /// There is nothing in it.
    #[error("{input}: the input is empty")]
    Empty {
        /// The path.
        input: String,
    },
    /// A required column is not there, or two columns claim the same place.
    #[error("{input}: {reason}")]
    Columns {
        /// The path.
        input: String,
        /// What is wrong with the columns.
        reason: String,
    },
    /// The content is not what its name, its first bytes or `--format` say, or not something barbus reads.
    #[error("{input}: {reason}")]
    Format {
        /// The path.
        input: String,
        /// What it is, and what can be done.
        reason: String,
    },
    /// Arrow or Parquet content is damaged, or written in a way this build cannot read. Rows before `place` have been given.
    #[error("{input}: unreadable {format}{place}: {reason}")]
    Unreadable {
        /// The path.
        input: String,
        /// `Arrow` or `Parquet`.
        format: &'static str,
        /// How far it went: ` after row 17`, or nothing.
        place: String,
        /// What the decoder says.
        reason: String,
    },
}
