//! Items of which the daemon may have some, made such that they can be sent to it again.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, TimestampMillisecondType};
use arrow::error::ArrowError;
use barbus::Selection;
use barbus_bars::Calendar;

use super::incoming::Item;
use super::newest_values::keep_newest_values;

/// Leaves each bar once, with its newest values; and none that is withdrawn behind it, because the
/// right one may be there already.
///
/// # Errors
/// Arrow cannot take the rows.
pub(crate) fn settle(items: &mut [Item], calendar: &Calendar) -> Result<(), ArrowError> {
    let (mut before, mut rest) = (0, &mut *items);
    while let Some(at) = rest.iter().position(|item| matches!(item, Item::Withdraw(_))) {
        let (earlier, later) = rest.split_at_mut(at + 1);
        merge(earlier)?;
        before += at + 1;
        rest = later;
    }
    merge(rest)?;
    for at in 0..before {
        let (earlier, later) = items.split_at_mut(at);
        let Some(Item::Withdraw(selection)) = later.first() else { continue };
        for item in earlier {
            if let Item::Bars(batch) = item {
                *batch = without(batch, selection, calendar)?;
            }
        }
    }
    Ok(())
}

/// Leaves each bar of `items` once.
fn merge(items: &mut [Item]) -> Result<(), ArrowError> {
    let of = |item: &Item| if let Item::Bars(batch) = item { Some(batch.clone()) } else { None };
    let batches: Vec<RecordBatch> = items.iter().filter_map(of).collect();
    let mut merged = keep_newest_values(&batches)?.into_iter();
    for item in items {
        if let Item::Bars(batch) = item {
            *batch = merged.next().expect("each batch has one");
        }
    }
    Ok(())
}

/// The bars of `batch` that `selection` does not have.
fn without(batch: &RecordBatch, selection: &Selection, calendar: &Calendar) -> Result<RecordBatch, ArrowError> {
    let column = batch.column(0).as_dictionary::<Int32Type>();
    let names = column.values().as_string::<i32>();
    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
    let rows = column.keys().values().iter().zip(frames);
    let stays = |(key, frame_ms): (&i32, &i64)| {
        let is_covered = selection.covers(names.value(*key as usize), *frame_ms);
        Some(!is_covered || calendar.trading_day(*frame_ms).date != selection.day)
    };
    filter_record_batch(batch, &rows.map(stays).collect::<BooleanArray>())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Float64Type;
    use barbus::{Row, SymbolId};
    use barbus_bars::{BarSchema, CalendarTables};

    use super::*;
    use crate::relay::payload::{decode, encode, wire_schema};

    #[test]
    fn what_is_withdrawn_is_not_sent_again_and_what_replaces_it_is() {
        let schema = wire_schema(&BarSchema::in_zone("UTC").unwrap());
        let bars = |closes: &[f64]| {
            let row = |close: &f64| Row { symbol: SymbolId(0), frame_ms: 60_000, close: *close, ..Row::default() };
            let rows: Vec<Row> = closes.iter().map(row).collect();
            Item::Bars(decode(&encode(&schema, &rows, &["A".to_owned()], None).unwrap()).unwrap().batch)
        };
        let calendar = CalendarTables::built_in().calendar("24x7").unwrap();
        let selection = |day: &str| Item::Withdraw(Box::new(Selection::of_day(day.parse().unwrap())));
        let mut items = [bars(&[1.0, 2.0]), selection("1970-01-01"), bars(&[3.0, 4.0]), selection("1970-01-02")];
        settle(&mut items, &calendar).unwrap();
        let closes = items.map(|item| match item {
            Item::Bars(batch) => batch.column(5).as_primitive::<Float64Type>().values().to_vec(),
            _ => vec![],
        });
        assert_eq!(closes, [vec![], vec![], vec![4.0], vec![]]);
    }
}
