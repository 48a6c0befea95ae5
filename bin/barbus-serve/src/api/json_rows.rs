//! Record batches as rows of JSON: `"columns": [...], "data": [[...], ...]`, which pandas calls
//! `split`.
//!
//! Times are milliseconds UTC, days are texts, and a value that is missing is null.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType, UInt32Type};
use barbus_bars::date_from_epoch_days;
use serde_json::Value;

use super::error::ApiError;

/// The rows of a batch.
pub(super) fn rows(batch: &RecordBatch) -> Result<Vec<Vec<Value>>, ApiError> {
    let mut rows: Vec<Vec<Value>> = (0..batch.num_rows()).map(|_| Vec::with_capacity(batch.num_columns())).collect();
    for column in batch.columns() {
        let value = values_of(column)?;
        for (at, row) in rows.iter_mut().enumerate() {
            row.push(if column.is_null(at) { Value::Null } else { value(at) });
        }
    }
    Ok(rows)
}

/// What gives the value of a row.
fn values_of(column: &ArrayRef) -> Result<Box<dyn Fn(usize) -> Value + '_>, ApiError> {
    Ok(match column.data_type() {
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            Box::new(|at| values.value(at).into())
        }
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>();
            Box::new(|at| values.value(at).into())
        }
        DataType::UInt32 => {
            let values = column.as_primitive::<UInt32Type>();
            Box::new(|at| values.value(at).into())
        }
        DataType::Boolean => {
            let values = column.as_boolean();
            Box::new(|at| values.value(at).into())
        }
        DataType::Date32 => {
            let values = column.as_primitive::<Date32Type>();
            Box::new(|at| date_from_epoch_days(values.value(at).into()).to_string().into())
        }
        DataType::Timestamp(..) => {
            let values = column
                .as_primitive_opt::<TimestampMillisecondType>()
                .ok_or_else(|| ApiError::internal("times are not milliseconds"))?;
            Box::new(|at| values.value(at).into())
        }
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            Box::new(|at| values.value(at).into())
        }
        DataType::Dictionary(..) => {
            let keys = column
                .as_dictionary_opt::<Int32Type>()
                .ok_or_else(|| ApiError::internal("a dictionary has other keys than Int32"))?;
            let texts: &StringArray = keys.values().as_string();
            Box::new(move |at| texts.value(keys.keys().value(at) as usize).into())
        }
        other => return Err(ApiError::internal(format!("a column of {other} has no form in JSON: ask for Arrow"))),
    })
}
