use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use barbus_bars::{BarSchema, PriceType};
use barbus_ring::Row;

/// Calls `each` with the symbol and the values of every row of an archived day; `symbol`, `seq` and `revision` of the row are not set.
pub(crate) fn rows(batch: &RecordBatch, schema: &BarSchema, mut each: impl FnMut(&str, Row)) {
    let symbols = batch.column(0).as_string::<i32>();
    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
    let price = |column: usize, row: usize| match schema.price() {
        PriceType::Float64 => batch.column(column).as_primitive::<Float64Type>().value(row),
        PriceType::Float32 => f64::from(batch.column(column).as_primitive::<Float32Type>().value(row)),
    };
    let volumes = batch.column(6).as_primitive::<Float64Type>().values();
    for i in 0..batch.num_rows() {
        let mut row = Row {
            frame_ms: frames[i],
            open: price(2, i),
            high: price(3, i),
            low: price(4, i),
            close: price(5, i),
            volume: volumes[i],
            ..Row::default()
        };
        for k in 0..schema.optional().len() {
            let column = batch.column(7 + k).as_primitive::<Float64Type>();
            if column.is_valid(i) {
                row.optional[k] = column.value(i);
                row.present |= 1 << k;
            }
        }
        each(symbols.value(i), row);
    }
}
