//! Withdrawing bars from a day's file, into a file of their own.

use std::path::PathBuf;

use arrow::array::AsArray;
use jiff::civil::Date;

use crate::sort::{SortInput, SortedRows};
use crate::stored_day::StoredDay;
use crate::{Archive, DayMeta, Result};

/// What [`Archive::withdraw`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// The number of bars.
    pub rows: u64,
    /// The file with them; `None` where there was none.
    pub path: Option<PathBuf>,
}

impl Archive {
    /// Withdraws the bars of `day` whose symbols satisfy `is_withdrawn`.
    ///
    /// They are written to a file of their own in the work directory, such as
    /// `2024-02-29.withdrawn-1.parquet`. Then the day's file is written without them; a day without
    /// bars has no file. Parts are left as they are: call [`Archive::write`] first.
    ///
    /// # Errors
    /// As [`Archive::write`]. No bar is lost, and the same call may be made again.
    pub fn withdraw(&self, day: Date, is_withdrawn: impl Fn(&str) -> bool) -> Result<Withdrawn> {
        let _writing = self.writing()?;
        let directory = &self.directory;
        directory.remove_temporary(Some(day))?;
        let Some(file) = StoredDay::load(directory, day)?.file else { return Ok(Withdrawn { rows: 0, path: None }) };
        let symbols = file.rows.column(0).as_string::<i32>();
        let (withdrawn, kept): (Vec<u32>, Vec<u32>) =
            (0..file.rows.num_rows() as u32).partition(|&row| is_withdrawn(symbols.value(row as usize)));
        if withdrawn.is_empty() {
            return Ok(Withdrawn { rows: 0, path: None });
        }
        let commit = |path: &PathBuf, rows: Vec<u32>| -> Result<u64> {
            let input = SortInput { columns: file.rows.columns(), rows: Some(rows) };
            let sorted = SortedRows::new(vec![input], directory.schema())?;
            let meta = DayMeta { rows: sorted.len() as u64, ..file.meta.clone() };
            directory.commit_file(path, &sorted, &meta)?;
            Ok(meta.rows)
        };
        let path = directory.free_withdrawn_path(day)?;
        let rows = commit(&path, withdrawn)?;
        match kept.is_empty() {
            true => directory.remove_day(day)?,
            false => commit(&directory.day_path(day), kept).map(drop)?,
        }
        Ok(Withdrawn { rows, path: Some(path) })
    }
}
