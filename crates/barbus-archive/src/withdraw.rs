//! Withdrawing bars from a day's file, into a file of their own.

use std::path::PathBuf;

use arrow::array::AsArray;
use arrow::datatypes::TimestampMillisecondType;
use jiff::civil::Date;

use crate::directory::Kept;
use crate::sort::{SortInput, SortedRows};
use crate::{Archive, DayMeta, Result};

/// What [`Archive::withdraw`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// The number of bars.
    pub rows: u64,
    /// The day's file as it was before; `None` where there was no such bar.
    pub path: Option<PathBuf>,
}

impl Archive {
    /// Withdraws the bars of `day` whose symbol and frame (end of bar, UTC ms) satisfy
    /// `is_withdrawn`.
    ///
    /// The day's file is kept as it is in the directory `withdrawn` beside that of the archive, as
    /// `2024-02-29-1.parquet` for example. Then it is written without the bars; a day without bars
    /// has no file. Parts are left as they are: call [`Archive::write`] first.
    ///
    /// # Errors
    /// As [`Archive::write`]. No bar is lost, and the same call may be made again.
    pub fn withdraw(&self, day: Date, is_withdrawn: impl Fn(&str, i64) -> bool) -> Result<Withdrawn> {
        let _writing = self.writing()?;
        let directory = &self.directory;
        directory.remove_temporary(Some(day))?;
        let Some(file) = directory.load_day(day)? else { return Ok(Withdrawn { rows: 0, path: None }) };
        let symbols = file.rows.column(0).as_string::<i32>();
        let frames = file.rows.column(1).as_primitive::<TimestampMillisecondType>();
        let all = 0..file.rows.num_rows() as u32;
        let (withdrawn, kept): (Vec<u32>, Vec<u32>) =
            all.partition(|&row| is_withdrawn(symbols.value(row as usize), frames.value(row as usize)));
        if withdrawn.is_empty() {
            return Ok(Withdrawn { rows: 0, path: None });
        }
        let path = directory.day_path(day);
        let copy = directory.keep_copy(&path, Kept::Withdrawn, day)?;
        if kept.is_empty() {
            directory.remove_day(day)?;
        } else {
            let input = SortInput { columns: file.rows.columns(), rows: Some(kept) };
            let sorted = SortedRows::new(vec![input], directory.schema())?;
            let meta = DayMeta { rows: sorted.len() as u64, ..file.meta };
            directory.commit_file(&path, &sorted, &meta)?;
        }
        Ok(Withdrawn { rows: withdrawn.len() as u64, path: Some(copy) })
    }
}
