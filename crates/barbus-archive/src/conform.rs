//! Files whose columns are not the present ones of the bus: what can be converted, and how.
//!
//! The settings of a bus may change: a column is added or given up, prices get another type, frames
//! another zone. Days that were written before keep their columns until they are written again.

use std::path::Path;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

use crate::{ArchiveError, Result};

/// Rejects a file whose columns cannot be converted to those of the bus.
pub(crate) fn check(path: &Path, bus: &Schema, file: &Schema) -> Result<()> {
    let show = |field: Option<&Field>| field.map_or("absent".to_owned(), |field| field.data_type().to_string());
    let find = |schema: &'_ Schema, name: &str| schema.column_with_name(name).map(|(_, field)| field.clone());
    let names = bus.fields().iter().chain(file.fields()).map(|field| field.name());
    for name in names {
        let (expected, found) = (find(bus, name), find(file, name));
        let fits = match (&expected, &found) {
            (Some(expected), Some(found)) => converts(found.data_type(), expected.data_type()),
            (Some(expected), None) => expected.is_nullable(),
            // A column that the bus has given up.
            (None, Some(found)) => *found.data_type() == DataType::Float64,
            (None, None) => true,
        };
        if !fits {
            let (expected, found) = (show(expected.as_ref()), show(found.as_ref()));
            return Err(ArchiveError::Schema { path: path.to_owned(), column: name.clone(), expected, found });
        }
    }
    Ok(())
}

fn converts(from: &DataType, to: &DataType) -> bool {
    use DataType::{Float32, Float64, Timestamp};
    from == to
        || matches!((from, to), (Float32 | Float64, Float32 | Float64))
        || matches!((from, to), (Timestamp(TimeUnit::Millisecond, _), Timestamp(TimeUnit::Millisecond, _)))
}

/// Whether the columns of the bus cannot have every value of the file.
pub(crate) fn gives_up(bus: &Schema, file: &Schema) -> bool {
    file.fields().iter().any(|found| match bus.column_with_name(found.name()) {
        None => true,
        Some((_, field)) => *found.data_type() == DataType::Float64 && *field.data_type() == DataType::Float32,
    })
}

/// The columns of `schema`: null where the batch has none, converted where its type is another.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
        Some(column) => cast(column, field.data_type()),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<Vec<ArrayRef>, _>>()?)
}

/// The schema with a dictionary as `symbol`: no text is made for each row.
pub(crate) fn with_dictionary(schema: &Schema) -> SchemaRef {
    let data_type = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let symbol: FieldRef = Field::new(schema.field(0).name(), data_type, false).into();
    let fields: Vec<FieldRef> = std::iter::once(symbol).chain(schema.fields().iter().skip(1).cloned()).collect();
    Schema::new(fields).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use barbus_bars::{BarSchema, PriceType};

    #[test]
    fn only_columns_that_can_be_converted_are_taken() {
        let bus = BarSchema::new("UTC", PriceType::Float32, ["vwap"]).unwrap().archive_schema();
        let file = BarSchema::zillionare().archive_schema();
        assert!(check(Path::new("day"), &bus, &file).is_ok());
        assert!(gives_up(&bus, &file), "the bus has no money");
        assert!(!gives_up(
            &file,
            &BarSchema::new("UTC", PriceType::Float32, [] as [&str; 0]).unwrap().archive_schema()
        ));
        let with = |name: &str, data_type: DataType| {
            let kept = file.fields().iter().filter(|field| field.name() != name).cloned();
            Schema::new(kept.chain([Field::new(name, data_type, true).into()]).collect::<Vec<_>>())
        };
        let refused = |name: &str, data_type: DataType| {
            check(Path::new("day"), &bus, &with(name, data_type)).unwrap_err().to_string()
        };
        assert_eq!(refused("open", DataType::Utf8), "day: column \"open\" is Utf8, on this bus it is Float32");
        assert_eq!(refused("note", DataType::Utf8), "day: column \"note\" is Utf8, on this bus it is absent");
    }
}
