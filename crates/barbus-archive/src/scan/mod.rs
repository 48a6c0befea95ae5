//! Reading some bars of a day without decoding the rest.
//!
//! A file is checked as a whole against its file checksum when this process first reads it; what
//! was found is kept as long as the file is the same. Later reads decode only the pages that may
//! have wanted bars. Pages that were decompressed for a few symbols are kept too, within a limit.
//! Columns whose values are known by then, or by the statistics, are not decoded at all.

mod day_scan;
mod file_bytes;
mod footers;
mod group_pages;
mod known_columns;
mod merge;
mod page_cache;
mod pages;
mod row_keys;
mod wanted;

pub use day_scan::DayScan;
pub use footers::Footers;
pub use merge::merge;
pub use wanted::Wanted;
