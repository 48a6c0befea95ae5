//! The symbol and the frame of each row of a file, known without decoding the file again.
//!
//! A file is sorted by symbol and frame, and most symbols of a day have the same minutes. So both
//! columns fit into little memory, and the rows of a question are found without reading a page.

use std::collections::HashSet;
use std::iter;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Int32Type, TimestampMillisecondType};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;

use super::file_bytes::FileBytes;
use super::wanted::Wanted;
use crate::day_file::check_rows;
use crate::error::Corruption;

/// Frames are not kept if they take more than this part of the memory of all frames.
const KEPT_PART: usize = 64;
/// This number of frames is always kept.
const KEPT_FRAMES: usize = 4_096;

/// The symbols of a file, ascending, with the rows and frames of each.
#[derive(Debug)]
pub(super) struct RowKeys {
    symbols: StringArray,
    /// Where the rows of each symbol end.
    ends: Vec<usize>,
    /// The frames of each symbol, milliseconds UTC, ascending. `None` if too few symbols have the
    /// same ones.
    frames: Option<Vec<Arc<[i64]>>>,
}

impl RowKeys {
    /// Reads both columns; `metadata` decodes symbols to a dictionary.
    ///
    /// # Errors
    /// A damaged file, and one whose rows are not strictly ascending: some would not be found.
    pub(super) fn read(bytes: &FileBytes, metadata: &ArrowReaderMetadata) -> Result<Self, Corruption> {
        let mask = ProjectionMask::roots(metadata.parquet_schema(), [0, 1]);
        let (mut names, mut ends): (Vec<String>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut frames: Vec<i64> = Vec::new();
        for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
            // Each row group has its own dictionary: a batch across two would be translated.
            let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), metadata.clone())
                .with_projection(mask.clone())
                .with_row_groups(vec![number])
                .with_batch_size(group.num_rows() as usize)
                .build()?;
            for batch in batches {
                let batch = batch.map_err(ParquetError::from)?;
                let symbols = batch.column(0).as_dictionary::<Int32Type>();
                let texts = symbols.values().as_string::<i32>();
                let mut at = frames.len();
                frames.extend_from_slice(batch.column(1).as_primitive::<TimestampMillisecondType>().values());
                for run in symbols.keys().values().chunk_by(|a, b| a == b) {
                    let name = texts.value(run[0] as usize);
                    // A symbol may go on in the next row group.
                    match (names.last(), ends.last_mut()) {
                        (Some(last), Some(end)) if last == name => *end = at + run.len(),
                        (Some(last), _) if last.as_str() > name => return Err(Corruption::Order { row: at }),
                        _ => {
                            names.push(name.to_owned());
                            ends.push(at + run.len());
                        }
                    }
                    at += run.len();
                }
            }
        }
        check_rows(metadata.metadata().file_metadata().num_rows() as u64, frames.len())?;
        check_order(&frames, &ends)?;
        let frames = shared_frames(&frames, &ends);
        Ok(Self { symbols: StringArray::from(names), ends, frames })
    }

    /// The frames of each symbol, if they are known: [`RowKeys::rows_of`] then heeds them.
    pub(super) fn frames(&self) -> Option<&[Arc<[i64]>]> {
        self.frames.as_deref()
    }

    /// The rows of the wanted symbols, ascending; with `last` only the last ones of each. If frames
    /// are known, only rows with a wanted one.
    pub(super) fn rows_of(&self, wanted: &Wanted<'_>, last: Option<usize>) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut add = |place: usize| {
            let rows = self.rows(place);
            let (mut start, mut end) = (rows.start, rows.end);
            if let Some(frames) = self.frames().map(|frames| &frames[place]) {
                end = rows.start + frames.partition_point(|frame| *frame <= wanted.to_ms);
                start = rows.start + frames.partition_point(|frame| *frame < wanted.from_ms);
            }
            start = last.map_or(start, |last| start.max(end.saturating_sub(last)));
            match ranges.last_mut() {
                _ if start >= end => {}
                Some(before) if before.end == start => before.end = end,
                _ => ranges.push(start..end),
            }
        };
        match wanted.symbols {
            None => (0..self.ends.len()).for_each(add),
            Some(symbols) => symbols.iter().filter_map(|symbol| self.place(symbol)).for_each(&mut add),
        }
        ranges
    }

    /// The symbol of each row of ascending ranges, as Dictionary(Int32, Utf8) of those that occur.
    pub(super) fn symbol_column(&self, ranges: &[Range<usize>]) -> Result<ArrayRef, ArrowError> {
        let (mut names, mut keys): (Vec<&str>, Vec<i32>) = (Vec::new(), Vec::new());
        let mut last = None;
        self.for_each_symbol(ranges, |place, rows| {
            if last.replace(place) != Some(place) {
                names.push(self.symbols.value(place));
            }
            keys.extend(iter::repeat_n(names.len() as i32 - 1, rows.len()));
        });
        let names = Arc::new(StringArray::from(names));
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys.into(), names)?))
    }

    /// The frame of each row of ascending ranges, as `data_type`. `frames` is [`RowKeys::frames`].
    pub(super) fn frame_column(
        &self,
        frames: &[Arc<[i64]>],
        ranges: &[Range<usize>],
        data_type: &DataType,
    ) -> ArrayRef {
        let mut column: Vec<i64> = Vec::with_capacity(ranges.iter().map(Range::len).sum());
        self.for_each_symbol(ranges, |place, rows| {
            let first = self.rows(place).start;
            column.extend_from_slice(&frames[place][rows.start - first..rows.end - first]);
        });
        Arc::new(TimestampMillisecondArray::from(column).with_data_type(data_type.clone()))
    }

    /// Calls `each` with the place of a symbol and the rows that it has of ascending ranges.
    fn for_each_symbol(&self, ranges: &[Range<usize>], mut each: impl FnMut(usize, Range<usize>)) {
        let mut place = 0;
        for range in ranges {
            let mut at = range.start;
            while at < range.end {
                place += self.ends[place..].partition_point(|end| *end <= at);
                let end = self.ends[place].min(range.end);
                each(place, at..end);
                at = end;
            }
        }
    }

    fn rows(&self, place: usize) -> Range<usize> {
        rows_at(&self.ends, place)
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

fn rows_at(ends: &[usize], place: usize) -> Range<usize> {
    place.checked_sub(1).map_or(0, |before| ends[before])..ends[place]
}

/// The frames of a symbol are strictly ascending.
fn check_order(frames: &[i64], ends: &[usize]) -> Result<(), Corruption> {
    for rows in (0..ends.len()).map(|place| rows_at(ends, place)) {
        if let Some(at) = frames[rows.clone()].windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(Corruption::Order { row: rows.start + at + 1 });
        }
    }
    Ok(())
}

/// The frames of each symbol, equal ones only once; `None` if they take too much memory.
fn shared_frames(frames: &[i64], ends: &[usize]) -> Option<Vec<Arc<[i64]>>> {
    let (mut shared, mut kept) = (Vec::<Arc<[i64]>>::with_capacity(ends.len()), 0);
    let mut known: HashSet<Arc<[i64]>> = HashSet::new();
    for place in 0..ends.len() {
        let of_symbol = &frames[rows_at(ends, place)];
        let same = shared.last().filter(|last| ***last == *of_symbol).or_else(|| known.get(of_symbol)).cloned();
        let of_symbol = match same {
            Some(same) => same,
            None => {
                kept += of_symbol.len();
                if kept > KEPT_FRAMES.max(frames.len() / KEPT_PART) {
                    return None;
                }
                let new: Arc<[i64]> = of_symbol.into();
                known.insert(Arc::clone(&new));
                new
            }
        };
        shared.push(of_symbol);
    }
    Some(shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Wanted<'_> = Wanted { symbols: None, from_ms: i64::MIN, to_ms: i64::MAX, columns: &[], last: None };

    /// A and B have the frames 1, 2, 3; C has 1 and 3; D has 3.
    fn keys() -> RowKeys {
        let frames = [vec![1, 2, 3], vec![1, 2, 3], vec![1, 3], vec![3]];
        let frames = Some(frames.iter().map(|frames| frames.as_slice().into()).collect());
        RowKeys { symbols: ["A", "B", "C", "D"].iter().map(Some).collect(), ends: vec![3, 6, 8, 9], frames }
    }

    #[test]
    fn each_row_has_its_symbol_and_its_frame() {
        let keys = keys();
        let columns = |ranges: &[Range<usize>]| -> (String, Vec<i64>, usize) {
            let symbols = keys.symbol_column(ranges).unwrap();
            let symbols = symbols.as_dictionary::<Int32Type>();
            let names = symbols.downcast_dict::<StringArray>().unwrap();
            let zone = DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, Some("UTC".into()));
            let frames = keys.frame_column(keys.frames().unwrap(), ranges, &zone);
            assert_eq!(*frames.data_type(), zone);
            let frames = frames.as_primitive::<TimestampMillisecondType>().values().to_vec();
            (names.into_iter().map(Option::unwrap).collect(), frames, symbols.values().len())
        };
        assert_eq!(columns(&[]), (String::new(), vec![], 0));
        assert_eq!(columns(&[2..5, 7..9]), ("ABBCD".into(), vec![3, 1, 2, 3, 3], 4));
        assert_eq!(columns(&[6..7, 7..8]), ("CC".into(), vec![1, 3], 1));
        assert_eq!(columns(&[0..4, 4..9]), ("AAABBBCCD".into(), vec![1, 2, 3, 1, 2, 3, 1, 3, 3], 4));
    }

    #[test]
    fn rows_are_found_by_symbol_and_frame() {
        let mut keys = keys();
        let symbols = ["B", "C", "none"].map(String::from);
        let of_symbols = Wanted { symbols: Some(&symbols), ..ALL };
        let rows = |keys: &RowKeys, wanted: &Wanted<'_>, last: Option<usize>| -> Vec<(usize, usize)> {
            keys.rows_of(wanted, last).into_iter().map(|rows| (rows.start, rows.end)).collect()
        };
        assert_eq!(rows(&keys, &ALL, None), [(0, 9)]);
        assert_eq!(rows(&keys, &of_symbols, None), [(3, 8)]);
        assert_eq!(rows(&keys, &of_symbols, Some(1)), [(5, 6), (7, 8)]);
        assert_eq!(rows(&keys, &Wanted { from_ms: 2, to_ms: 2, ..of_symbols.clone() }, None), [(4, 5)]);
        assert_eq!(rows(&keys, &Wanted { from_ms: 3, ..ALL }, None), [(2, 3), (5, 6), (7, 9)]);
        assert!(rows(&keys, &Wanted { from_ms: 4, ..ALL }, None).is_empty());
        assert!(rows(&keys, &Wanted { from_ms: 3, to_ms: 1, ..ALL }, None).is_empty());
        // Without frames, the rows of a symbol are all of its rows.
        keys.frames = None;
        assert_eq!(rows(&keys, &Wanted { from_ms: 2, to_ms: 2, ..of_symbols }, None), [(3, 8)]);
        assert!(keys.frames().is_none());
    }

    #[test]
    fn frames_that_many_symbols_have_are_kept_once() {
        let day: Vec<i64> = (0..240).collect();
        let frames = |symbols: usize| -> (Vec<i64>, Vec<usize>) {
            (day.repeat(symbols), (1..=symbols).map(|symbol| symbol * day.len()).collect())
        };
        let (all, ends) = frames(50);
        let shared = shared_frames(&all, &ends).unwrap();
        assert!(shared.iter().all(|of_symbol| Arc::ptr_eq(of_symbol, &shared[0])) && *shared[0] == *day);
        let (one, end) = frames(1);
        assert_eq!(*shared_frames(&one, &end).unwrap()[0], *day);
        // Every symbol has frames of its own.
        let different: Vec<i64> = (0..all.len() as i64).collect();
        assert!(shared_frames(&different, &ends).is_none());
    }

    #[test]
    fn rows_out_of_order_and_missing_rows_are_damage() {
        let order = |frames: &[i64], ends: &[usize]| check_order(frames, ends).map_err(|damage| damage.to_string());
        assert_eq!(order(&[1, 2, 1, 3, 3], &[2, 4, 5]), Ok(()));
        let third = "row 2 is not after the row before it in (symbol, frame)".to_owned();
        assert_eq!(order(&[1, 3, 2], &[3]), Err(third.clone()));
        assert_eq!(order(&[9, 5, 5], &[1, 3]), Err(third));
        assert!(check_rows(3, 3).is_ok());
        assert_eq!(check_rows(3, 2).unwrap_err().to_string(), "it has 2 rows, its metadata states 3");
    }
}
