//! How far the archive has the rows of a lineage: by the footers of its newest files.
//!
//! A start compares that with the ring. It must not read every file of the archive for it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use jiff::civil::Date;
use parquet::file::metadata::ParquetMetaDataReader;

use crate::{Archive, DayMeta, Result};

/// Days whose files are read: this number of the newest by date, and of the newest by time.
const NEWEST: usize = 32;

impl Archive {
    /// The highest `through_seq` of the lineage in the newest files and in all parts; 0 if none of
    /// them is of the lineage. A file that cannot be read does not count.
    ///
    /// # Errors
    /// [`crate::ArchiveError::Io`] if a directory cannot be listed.
    pub fn covered_through(&self, lineage: u64) -> Result<u64> {
        let days = self.directory.days()?;
        let mut by_time: Vec<(SystemTime, Date)> = Vec::with_capacity(days.len());
        by_time.extend(days.iter().filter_map(|&day| Some((modified(&self.directory.day_path(day))?, day))));
        by_time.sort_unstable();
        let newest = by_time.iter().rev().take(NEWEST).map(|(_, day)| *day);
        let newest: BTreeSet<Date> = newest.chain(days.iter().rev().take(NEWEST).copied()).collect();
        let files = newest.into_iter().map(|day| self.directory.day_path(day));
        let parts = self.directory.all_parts()?.into_iter().map(|(day, part)| self.directory.part_path(day, part));
        let metas = files.chain(parts).filter_map(|path| footer(&path));
        Ok(metas.map(|meta| meta.covered(lineage)).max().unwrap_or_default())
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// The metadata in the footer of a file; its checksum is not checked.
fn footer(path: &Path) -> Option<DayMeta> {
    let file = File::open(path).ok()?;
    let footer = ParquetMetaDataReader::new().parse_and_finish(&file).ok()?;
    let pairs = footer.file_metadata().key_value_metadata()?;
    DayMeta::from_key_values(path, pairs).ok().map(|(meta, _)| meta)
}
