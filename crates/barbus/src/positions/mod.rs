//! Where each reader of a bus is: readers report their positions in small files, and others list
//! them.
//!
//! The writer knows nothing of these files, and reading works without them.

mod file;
mod list;
mod report;

pub use file::printable;
pub(crate) use list::readers_of;
pub use list::{ReaderStat, ReaderState, readers};
pub(crate) use report::PositionReporter;
