//! The first and the last bar of a day's file, from its footer.

use std::fs::File;
use std::io::ErrorKind;

use jiff::civil::Date;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::statistics::Statistics;

use crate::{Archive, ArchiveError, Result};

/// The number of the column `frame`.
const FRAME: usize = 1;

impl Archive {
    /// The first and the last frame (milliseconds UTC) in the file of `day`; `None` without a file.
    /// It reads the footer only, and checks nothing else; parts do not count.
    ///
    /// # Errors
    /// [`ArchiveError`] when the file cannot be opened, or has no readable footer.
    pub fn frames_ms(&self, day: Date) -> Result<Option<(i64, i64)>> {
        let path = self.path(day);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ArchiveError::io("open", &path)(error)),
        };
        let footer = ParquetMetaDataReader::new().parse_and_finish(&file);
        let footer = footer.map_err(|error| ArchiveError::corrupt(&path, error))?;
        let mut ends: Option<(i64, i64)> = None;
        for group in footer.row_groups() {
            let statistics = group.columns().get(FRAME).and_then(|column| column.statistics());
            let Some(Statistics::Int64(frames)) = statistics else { continue };
            let (Some(&first), Some(&last)) = (frames.min_opt(), frames.max_opt()) else { continue };
            ends = Some(ends.map_or((first, last), |(min, max)| (min.min(first), max.max(last))));
        }
        Ok(ends)
    }
}
