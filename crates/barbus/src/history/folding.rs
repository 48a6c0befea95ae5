//! The minutes of a day, folded into the bars of an interval.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use barbus_bars::Date;
use barbus_ring::Row;

use super::dictionary::dictionary_of;
use super::resample::{IntervalBar, Resampler};
use super::row_batch::rows_of_batch;

/// Minutes that are folded at once: their rows stay in the cache of the processor.
const ROWS_AT_ONCE: usize = 2_048;

/// How the minutes of a day become the bars of an interval.
pub(super) struct Folding<'a> {
    pub(super) day: Date,
    /// The numbers of the columns of the batches in the archive's schema, without the first two.
    pub(super) stored: &'a [usize],
    /// Of some symbols, the frame after which their bars begin.
    pub(super) starts: &'a HashMap<String, i64>,
}

impl Folding<'_> {
    /// The bars that the minutes of a batch make; the ids of their symbols are the keys of the
    /// batch. `adjust` is called with the minutes of each symbol first.
    pub(super) fn batch(
        &self,
        batch: &RecordBatch,
        mut resampler: Option<Resampler>,
        mut adjust: impl FnMut(&str, &mut [Row]),
    ) -> Vec<IntervalBar> {
        let names = dictionary_of(batch);
        let mut folded: Vec<IntervalBar> = Vec::new();
        for first in (0..batch.num_rows()).step_by(ROWS_AT_ONCE) {
            let part = batch.slice(first, ROWS_AT_ONCE.min(batch.num_rows() - first));
            let mut rows = rows_of_batch(&part, self.stored);
            for of_symbol in rows.chunk_by_mut(|a, b| a.symbol == b.symbol) {
                let key = of_symbol[0].symbol;
                let symbol = names.value(key.0 as usize);
                let start_ms = self.starts.get(symbol).copied().unwrap_or(i64::MIN);
                let first = of_symbol.partition_point(|row| row.frame_ms <= start_ms);
                let of_symbol = &mut of_symbol[first..];
                if of_symbol.is_empty() {
                    continue;
                }
                adjust(symbol, of_symbol);
                match &mut resampler {
                    Some(resampler) => {
                        // The last bar goes on if the symbol is in two parts.
                        let goes_on = folded.last().is_some_and(|bar| bar.row.symbol == key);
                        let first = folded.len() - usize::from(goes_on);
                        resampler.fold(symbol, of_symbol, &mut folded, first);
                    }
                    None => folded.extend(of_symbol.iter().map(|row| IntervalBar::minute(row, self.day))),
                }
            }
        }
        folded
    }
}
