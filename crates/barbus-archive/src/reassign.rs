//! Moving bars between the parts of days, after the calendar was changed.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::TimestampMillisecondType;
use jiff::civil::Date;

use crate::metadata::FORMAT_VERSION;
use crate::sort::{SortInput, SortedRows};
use crate::{Archive, DayMeta, Result};

impl Archive {
    /// Moves the bars of the parts of `day` that belong to other days, by `day_of` their frames
    /// (milliseconds UTC), to parts of those days. Returns whether there was one.
    ///
    /// # Errors
    /// As [`Archive::write`]. No bar is lost, and the same call may be made again.
    pub fn reassign_parts(&self, day: Date, mut day_of: impl FnMut(i64) -> Date) -> Result<bool> {
        let _writing = self.writing()?;
        let directory = &self.directory;
        let mut moved = false;
        for number in directory.parts(day)? {
            let part = directory.load_part(day, number)?;
            let frames = part.rows.column(1).as_primitive::<TimestampMillisecondType>().values();
            let ends = [frames.iter().min(), frames.iter().max()];
            if ends.into_iter().flatten().all(|&frame| day_of(frame) == day) {
                continue;
            }
            moved = true;
            let mut by_day: BTreeMap<Date, Vec<u32>> = BTreeMap::new();
            for (row, &frame) in frames.iter().enumerate() {
                by_day.entry(day_of(frame)).or_default().push(row as u32);
            }
            for (target, rows) in by_day {
                // In another day the part says nothing of the ring's rows: a lineage of its own.
                let (lineage, through_seq) = match target == day {
                    true => (part.meta.lineage, part.meta.through_seq),
                    false => (part.meta.lineage.rotate_left(7), 1),
                };
                let input = SortInput { columns: part.rows.columns(), rows: Some(rows) };
                let sorted = SortedRows::new(vec![input], directory.schema())?;
                let meta = DayMeta {
                    day: target,
                    calendar: part.meta.calendar.clone(),
                    schema_version: FORMAT_VERSION,
                    rows: sorted.len() as u64,
                    first_seq: part.meta.first_seq.min(through_seq),
                    through_seq,
                    lineage,
                    part: directory.next_part(target)?,
                };
                directory.commit_file(&directory.part_path(target, meta.part), &sorted, &meta)?;
            }
            directory.remove_parts(day, &[number])?;
        }
        Ok(moved)
    }
}
