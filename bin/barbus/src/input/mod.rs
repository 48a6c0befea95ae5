//! Reads files and standard input as rows of bars.
//!
//! [`open`] detects the format of an input, checks its columns and returns a row source.
//! A row that cannot be read is rejected with its text, its place and the reason.
//! A row that can be read but breaks a rule of the bus is passed on: the daemon applies the rules.

mod arrow;
mod content;
mod csv;
mod csv_fields;
mod detect;
mod error;
mod fields;
mod gzip;
mod line_source;
mod lines;
mod ndjson;
mod open;
mod options;
mod parquet;
mod progress;
mod read_ahead;
mod reject;
mod rows;
mod source;
#[cfg(test)]
pub(crate) mod testing;

pub use content::{InputContent, read_input};
pub(crate) use error::InputError;
pub(crate) use open::open;
pub use options::InputFormat;
pub(crate) use options::InputOptions;
pub(crate) use progress::{Progress, file_size};
pub(crate) use reject::{Reject, reject_batch};
pub(crate) use rows::Rows;
pub(crate) use source::{BATCH_ROWS, ParsedRows, RowSource};
