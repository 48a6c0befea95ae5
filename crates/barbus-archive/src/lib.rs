//! Trading days as Parquet files: `YYYY-MM-DD.parquet`, one per day, complete or absent.
//!
//! - The directory has days and nothing else, at any moment: files being written, and parts of an
//!   open day, are in a work directory beside it (`1m.work/` for `1m/`), on the same file system.
//! - A day without rows has no file, and reads as `None`.
//! - Writing the same rows again changes nothing: the file is not even rewritten.
//! - A write that fails leaves the old file, and every part, as they were; the next one removes
//!   what it left behind.
//! - A file that was damaged, or rewritten by another program, is reported as
//!   [`ArchiveError::Corrupt`] before any of it is decoded, and never overwritten.
//!
//! ```
//! use std::sync::Arc;
//! use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt64Array};
//! use barbus_archive::Archive;
//! use barbus_bars::BarSchema;
//!
//! let dir = tempfile::tempdir()?;
//! let archive = Archive::open(dir.path().join("1m"), BarSchema::in_zone("Asia/Shanghai")?, "XSHG")?;
//!
//! let price = |value: f64| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
//! let rows = RecordBatch::try_from_iter([
//!     ("symbol", Arc::new(StringArray::from(vec!["600000.XSHG"])) as ArrayRef),
//!     ("frame", Arc::new(TimestampMillisecondArray::from(vec![1_647_826_260_000]).with_timezone("Asia/Shanghai"))),
//!     ("open", price(8.0)), ("high", price(8.2)), ("low", price(7.9)), ("close", price(8.1)),
//!     ("volume", price(12_300.0)), ("money", price(99_630.0)), ("factor", price(1.0)),
//!     ("seq", Arc::new(UInt64Array::from(vec![0]))),
//! ])?;
//!
//! let day = jiff::civil::date(2022, 3, 21);
//! let (lineage, through_seq) = (1, 1);
//! assert_eq!(archive.write(day, &rows, lineage, through_seq)?.rows, 1);
//! assert!(!archive.write(day, &rows, lineage, through_seq)?.changed);
//!
//! let (meta, bars) = archive.read(day)?.expect("just written");
//! assert_eq!((meta.rows, bars.num_rows()), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod adopt;
mod archive;
mod checksum;
mod checksummed_file;
mod column_settings;
mod conform;
mod coverage;
mod day_file;
mod day_version;
mod directory;
mod encode;
mod error;
mod file_checksum;
mod file_names;
pub mod files;
mod frames;
pub mod metadata;
mod migrate;
mod new_rows;
mod readback;
mod reassign;
mod remove;
mod scan;
mod sort;
mod stored_day;
#[cfg(test)]
mod test_rows;
mod verify;
mod withdraw;
#[doc(hidden)]
pub mod workers;

pub use archive::{Archive, Spilled, Written};
pub use day_version::DayVersion;
pub use directory::work_dir;
pub use error::{ArchiveError, Corruption, Misuse};
pub use file_checksum::{FILE_CHECKSUM_BYTES, FILE_CHECKSUM_MAGIC, FILE_CHECKSUM_OFFSET};
pub use file_names::{is_day_file, is_part_file};
pub use metadata::DayMeta;
pub use migrate::Migrated;
pub use remove::KeptCopy;
pub use scan::{DayScan, Footers, Wanted, merge};
pub use verify::{FileKind, FileReport, check_file};
pub use withdraw::Withdrawn;
pub use workers::with_few_threads;

/// The result of an operation on the archive.
pub type Result<T, E = ArchiveError> = std::result::Result<T, E>;
