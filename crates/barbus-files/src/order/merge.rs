//! Merges sorted runs: bars by frame, those of one frame in the order of the runs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use arrow::array::{Array, AsArray, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use barbus_bars::{BarSchema, FIXED_COLUMNS};

use super::run::{Run, RunReader};
use crate::rows::{NUMBERS, Rows};

/// One run on its way through the merge.
struct Head {
    reader: RunReader,
    batch: Columns,
    row: usize,
}

/// The columns of a batch of bars.
struct Columns {
    keys: Vec<i32>,
    symbols: StringArray,
    frames: TimestampMillisecondArray,
    numbers: Vec<Float64Array>,
}

impl Columns {
    fn of(batch: &RecordBatch) -> Columns {
        let symbols = batch.column(0).as_dictionary::<Int32Type>();
        let numbers = batch.columns()[2..].iter().map(|column| column.as_primitive::<Float64Type>().clone());
        Columns {
            keys: symbols.keys().values().to_vec(),
            symbols: symbols.values().as_string::<i32>().clone(),
            frames: batch.column(1).as_primitive::<TimestampMillisecondType>().clone(),
            numbers: numbers.collect(),
        }
    }

    fn push(&self, row: usize, optional: &mut [Option<f64>], rows: &mut Rows) {
        for (value, column) in optional.iter_mut().zip(&self.numbers[NUMBERS..]) {
            *value = column.is_valid(row).then(|| column.value(row));
        }
        let numbers = std::array::from_fn(|i| self.numbers[i].value(row));
        rows.push(self.symbols.value(self.keys[row] as usize), self.frames.value(row), numbers, optional);
    }
}

/// Bars of several runs, by frame.
pub(crate) struct Merge {
    heads: Vec<Option<Head>>,
    /// The next frame of each run.
    next: BinaryHeap<Reverse<(i64, usize)>>,
    rows: Rows,
    optional: Vec<Option<f64>>,
}

impl Merge {
    pub(crate) fn new(runs: &[Run], schema: &BarSchema) -> io::Result<Merge> {
        let optional = vec![None; schema.column_names().count() - FIXED_COLUMNS.len()];
        let mut merge = Merge { heads: Vec::new(), next: BinaryHeap::new(), rows: Rows::new(schema), optional };
        for (index, run) in runs.iter().enumerate() {
            let mut reader = run.read()?;
            let head = reader.next_batch()?.map(|batch| Head { reader, batch: Columns::of(&batch), row: 0 });
            if let Some(head) = &head {
                merge.next.push(Reverse((head.batch.frames.value(0), index)));
            }
            merge.heads.push(head);
        }
        Ok(merge)
    }

    /// The next bars, at most `most`; none at the end.
    pub(crate) fn next_batch(&mut self, most: usize) -> io::Result<Option<RecordBatch>> {
        self.rows.clear();
        while self.rows.len() < most {
            let Some(Reverse((frame, index))) = self.next.pop() else { break };
            let Some(head) = &mut self.heads[index] else { continue };
            // All bars of one frame and run go together: the heap is asked once for them.
            while head.row < head.batch.frames.len() && head.batch.frames.value(head.row) == frame {
                head.batch.push(head.row, &mut self.optional, &mut self.rows);
                head.row += 1;
            }
            if head.row == head.batch.frames.len() {
                match head.reader.next_batch()? {
                    Some(batch) => (head.batch, head.row) = (Columns::of(&batch), 0),
                    None => {
                        self.heads[index] = None;
                        continue;
                    }
                }
            }
            self.next.push(Reverse((head.batch.frames.value(head.row), index)));
        }
        if self.rows.is_empty() {
            return Ok(None);
        }
        let all: Vec<usize> = (0..self.rows.len()).collect();
        Ok(Some(self.rows.batch(&all)))
    }
}
