//! A day as it is on disk: its file, and the parts that are not in the file yet.

use jiff::civil::Date;

use crate::directory::{Directory, Loaded};
use crate::metadata::FORMAT_VERSION;
use crate::sort::SortInput;
use crate::{DayMeta, Result};

/// How often loading starts again because parts were merged meanwhile.
pub(crate) const MAX_ATTEMPTS: usize = 100;

/// A day's file and parts, read in full and checked.
pub(crate) struct StoredDay {
    pub(crate) file: Option<Loaded>,
    /// Parts that are not in the file yet, by number.
    pub(crate) parts: Vec<Loaded>,
    /// Numbers of parts that are in the file.
    pub(crate) merged: Vec<u32>,
}

impl StoredDay {
    /// Reads parts before the file. A merge replaces the file first and removes the parts after,
    /// so that each bar is found in one or the other.
    pub(crate) fn load(directory: &Directory, day: Date) -> Result<StoredDay> {
        let mut attempt = 1;
        let mut parts = loop {
            let numbers = directory.parts(day)?;
            let loaded = numbers.into_iter().map(|part| directory.load_part(day, part));
            match loaded.collect::<Result<Vec<_>>>() {
                Err(error) if error.is_not_found() && attempt < MAX_ATTEMPTS => attempt += 1,
                other => break other?,
            }
        };
        let file = directory.load_day(day)?;
        let mut merged = Vec::new();
        if let Some(file) = &file {
            parts.retain(|part| {
                let in_file = file.meta.has_part(&part.meta);
                if in_file {
                    merged.push(part.meta.part);
                }
                !in_file
            });
        }
        Ok(StoredDay { file, parts, merged })
    }

    fn metas(&self) -> impl Iterator<Item = &DayMeta> + Clone {
        let files = self.file.iter().chain(&self.parts);
        files.map(|loaded| &loaded.meta)
    }

    /// Rows of `lineage` below this number are on disk.
    pub(crate) fn covered(&self, lineage: u64) -> u64 {
        self.metas().map(|meta| meta.covered(lineage)).max().unwrap_or_default()
    }

    /// The metadata of a file of `rows` rows that has this day, and new rows of these numbers.
    pub(crate) fn merged_meta(
        &self,
        day: Date,
        calendar: &str,
        lineage: u64,
        new: Option<SeqRange>,
        rows: usize,
    ) -> DayMeta {
        let same = self.metas().filter(|meta| meta.lineage == lineage);
        let through = same.clone().map(|meta| meta.through_seq).chain(new.map(|new| new.through)).max();
        let through_seq = through.unwrap_or_default();
        let first = same
            .filter(|meta| meta.first_seq < meta.through_seq)
            .map(|meta| meta.first_seq)
            .chain(new.map(|new| new.first))
            .min();
        DayMeta {
            day,
            calendar: calendar.to_owned(),
            schema_version: FORMAT_VERSION,
            rows: rows as u64,
            first_seq: first.unwrap_or(through_seq),
            through_seq,
            lineage,
            part: self.last_part(),
        }
    }

    /// The highest number of a part, merged ones included.
    fn last_part(&self) -> u32 {
        let merged = self.merged.iter().copied();
        let last = self.metas().map(|meta| meta.part).chain(merged).max();
        last.unwrap_or_default()
    }

    /// The rows on disk, from the oldest revisions to the newest.
    pub(crate) fn sort_inputs(&self) -> Vec<SortInput<'_>> {
        let files = self.file.iter().chain(&self.parts);
        files.map(|loaded| SortInput { columns: loaded.rows.columns(), rows: None }).collect()
    }
}

/// Row numbers of rows being added.
#[derive(Clone, Copy)]
pub(crate) struct SeqRange {
    pub(crate) first: u64,
    pub(crate) through: u64,
}
