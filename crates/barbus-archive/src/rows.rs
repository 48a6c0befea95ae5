use std::ops::Range;

use arrow::array::AsArray;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::datatypes::TimestampMillisecondType;

/// Rows in the columns of the archive, to be had piece by piece: a day need not be in memory twice.
pub(crate) trait Rows: Sync {
    /// The columns.
    fn columns(&self) -> &SchemaRef;
    /// How many rows there are.
    fn count(&self) -> usize;
    /// The symbols of some of them, each with the number of rows that have it one after another.
    fn symbols(&self, range: Range<usize>) -> Vec<(&str, usize)>;
    /// Some rows of another column.
    fn column(&self, i: usize, range: Range<usize>) -> ArrayRef;
    /// Whether each of them is after the one before it, that before the first included, in (symbol, frame).
    fn ascend(&self, range: Range<usize>) -> bool;
}

impl Rows for RecordBatch {
    fn columns(&self) -> &SchemaRef {
        self.schema_ref()
    }

    fn count(&self) -> usize {
        self.num_rows()
    }

    fn symbols(&self, range: Range<usize>) -> Vec<(&str, usize)> {
        let symbols = self.column(0).as_string::<i32>();
        let mut runs: Vec<(&str, usize)> = Vec::new();
        for row in range {
            match runs.last_mut() {
                Some((name, rows)) if *name == symbols.value(row) => *rows += 1,
                _ => runs.push((symbols.value(row), 1)),
            }
        }
        runs
    }

    fn column(&self, i: usize, range: Range<usize>) -> ArrayRef {
        self.column(i).slice(range.start, range.len())
    }

    fn ascend(&self, range: Range<usize>) -> bool {
        let from = range.start.saturating_sub(1);
        first_out_of_order(&self.slice(from, range.end - from)).is_none()
    }
}

/// The first row that is not after the one before it.
pub(crate) fn first_out_of_order(rows: &RecordBatch) -> Option<usize> {
    let symbols = rows.column(0).as_string::<i32>();
    let frames = rows.column(1).as_primitive::<TimestampMillisecondType>();
    (1..rows.num_rows()).find(|&row| {
        let before = (symbols.value(row - 1), frames.value(row - 1));
        before >= (symbols.value(row), frames.value(row))
    })
}
