//! Tables of other libraries as bars.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use barbus_bars::{FRAME, MAX_OPTIONAL_COLUMNS, RECEIVED, SEQ, SYMBOL};

use crate::layout::{BARS, COMPLETE, DAY, KNOWN, Layout, REVISION, VALUES, symbol_type};

/// A table as batches of bars, with the columns in the usual order, or why it is none.
pub(crate) fn to_bars(
    schema: &Schema,
    batches: &[RecordBatch],
    zone: Option<&str>,
) -> Result<(Arc<Layout>, Vec<RecordBatch>), String> {
    let mut fields: Vec<(usize, Field)> = Vec::new();
    for name in [SYMBOL, FRAME] {
        let found = schema.column_with_name(name);
        let (at, field) = found.ok_or_else(|| format!("no column {name:?}: bars have a symbol and a frame"))?;
        fields.push((at, Field::new(name, bar_type(field, zone)?, false)));
    }
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let optional: Vec<&str> = names.filter(|name| !KNOWN.contains(name)).collect();
    if optional.len() > MAX_OPTIONAL_COLUMNS {
        return Err(format!("{} columns besides prices: {}", optional.len(), optional.join(", ")));
    }
    let others = VALUES.into_iter().chain(optional).chain([DAY, BARS, COMPLETE, SEQ, RECEIVED, REVISION]);
    for name in others {
        if let Some((at, field)) = schema.column_with_name(name) {
            fields.push((at, Field::new(name, bar_type(field, zone)?, !KNOWN.contains(&name))));
        }
    }
    let layout = Layout::new(Arc::new(Schema::new(fields.iter().map(|(_, field)| field.clone()).collect::<Vec<_>>())));
    let batches = batches.iter().map(|batch| {
        let columns = fields.iter().map(|(at, field)| column(batch.column(*at), field));
        let columns = columns.collect::<Result<Vec<_>, String>>()?;
        RecordBatch::try_new(Arc::clone(&layout.schema), columns).map_err(|error| error.to_string())
    });
    let batches = batches.collect::<Result<Vec<_>, String>>()?;
    Ok((layout, batches))
}

/// The type that a column has in bars.
fn bar_type(field: &Field, zone: Option<&str>) -> Result<DataType, String> {
    Ok(match (field.name().as_str(), field.data_type()) {
        (SYMBOL, _) => symbol_type(),
        (FRAME, DataType::Timestamp(_, Some(zone))) => DataType::Timestamp(TimeUnit::Millisecond, Some(zone.clone())),
        (FRAME, DataType::Timestamp(_, None)) => match zone {
            Some(zone) => DataType::Timestamp(TimeUnit::Millisecond, Some(zone.into())),
            None => return Err("frame has no zone: give one such as zone=\"Asia/Shanghai\"".to_owned()),
        },
        (FRAME, other) => return Err(format!("frame is {other}: bars have times there")),
        (DAY, _) => DataType::Date32,
        (BARS, _) => DataType::UInt32,
        (COMPLETE, _) => DataType::Boolean,
        (SEQ, _) => DataType::UInt64,
        (RECEIVED, _) => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        (REVISION, _) => DataType::UInt8,
        (name, DataType::Float32) if VALUES.contains(&name) => DataType::Float32,
        (_, other) if other.is_numeric() || other.is_null() => DataType::Float64,
        (name, other) => return Err(format!("{name} is {other}: bars have numbers there")),
    })
}

fn column(column: &ArrayRef, field: &Field) -> Result<ArrayRef, String> {
    if column.data_type().is_null() && field.is_nullable() {
        return Ok(new_null_array(field.data_type(), column.len()));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast = cast_with_options(column, field.data_type(), &options);
    let cast = cast.map_err(|error| format!("{}: {error}", field.name()))?;
    match cast.is_nullable() && !field.is_nullable() {
        true => Err(format!("{} has rows without a value", field.name())),
        false => Ok(cast),
    }
}
