//! Reading some bars of a day without decoding the rest.
//!
//! A file is checked as a whole against its file checksum when this process first reads it; what
//! was found is kept as long as the file is the same. Later reads decode only the pages that may
//! have wanted bars. Pages that were decompressed for a few symbols are kept too, within a limit.

mod day_scan;
mod file_bytes;
mod footers;
mod group_pages;
mod merge;
mod page_cache;
mod pages;
mod symbol_rows;
mod wanted;

pub use day_scan::DayScan;
pub use footers::Footers;
pub use merge::merge;
pub use wanted::Wanted;
