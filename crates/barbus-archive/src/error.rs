//! What can go wrong: the file system refused ([`Error::Io`]), a file is not what was written ([`Error::Corrupt`]), a
//! file was written for other columns or by a newer barbus, or the caller asked for something impossible
//! ([`Error::Misuse`]).

use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

/// Why an operation on the archive failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused. Nothing was lost; the same call may succeed later.
    #[error("{}: cannot {operation}: {error}", path.display())]
    Io {
        /// What was being done, as a verb: `read`, `write`, `sync`, `rename` …
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said; `StorageFull` when the disk is full.
        error: io::Error,
    },
    /// The file is not what was written. It is left alone: move it away to have the day written anew.
    #[error("{}: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: Corruption,
    },
    /// The file was written in a format this build does not know.
    #[error("{}: archive format {found}, this build reads up to {}", path.display(), crate::metadata::FORMAT_VERSION)]
    Version {
        /// The file.
        path: PathBuf,
        /// The format's number in the file.
        found: u32,
    },
    /// The file is whole, but its columns are not those of this bus.
    #[error("{}: column {column:?} is {found}, on this bus it is {expected}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The column that differs.
        column: String,
        /// What the bus has: a type, or `absent`.
        expected: String,
        /// What the file has: a type, or `absent`.
        found: String,
    },
    /// The Parquet encoder failed.
    #[error("{}: cannot encode: {error}", path.display())]
    Encode {
        /// The file that was to be written.
        path: PathBuf,
        /// What the encoder said.
        error: ParquetError,
    },
    /// The call itself was wrong; it will fail again.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl Error {
    /// Wraps an error of the file system with what was being done to which path.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |error| Error::Io { operation, path: path.to_owned(), error }
    }

    /// Wraps a finding about `path`.
    pub(crate) fn corrupt(path: &Path, what: impl Into<Corruption>) -> Error {
        Error::Corrupt { path: path.to_owned(), what: what.into() }
    }

    /// True when the file system says that the file is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Error::Io { error, .. } if error.kind() == io::ErrorKind::NotFound)
    }
}

/// What is wrong with a file of the archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Corruption {
    /// Too short for a sealed Parquet file, or no seal where it belongs.
    #[error("not written by barbus, or rewritten by another program: it has no seal")]
    NotSealed,
    /// Bytes have changed, or the file was cut.
    #[error("damaged: its bytes have checksum {found:08x}, {sealed:08x} was written")]
    Seal {
        /// The checksum kept in the file.
        sealed: u32,
        /// The checksum of the bytes that are there.
        found: u32,
    },
    /// The Parquet decoder refused it.
    #[error("not readable as Parquet: {0}")]
    Parquet(#[from] ParquetError),
    /// A key of the metadata is not there.
    #[error("its metadata has no {0:?}")]
    MissingKey(&'static str),
    /// A value of the metadata makes no sense.
    #[error("its metadata says {key:?} is {value:?}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// The value found.
        value: String,
    },
    /// The name of the file says another day than its metadata.
    #[error("it holds the day {found}, its name says otherwise")]
    OtherDay {
        /// The day the metadata says.
        found: jiff::civil::Date,
    },
    /// The metadata counts other rows than there are.
    #[error("it has {found} rows, its metadata says {said}")]
    Rows {
        /// Rows the metadata says.
        said: u64,
        /// Rows there are.
        found: u64,
    },
    /// Rows are not strictly ascending by (symbol, frame).
    #[error("row {row} is not after the row before it in (symbol, frame)")]
    Order {
        /// Number of the row, from 0.
        row: usize,
    },
    /// A value has changed.
    #[error("its values have checksum {found:08x}, its metadata says {said:08x}")]
    Values {
        /// Checksum the metadata says.
        said: u32,
        /// Checksum of the values read.
        found: u32,
    },
    /// What was read back is not what was written.
    #[error("read back differently from what was written")]
    ReadBack,
}

/// A call that could not be served as it was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The rows lack a column.
    #[error("rows for the archive have no column {0:?}")]
    MissingColumn(String),
    /// A column of the rows has a type that is not taken.
    #[error("rows for the archive have column {column:?} of type {found}, not {expected}")]
    ColumnType {
        /// The column.
        column: String,
        /// What is taken.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A null where none may be.
    #[error("rows for the archive have a null in column {column:?}, row {row}")]
    Null {
        /// The column.
        column: String,
        /// Number of the row, from 0.
        row: usize,
    },
    /// A price would change when kept as `f32`.
    #[error("price {value} in column {column:?}, row {row}, is not a 32-bit float")]
    InexactPrice {
        /// The column.
        column: String,
        /// Number of the row, from 0.
        row: usize,
        /// The price, as text.
        value: String,
    },
    /// A row's number is not below the bound given with it.
    #[error("row number {seq} is not below the {through_seq} the rows were said to reach")]
    SeqNotCovered {
        /// The row's number.
        seq: u64,
        /// The bound.
        through_seq: u64,
    },
    /// More than one day's file can hold.
    #[error("{rows} rows are too many for one day's file")]
    TooManyRows {
        /// Rows there would be before equal bars are merged.
        rows: u64,
    },
    /// The archive was opened with [`Archive::open_existing`](crate::Archive::open_existing).
    #[error("the archive was opened for reading only")]
    ReadOnly,
}
