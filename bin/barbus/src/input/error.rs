//! Why an input cannot be read, or cannot be read to its end.

use std::io;

use barbus_bars::CastError;

use crate::output::format::{printable, shortened};

/// Most characters of a header shown in a message.
const MAX_HEADER_CHARS: usize = 300;

/// The error of one input. Every message begins with the name of the input.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// The file cannot be opened.
    #[error("{input}: {source}")]
    Open {
        /// The path.
        input: String,
        /// The error of the system.
        source: io::Error,
    },
    /// Reading failed. The rows before `place` were delivered.
    #[error("{input}: reading stopped {place}: {source}")]
    Read {
        /// The path.
        input: String,
        /// Where reading stopped: `at line 17`.
        place: String,
        /// The error of the system or of the decompressor.
        source: io::Error,
    },
    /// The compressed data is truncated. The rows before `place` were delivered.
    #[error("{input}: the gzip data ends too early, {place}: the file is truncated")]
    Truncated {
        /// The path.
        input: String,
        /// Where the data ends: `at line 17`.
        place: String,
    },
    /// The input has no bytes.
    #[error("{input}: the input is empty")]
    Empty {
        /// The path.
        input: String,
    },
    /// A required column is missing, or two columns have the same meaning.
    #[error("{input}: {reason}")]
    Columns {
        /// The path.
        input: String,
        /// The problem with the columns.
        reason: String,
    },
    /// The content does not have the expected format, or has a format that barbus does not read.
    #[error("{input}: {reason}")]
    Format {
        /// The path.
        input: String,
        /// What the content is, and what to do about it.
        reason: String,
    },
    /// Arrow or Parquet data is damaged, or uses a feature that this build cannot decode.
    /// The rows before `place` were delivered.
    #[error("{input}: unreadable {format}{place}: {reason}")]
    Decode {
        /// The path.
        input: String,
        /// `Arrow` or `Parquet`.
        format: &'static str,
        /// Where decoding stopped: ` after row 17`, or an empty text.
        place: String,
        /// The error of the decoder.
        reason: String,
    },
}

impl InputError {
    /// The input is empty.
    pub(super) fn empty(input: &str) -> InputError {
        InputError::Empty { input: input.to_owned() }
    }

    /// The content of the input has another format than expected.
    pub(super) fn format(input: &str, reason: &str) -> InputError {
        InputError::Format { input: input.to_owned(), reason: reason.to_owned() }
    }

    /// Reading of the input failed at `place`.
    pub(super) fn read(input: &str, place: &str, source: io::Error) -> InputError {
        let (input, place) = (input.to_owned(), place.to_owned());
        // Only a decompressor reports an early end. A plain file just ends.
        if source.kind() == io::ErrorKind::UnexpectedEof {
            InputError::Truncated { input, place }
        } else {
            InputError::Read { input, place, source }
        }
    }

    /// The input lacks the columns of a bar; `names_in` is where the columns are named.
    pub(super) fn columns(input: &str, names_in: &str, error: CastError) -> InputError {
        let reason = match error {
            CastError::MissingColumn { column, found, nearest } => {
                let found = match found.join(", ") {
                    names if names.trim().is_empty() => "no columns".to_owned(),
                    names => shortened(&names, MAX_HEADER_CHARS),
                };
                let hint = nearest.map_or_else(String::new, |name| {
                    format!("; if {name:?} is this column, give --map {column}={name}")
                });
                format!("no column for {column:?}: {names_in} has {found}{hint}")
            }
            other => other.to_string(),
        };
        InputError::Columns { input: input.to_owned(), reason: printable(&reason) }
    }

    /// A decoder of `format` failed after `rows_read` rows.
    pub(super) fn decode(
        input: &str,
        format: &'static str,
        rows_read: u64,
        error: &dyn std::error::Error,
    ) -> InputError {
        let place = match rows_read {
            0 => String::new(),
            rows => format!(" after row {rows}"),
        };
        InputError::Decode { input: input.to_owned(), format, place, reason: error.to_string() }
    }
}
