//! Puts bars into feed order: by frame, as if the market were running again.

use std::io;
use std::sync::Arc;

use arrow::array::RecordBatch;
use barbus_bars::BarSchema;

use super::merge::Merge;
use super::run::Run;
use crate::rows::Rows;
use crate::source::BATCH_ROWS;

/// Bars that are sorted in memory, about 100 bytes each; more are sorted in a temporary file.
const MAX_IN_MEMORY: usize = 1_500_000;

/// Collects bars in any order.
pub struct FeedOrder {
    schema: BarSchema,
    rows: Rows,
    runs: Vec<Run>,
    most: usize,
}

impl FeedOrder {
    /// Collects bars of `schema`.
    pub fn new(schema: &BarSchema) -> FeedOrder {
        FeedOrder::with_memory(schema, MAX_IN_MEMORY)
    }

    fn with_memory(schema: &BarSchema, most: usize) -> FeedOrder {
        FeedOrder { schema: schema.clone(), rows: Rows::new(schema), runs: Vec::new(), most }
    }

    /// The bars that are appended next; [`FeedOrder::make_room`] must follow.
    pub fn rows(&mut self) -> &mut Rows {
        &mut self.rows
    }

    /// Writes the collected bars to the temporary file if they are many.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn make_room(&mut self) -> io::Result<()> {
        if self.rows.len() >= self.most {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.runs.push(Run::write(&mut self.rows, &self.schema)?);
        self.rows.clear();
        Ok(())
    }

    /// The bars in feed order; those of one frame in the order in which they were collected.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn finish(mut self) -> io::Result<Ordered> {
        if !self.runs.is_empty() && !self.rows.is_empty() {
            self.spill()?;
        }
        let order = if self.runs.is_empty() { self.rows.feed_order() } else { Vec::new() };
        Ok(Ordered { schema: self.schema, rows: self.rows, order, runs: self.runs, position: Position::Start })
    }
}

/// Bars in feed order, which can be read more than once.
pub struct Ordered {
    schema: BarSchema,
    rows: Rows,
    order: Vec<usize>,
    runs: Vec<Run>,
    position: Position,
}

enum Position {
    Start,
    Row(usize),
    Merge(Box<Merge>),
}

impl Ordered {
    /// Goes back to the first bar.
    pub fn rewind(&mut self) {
        self.position = Position::Start;
    }

    /// Every symbol of the bars that are in memory.
    pub fn symbols(&self) -> &[Arc<str>] {
        self.rows.symbols()
    }

    /// The first column with a value that was rounded.
    pub fn rounded(&self) -> Option<&str> {
        self.rows.rounded()
    }

    /// A batch without bars.
    pub fn empty_batch(&self) -> RecordBatch {
        RecordBatch::new_empty(self.schema.wire_schema())
    }

    /// The next bars, about [`BATCH_ROWS`], under [`BarSchema::wire_schema`]; `None` at the end.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn next_batch(&mut self) -> io::Result<Option<RecordBatch>> {
        if let Position::Start = self.position {
            self.position = match self.runs.is_empty() {
                true => Position::Row(0),
                false => Position::Merge(Box::new(Merge::new(&self.runs, &self.schema)?)),
            };
        }
        match &mut self.position {
            Position::Merge(merge) => merge.next_batch(BATCH_ROWS),
            Position::Row(row) if *row < self.order.len() => {
                let end = self.order.len().min(*row + BATCH_ROWS);
                let batch = self.rows.batch(&self.order[*row..end]);
                *row = end;
                Ok(Some(batch))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Float64Type, TimestampMillisecondType};

    use super::*;

    /// Frames and closes of bars that are collected in `most` rows of memory.
    fn sorted(frames: &[i64], most: usize) -> Vec<(i64, f64)> {
        let schema = BarSchema::in_zone("UTC").unwrap();
        let mut order = FeedOrder::with_memory(&schema, most);
        for (i, frame) in frames.iter().enumerate() {
            let symbol = ["A", "B", "C"][i % 3];
            order.rows().push(symbol, *frame, [0.0, 0.0, 0.0, i as f64, 0.0], &[None, Some(i as f64)]);
            order.make_room().unwrap();
        }
        let mut ordered = order.finish().unwrap();
        let mut all = Vec::new();
        for _ in 0..2 {
            all.clear();
            ordered.rewind();
            while let Some(batch) = ordered.next_batch().unwrap() {
                let frames = batch.column(1).as_primitive::<TimestampMillisecondType>();
                let closes = batch.column(5).as_primitive::<Float64Type>();
                assert_eq!(batch.column(8), &(std::sync::Arc::new(closes.clone()) as arrow::array::ArrayRef));
                all.extend(frames.values().iter().copied().zip(closes.values().iter().copied()));
            }
        }
        all
    }

    /// That values were rounded is known also of rows that went through the file.
    #[test]
    fn rounded_values_of_rows_in_the_file_are_reported() {
        let schema = BarSchema::in_zone("UTC").unwrap();
        for rounded_row in [0, 19] {
            let mut order = FeedOrder::with_memory(&schema, 5);
            for row in 0..20 {
                if row == rounded_row {
                    order.rows().note_rounded("volume");
                }
                order.rows().push("A", row * 60_000, [0.0; 5], &[None, None]);
                order.make_room().unwrap();
            }
            assert_eq!(order.finish().unwrap().rounded(), Some("volume"));
        }
    }

    /// Promise 7: what goes through the file is what stays in memory, in the same order.
    #[test]
    fn bars_are_in_feed_order_in_memory_and_in_a_file() {
        let frames: Vec<i64> = (0..20_000).map(|i| i * 7919 % 331 * 60_000).collect();
        let in_memory = sorted(&frames, usize::MAX);
        assert_eq!(in_memory.len(), frames.len());
        assert!(in_memory.is_sorted_by(|a, b| a.0 < b.0 || (a.0 == b.0 && a.1 < b.1)));
        for most in [1000, 7777, 19_999, 20_000] {
            assert!(sorted(&frames, most) == in_memory, "{most} rows in memory");
        }
        assert_eq!(sorted(&[], 10), []);
    }
}
