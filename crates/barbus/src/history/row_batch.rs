//! Rows as record batches and back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Float32Array, Float64Array, Int32Array, RecordBatch,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, SchemaRef, TimestampMillisecondType};
use arrow::error::ArrowError;
use barbus_bars::FIXED_COLUMNS;
use barbus_ring::{Row, SymbolId};

use super::dictionary::keys_of;

/// The stored values of rows, by the column's number in the archive's schema.
pub(super) fn stored_column(rows: &[Row], number: usize, data_type: &DataType) -> ArrayRef {
    let value: fn(&Row) -> f64 = match number {
        2 => |row| row.open,
        3 => |row| row.high,
        4 => |row| row.low,
        5 => |row| row.close,
        6 => |row| row.volume,
        _ => {
            let optional = number - FIXED_COLUMNS.len();
            return Arc::new(rows.iter().map(|row| row.optional(optional)).collect::<Float64Array>());
        }
    };
    match data_type {
        DataType::Float32 => Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| value(row) as f32))),
        _ => Arc::new(Float64Array::from_iter_values(rows.iter().map(value))),
    }
}

/// The frames of rows in the type of the schema's column.
pub(super) fn frame_column(rows: &[Row], data_type: &DataType) -> ArrayRef {
    let frames = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.frame_ms));
    Arc::new(frames.with_data_type(data_type.clone()))
}

/// Symbols by their keys in a dictionary.
pub(super) fn symbol_column(keys: Int32Array, names: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(names))?))
}

/// Rows as a batch of `schema`, which has symbol, frame and the stored columns with these numbers.
/// The ids of the rows' symbols are keys of `names`.
pub(super) fn batch_of_rows(
    rows: &[Row],
    names: &ArrayRef,
    stored: &[usize],
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let keys = Int32Array::from_iter_values(rows.iter().map(|row| row.symbol.0 as i32));
    let mut columns = vec![symbol_column(keys, names)?, frame_column(rows, schema.field(1).data_type())];
    for (i, number) in stored.iter().enumerate() {
        columns.push(stored_column(rows, *number, schema.field(i + 2).data_type()));
    }
    RecordBatch::try_new(schema.clone(), columns)
}

/// The rows of such a batch. A value whose column was not read is 0; the id of a symbol is its key
/// in the dictionary of the batch.
pub(crate) fn rows_of_batch(batch: &RecordBatch, stored: &[usize]) -> Vec<Row> {
    let keys = keys_of(batch);
    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
    let row =
        |(key, frame_ms): (&i32, &i64)| Row { symbol: SymbolId(*key as u32), frame_ms: *frame_ms, ..Row::default() };
    let mut rows: Vec<Row> = keys.iter().zip(frames).map(row).collect();
    for (number, column) in stored.iter().zip(batch.columns().iter().skip(2)) {
        match number {
            2 => set(&mut rows, column, |row, value| row.open = value),
            3 => set(&mut rows, column, |row, value| row.high = value),
            4 => set(&mut rows, column, |row, value| row.low = value),
            5 => set(&mut rows, column, |row, value| row.close = value),
            6 => set(&mut rows, column, |row, value| row.volume = value),
            _ => set_optional(&mut rows, column.as_primitive(), number - FIXED_COLUMNS.len()),
        }
    }
    rows
}

/// Sets a value of each row; inlined for each column, because there are millions of rows.
#[inline(always)]
fn set(rows: &mut [Row], column: &ArrayRef, set: impl Fn(&mut Row, f64)) {
    match column.as_primitive_opt::<Float32Type>() {
        Some(values) => rows.iter_mut().zip(values.values()).for_each(|(row, value)| set(row, f64::from(*value))),
        None => {
            let values = column.as_primitive::<Float64Type>().values();
            rows.iter_mut().zip(values).for_each(|(row, value)| set(row, *value));
        }
    }
}

/// Sets the values of an optional column where there are any.
fn set_optional(rows: &mut [Row], values: &Float64Array, optional: usize) {
    let has_all = values.null_count() == 0;
    for (i, (row, value)) in rows.iter_mut().zip(values.values()).enumerate() {
        if has_all || values.is_valid(i) {
            row.optional[optional] = *value;
            row.present |= 1 << optional;
        }
    }
}
