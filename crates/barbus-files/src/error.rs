//! Why an input cannot be read, or cannot be read to its end.

use std::io;

use crate::text::printable;

/// The error of one input. Every message begins with the name of the input.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
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
    #[error("{input}: the packed data ends too early, {place}: the file is truncated")]
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
    pub(crate) fn empty(input: &str) -> InputError {
        InputError::Empty { input: input.to_owned() }
    }

    /// The content of the input has another format than expected.
    pub(crate) fn format(input: &str, reason: &str) -> InputError {
        InputError::Format { input: input.to_owned(), reason: printable(reason) }
    }

    /// Reading of the input failed at `place`.
    pub(crate) fn read(input: &str, place: &str, source: io::Error) -> InputError {
        let (input, place) = (input.to_owned(), place.to_owned());
        // Only a decompressor reports an early end. A plain file just ends.
        if source.kind() == io::ErrorKind::UnexpectedEof {
            InputError::Truncated { input, place }
        } else {
            InputError::Read { input, place, source }
        }
    }

    /// The columns of the input cannot be bound to those of a bar, for this reason.
    pub(crate) fn columns(input: &str, reason: &str) -> InputError {
        InputError::Columns { input: input.to_owned(), reason: printable(reason) }
    }

    /// The same error of an input that is `place`.
    pub(crate) fn with_place(self, place: &str) -> InputError {
        match self {
            InputError::Columns { input, reason } => {
                InputError::Columns { input, reason: format!("is {}: {reason}", printable(place)) }
            }
            other => other,
        }
    }

    /// A decoder of `format` failed after `rows_read` rows.
    pub(crate) fn decode(
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
