//! Leaves out the bars that later ones supersede.
//!
//! After a crash it is not known how many of the last bars the daemon has. If it has the first and
//! the second revision of a bar, it would take the first one, sent again, for a third revision.
//! So of the bars in doubt each is sent once, with its last values and in its last place.

use std::collections::{HashMap, HashSet};

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, TimestampMillisecondType};
use arrow::error::ArrowError;

/// Removes from `batches`, which follow each other, each bar of which a later one is in them.
///
/// # Errors
/// Arrow cannot filter them.
pub(crate) fn leave_out_superseded<'a>(
    batches: impl DoubleEndedIterator<Item = &'a mut RecordBatch>,
) -> Result<(), ArrowError> {
    let mut symbols: HashMap<String, u32> = HashMap::new();
    let mut seen: HashSet<(u32, i64)> = HashSet::new();
    for batch in batches.rev() {
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
        let keys = column.keys().values();
        let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
        let rows = keys.iter().zip(frames).rev();
        let mut keep: Vec<bool> = rows.map(|(key, frame_ms)| seen.insert((ids[*key as usize], *frame_ms))).collect();
        if keep.iter().all(|keep| *keep) {
            continue;
        }
        keep.reverse();
        *batch = filter_record_batch(batch, &BooleanArray::from(keep))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::payload::{decode, encode, wire_schema};
    use arrow::datatypes::Float64Type;
    use barbus::{Row, SymbolId};
    use barbus_bars::BarSchema;

    #[test]
    fn of_each_bar_the_last_values_stay_in_their_place() {
        let schema = wire_schema(&BarSchema::in_zone("UTC").unwrap());
        let batch = |bars: &[(u32, i64, f64)]| {
            let row = |&(symbol, frame_ms, close): &(u32, i64, f64)| Row {
                symbol: SymbolId(symbol),
                frame_ms,
                close,
                ..Row::default()
            };
            let rows: Vec<Row> = bars.iter().map(row).collect();
            decode(&encode(&schema, &rows, &["A", "B"].map(String::from), None).unwrap()).unwrap().batch
        };
        let mut batches = [
            batch(&[(0, 1, 1.0), (1, 1, 2.0), (0, 1, 3.0), (0, 2, 4.0)]),
            batch(&[(1, 2, 5.0)]),
            batch(&[(1, 1, 6.0), (0, 2, 7.0)]),
        ];
        leave_out_superseded(batches.iter_mut()).unwrap();
        let closes = batches.map(|batch| batch.column(5).as_primitive::<Float64Type>().values().to_vec());
        assert_eq!(closes, [vec![3.0], vec![5.0], vec![6.0, 7.0]]);
    }
}
