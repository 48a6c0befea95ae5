//! Which rows of a file may be wanted, by the statistics of its row groups and pages.

use std::ops::Range;

use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;

use super::wanted::Wanted;

/// The number of the column `symbol`; `frame` follows it.
const SYMBOL: usize = 0;
const FRAME: usize = 1;

/// A row group to read, and which of its rows to decode.
pub(super) struct SelectedGroup {
    pub(super) number: usize,
    pub(super) rows: RowSelection,
    /// The same rows, counted through the file.
    pub(super) ranges: Vec<Range<usize>>,
}

/// The rows that may be wanted: those of pages in whose bounds a wanted symbol and frame lie. The
/// rows of the wanted symbols, counted through the file, narrow it if they are known. If
/// `are_exact`, each of these rows has a wanted frame too, and nothing else is looked at.
pub(super) fn select(
    file: &ParquetMetaData,
    wanted: &Wanted<'_>,
    rows_of_symbols: Option<&[Range<usize>]>,
    are_exact: bool,
) -> Vec<SelectedGroup> {
    let mut groups = Vec::new();
    let mut first = 0;
    for (number, group) in file.row_groups().iter().enumerate() {
        let rows = group.num_rows() as usize;
        let start = first;
        first += rows;
        if !are_exact && !may_have(group, wanted) {
            continue;
        }
        let mut ranges = whole(rows);
        if let Some(of_symbols) = rows_of_symbols {
            let of_group = of_symbols.iter().filter(|range| range.start < start + rows && start < range.end);
            let clip = |row: usize| row.saturating_sub(start).min(rows);
            ranges = of_group.map(|range| clip(range.start)..clip(range.end)).collect();
        }
        for column in [SYMBOL, FRAME].into_iter().filter(|_| !are_exact) {
            if let Some(pages) = pages(file, number, column, rows, wanted) {
                ranges = intersect(&ranges, &pages);
            }
        }
        if ranges.is_empty() {
            continue;
        }
        let mut selectors: Vec<RowSelector> = Vec::new();
        let mut at = 0;
        for range in &ranges {
            selectors.push(RowSelector::skip(range.start - at));
            selectors.push(RowSelector::select(range.len()));
            at = range.end;
        }
        selectors.push(RowSelector::skip(rows - at));
        let ranges = ranges.into_iter().map(|range| start + range.start..start + range.end).collect();
        groups.push(SelectedGroup { number, rows: selectors.into(), ranges });
    }
    groups
}

/// Whether the row group may have a wanted row.
fn may_have(group: &RowGroupMetaData, wanted: &Wanted<'_>) -> bool {
    let symbols = match group.column(SYMBOL).statistics() {
        Some(Statistics::ByteArray(symbols)) => match (symbols.min_bytes_opt(), symbols.max_bytes_opt()) {
            (Some(min), Some(max)) => wanted.may_have_symbol(min, max),
            _ => true,
        },
        _ => true,
    };
    let frames = match group.column(FRAME).statistics() {
        Some(Statistics::Int64(frames)) => match (frames.min_opt(), frames.max_opt()) {
            (Some(&min), Some(&max)) => wanted.may_have_frame(min, max),
            _ => true,
        },
        _ => true,
    };
    symbols && frames
}

/// The highest frame of a file; the highest there is where its statistics do not tell.
pub(super) fn last_frame_ms(file: &ParquetMetaData) -> i64 {
    let of_group = |group: &RowGroupMetaData| match group.column(FRAME).statistics() {
        Some(Statistics::Int64(frames)) => frames.max_opt().copied().unwrap_or(i64::MAX),
        _ => i64::MAX,
    };
    file.row_groups().iter().map(of_group).max().unwrap_or(i64::MIN)
}

/// The rows of the pages of a column that may have wanted values; `None` without a page index.
fn pages(
    file: &ParquetMetaData,
    group: usize,
    column: usize,
    rows: usize,
    wanted: &Wanted<'_>,
) -> Option<Vec<Range<usize>>> {
    let index = file.column_index()?.get(group)?.get(column)?;
    let locations = file.offset_index()?.get(group)?.get(column)?.page_locations();
    let starts: Vec<usize> = locations.iter().map(|page| page.first_row_index as usize).collect();
    let may_have = |page: usize| match index {
        ColumnIndexMetaData::BYTE_ARRAY(symbols) => match (symbols.min_value(page), symbols.max_value(page)) {
            (Some(min), Some(max)) => wanted.may_have_symbol(min, max),
            _ => true,
        },
        ColumnIndexMetaData::INT64(frames) => match (frames.min_value(page), frames.max_value(page)) {
            (Some(&min), Some(&max)) => wanted.may_have_frame(min, max),
            _ => true,
        },
        _ => true,
    };
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for page in (0..starts.len()).filter(|page| may_have(*page)) {
        let range = starts[page]..starts.get(page + 1).copied().unwrap_or(rows);
        match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ranges.push(range),
        }
    }
    Some(ranges)
}

fn whole(rows: usize) -> Vec<Range<usize>> {
    std::iter::once(0..rows).filter(|range| !range.is_empty()).collect()
}

/// The rows that are in both lists of ascending ranges.
fn intersect(a: &[Range<usize>], b: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut i, mut j, mut both) = (0, 0, Vec::new());
    while let (Some(left), Some(right)) = (a.get(i), b.get(j)) {
        let range = left.start.max(right.start)..left.end.min(right.end);
        if !range.is_empty() {
            both.push(range);
        }
        if left.end <= right.end { i += 1 } else { j += 1 }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_both_lists_remain() {
        let (left, right) = (vec![0..10, 20..30], vec![5..25, 28..40]);
        assert_eq!(intersect(&left, &right), [5..10, 20..25, 28..30]);
        assert!(intersect(&left, &[10..20, 40..50]).is_empty());
        assert!(intersect(&whole(0), &left).is_empty());
    }
}
