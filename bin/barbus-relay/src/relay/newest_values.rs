//! Gives each bar its newest values, once.
//!
//! After a crash it is not known how many of the last bars the daemon has. If it has the first and
//! the second revision of a bar, it would take the first one, sent again, for a third revision.
//! So of the bars in doubt each is sent once, with its last values. It stays in its first place,
//! where readers expect it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{Int32Type, TimestampMillisecondType};
use arrow::error::ArrowError;

/// Leaves of each bar in `batches`, which follow each other, the first one with the values of the
/// last one.
///
/// # Errors
/// Arrow cannot take the rows.
pub(crate) fn keep_newest_values(batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut symbols: HashMap<String, u32> = HashMap::new();
    // The last row of each bar, and the bars whose first row is in each batch.
    let mut last: Vec<(usize, usize)> = Vec::new();
    let mut numbers: HashMap<(u32, i64), usize> = HashMap::new();
    let mut first_in: Vec<Vec<usize>> = vec![Vec::new(); batches.len()];
    for (number, batch) in batches.iter().enumerate() {
        let column = batch.column(0).as_dictionary::<Int32Type>();
        let ids: Vec<u32> = column
            .values()
            .as_string::<i32>()
            .iter()
            .map(|name| {
                let next = symbols.len() as u32;
                *symbols.entry(name.unwrap_or_default().to_owned()).or_insert(next)
            })
            .collect();
        let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
        for (row, (key, frame_ms)) in column.keys().values().iter().zip(frames).enumerate() {
            match numbers.entry((ids[*key as usize], *frame_ms)) {
                Entry::Occupied(bar) => last[*bar.get()] = (number, row),
                Entry::Vacant(bar) => {
                    first_in[number].push(*bar.insert(last.len()));
                    last.push((number, row));
                }
            }
        }
    }
    let all: Vec<&RecordBatch> = batches.iter().collect();
    let take = |(bars, batch): (Vec<usize>, &RecordBatch)| {
        let rows: Vec<(usize, usize)> = bars.into_iter().map(|bar| last[bar]).collect();
        if rows.is_empty() { Ok(batch.slice(0, 0)) } else { interleave_record_batch(&all, &rows) }
    };
    first_in.into_iter().zip(batches).map(take).collect()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Float64Type;
    use barbus::{Row, SymbolId};
    use barbus_bars::BarSchema;

    use super::*;
    use crate::relay::payload::{decode, encode, wire_schema};

    #[test]
    fn each_bar_comes_once_with_its_last_values_in_its_first_place() {
        let schema = wire_schema(&BarSchema::in_zone("UTC").unwrap());
        let batch = |bars: &[(u32, i64, f64)]| {
            let row = |&(symbol, frame_ms, close): &(u32, i64, f64)| Row {
                symbol: SymbolId(symbol),
                frame_ms,
                close,
                ..Row::default()
            };
            let rows: Vec<Row> = bars.iter().map(row).collect();
            let names = ["A", "B"].map(String::from);
            decode(&encode(&schema, &rows, &names, None).unwrap()).unwrap().batch
        };
        let batches = [
            batch(&[(0, 1, 1.0), (1, 1, 2.0), (0, 1, 3.0), (0, 2, 4.0)]),
            batch(&[(1, 2, 5.0)]),
            batch(&[(1, 1, 6.0), (0, 2, 7.0)]),
        ];
        let kept = keep_newest_values(&batches).unwrap();
        let of = |batch: &RecordBatch| {
            let column = batch.column(0).as_dictionary::<Int32Type>();
            let names = column.values().as_string::<i32>();
            let closes = batch.column(5).as_primitive::<Float64Type>();
            let bar = |row: usize| (names.value(column.keys().value(row) as usize).to_owned(), closes.value(row));
            (0..batch.num_rows()).map(bar).collect::<Vec<_>>()
        };
        let (a, b) = ("A".to_owned(), "B".to_owned());
        let expected = [vec![(a.clone(), 3.0), (b.clone(), 6.0), (a, 7.0)], vec![(b, 5.0)], vec![]];
        assert_eq!(kept.iter().map(of).collect::<Vec<_>>(), expected);
    }
}
