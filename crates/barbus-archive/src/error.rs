//! Errors of the archive: of the file system, of a damaged or foreign file, of a wrong call.

use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

/// Why an operation on the archive failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// An operation of the file system failed. Nothing was lost; the same call may succeed later.
    #[error("{}: cannot {operation}: {error}", path.display())]
    Io {
        /// The operation, as a verb: `read`, `write`, `sync`, `rename` …
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error of the system; `StorageFull` when the disk is full.
        error: io::Error,
    },
    /// The file is not as it was written. It is not overwritten: move it away, and the day is
    /// written anew.
    #[error("{}: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The defect.
        what: Corruption,
    },
    /// The file was written in a format this build does not know.
    #[error("{}: archive format {found}, this build reads up to {}", path.display(), crate::metadata::FORMAT_VERSION)]
    Version {
        /// The file.
        path: PathBuf,
        /// The format number in the file.
        found: u32,
    },
    /// The file is undamaged, but its columns are not those of this bus.
    #[error("{}: column {column:?} is {found}, on this bus it is {expected}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The column that differs.
        column: String,
        /// Its type on the bus, or `absent`.
        expected: String,
        /// Its type in the file, or `absent`.
        found: String,
    },
    /// The Parquet encoder failed.
    #[error("{}: cannot encode: {error}", path.display())]
    Encode {
        /// The file that was to be written.
        path: PathBuf,
        /// The error of the encoder.
        error: ParquetError,
    },
    /// Rows that were read could not be brought together.
    #[error("cannot combine bars: {0}")]
    Merge(arrow::error::ArrowError),
    /// The call was wrong; it fails again.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl ArchiveError {
    /// Wraps an error of the file system with the operation and the path.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
        move |error| ArchiveError::Io { operation, path: path.to_owned(), error }
    }

    /// Wraps a defect of the file at `path`.
    pub(crate) fn corrupt(path: &Path, what: impl Into<Corruption>) -> ArchiveError {
        ArchiveError::Corrupt { path: path.to_owned(), what: what.into() }
    }

    /// True when the file does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, ArchiveError::Io { error, .. } if error.kind() == io::ErrorKind::NotFound)
    }
}

/// A defect of a file of the archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Corruption {
    /// Too short to hold a file checksum, or none where it belongs.
    #[error("not written by barbus, or rewritten by another program: it has no file checksum")]
    NoFileChecksum,
    /// Bytes have changed, or the file was cut.
    #[error("damaged: its bytes have checksum {found:08x}, it was written with {written:08x}")]
    FileChecksum {
        /// The checksum kept in the file.
        written: u32,
        /// The checksum of the bytes in the file.
        found: u32,
    },
    /// The Parquet decoder rejected it.
    #[error("not readable as Parquet: {0}")]
    Parquet(#[from] ParquetError),
    /// The metadata lacks a key.
    #[error("its metadata has no {0:?}")]
    MissingKey(&'static str),
    /// A value of the metadata is not valid.
    #[error("its metadata has the invalid value {value:?} for {key:?}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// The value found.
        value: String,
    },
    /// The name of the file and its metadata state different days.
    #[error("it holds the day {found}, which is not the day in its name")]
    OtherDay {
        /// The day in the metadata.
        found: jiff::civil::Date,
    },
    /// The number of rows is not that of the metadata.
    #[error("it has {found} rows, its metadata states {stated}")]
    Rows {
        /// Rows by the metadata.
        stated: u64,
        /// Rows in the file.
        found: u64,
    },
    /// Rows are not strictly ascending by (symbol, frame).
    #[error("row {row} is not after the row before it in (symbol, frame)")]
    Order {
        /// Number of the row, from 0.
        row: usize,
    },
    /// A value has changed.
    #[error("its values have checksum {found:08x}, its metadata states {stated:08x}")]
    Values {
        /// The checksum in the metadata.
        stated: u32,
        /// The checksum of the values read.
        found: u32,
    },
    /// A file just written does not have the rows it was encoded from.
    #[error("read back differently from what was written")]
    ReadBack,
}

/// A call with arguments that the archive cannot accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The rows lack a column.
    #[error("rows for the archive have no column {0:?}")]
    MissingColumn(String),
    /// A column of the rows has a type that is not accepted.
    #[error("rows for the archive have column {column:?} of type {found}, not {expected}")]
    ColumnType {
        /// The column.
        column: String,
        /// The accepted type.
        expected: String,
        /// The type given.
        found: String,
    },
    /// A null in a column that is not nullable.
    #[error("rows for the archive have a null in column {column:?}, row {row}")]
    Null {
        /// The column.
        column: String,
        /// Number of the row, from 0.
        row: usize,
    },
    /// A price that is not exact as `f32`.
    #[error("price {value} in column {column:?}, row {row}, is not a 32-bit float")]
    InexactPrice {
        /// The column.
        column: String,
        /// Number of the row, from 0.
        row: usize,
        /// The price, as text.
        value: String,
    },
    /// A row's number is not below the bound given with the rows.
    #[error("row number {seq} is not below the stated bound of {through_seq}")]
    SeqNotCovered {
        /// The row's number.
        seq: u64,
        /// The bound.
        through_seq: u64,
    },
    /// More rows than one file can hold.
    #[error("{rows} rows are too many for one day's file")]
    TooManyRows {
        /// Rows of the file, its parts and the call together.
        rows: u64,
    },
    /// The day has parts, whose bars are in no other file.
    #[error("{day} has parts that are not in its file yet")]
    HasParts {
        /// The day.
        day: jiff::civil::Date,
    },
    /// The day has a file, which is not replaced.
    #[error("{day} has a file already")]
    HasFile {
        /// The day.
        day: jiff::civil::Date,
    },
    /// Another calendar has assigned the bars to the day.
    #[error("{day} was made by the calendar {found}, and this archive goes by {expected}")]
    OtherCalendar {
        /// The day.
        day: jiff::civil::Date,
        /// The calendar that the file names.
        found: String,
        /// The calendar of the archive.
        expected: String,
    },
    /// The archive was opened with [`Archive::open_existing`](crate::Archive::open_existing).
    #[error("the archive was opened for reading only")]
    ReadOnly,
}
