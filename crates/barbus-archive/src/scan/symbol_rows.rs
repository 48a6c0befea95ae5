//! Which rows of a file each symbol has: a file is sorted by symbol.

use std::iter;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, DictionaryArray, StringArray};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;

use super::file_bytes::FileBytes;

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 65_536;

/// The symbols of a file, ascending, and where the rows of each end.
#[derive(Debug)]
pub(super) struct SymbolRows {
    symbols: StringArray,
    ends: Vec<usize>,
}

impl SymbolRows {
    /// Reads the column of symbols; `metadata` decodes it to a dictionary.
    pub(super) fn read(bytes: &FileBytes, metadata: &ArrowReaderMetadata) -> Result<Self, ParquetError> {
        let mask = ProjectionMask::roots(metadata.parquet_schema(), [0]);
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), metadata.clone())
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()?;
        let (mut names, mut ends): (Vec<String>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut at = 0;
        for batch in batches {
            let batch = batch?;
            let symbols = batch.column(0).as_dictionary::<Int32Type>();
            let texts = symbols.values().as_string::<i32>();
            for run in symbols.keys().values().chunk_by(|a, b| a == b) {
                let name = texts.value(run[0] as usize);
                at += run.len();
                // A symbol may go on in the next batch.
                match (names.last(), ends.last_mut()) {
                    (Some(last), Some(end)) if last == name => *end = at,
                    _ => {
                        names.push(name.to_owned());
                        ends.push(at);
                    }
                }
            }
        }
        Ok(Self { symbols: StringArray::from(names), ends })
    }

    /// The rows of `symbols` (ascending), or of all, ascending; with `last` only the last ones of
    /// each.
    pub(super) fn rows_of(&self, symbols: Option<&[String]>, last: Option<usize>) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut add = |place: usize| {
            let (start, end) = (place.checked_sub(1).map_or(0, |before| self.ends[before]), self.ends[place]);
            let start = last.map_or(start, |last| start.max(end.saturating_sub(last)));
            match ranges.last_mut() {
                Some(before) if before.end == start => before.end = end,
                _ => ranges.push(start..end),
            }
        };
        match symbols {
            None => (0..self.ends.len()).for_each(add),
            Some(symbols) => symbols.iter().filter_map(|symbol| self.place(symbol)).for_each(&mut add),
        }
        ranges
    }

    /// The symbol of each row of ascending ranges, as Dictionary(Int32, Utf8) of those that occur.
    pub(super) fn column(&self, ranges: &[Range<usize>]) -> Result<DictionaryArray<Int32Type>, ArrowError> {
        let (mut names, mut keys): (Vec<&str>, Vec<i32>) = (Vec::new(), Vec::new());
        let (mut place, mut last) = (0, None);
        for range in ranges {
            let mut at = range.start;
            while at < range.end {
                place += self.ends[place..].partition_point(|end| *end <= at);
                let end = self.ends[place].min(range.end);
                if last.replace(place) != Some(place) {
                    names.push(self.symbols.value(place));
                }
                keys.extend(iter::repeat_n(names.len() as i32 - 1, end - at));
                at = end;
            }
        }
        DictionaryArray::try_new(keys.into(), Arc::new(StringArray::from(names)))
    }

    fn place(&self, symbol: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.symbols.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.symbols.value(middle) < symbol { low = middle + 1 } else { high = middle }
        }
        (low < self.symbols.len() && self.symbols.value(low) == symbol).then_some(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_symbol() {
        let rows = SymbolRows { symbols: ["A", "B", "C", "D"].iter().map(Some).collect(), ends: vec![3, 4, 7, 9] };
        let column = |ranges: &[Range<usize>]| -> (Vec<String>, usize) {
            let column = rows.column(ranges).unwrap();
            let names = column.downcast_dict::<StringArray>().unwrap();
            (names.into_iter().map(|name| name.unwrap().to_owned()).collect(), column.values().len())
        };
        assert_eq!(column(&[]), (vec![], 0));
        assert_eq!(column(&[2..5, 8..9]), (["A", "B", "C", "D"].map(str::to_owned).to_vec(), 4));
        assert_eq!(column(&[4..5, 6..7]), (["C", "C"].map(str::to_owned).to_vec(), 1));
        assert_eq!(column(&[0..4, 4..9]).0.concat(), "AAABCCCDD");
    }
}
