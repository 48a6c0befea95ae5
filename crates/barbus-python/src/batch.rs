//! Converts rows of the bus to record batches and back, and filters batches.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int32Array, MutableArrayData,
    RecordBatch, StringArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt8Array, UInt64Array, make_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{
    DataType, Field, Float32Type, Float64Type, Int32Type, Schema, SchemaRef, TimeUnit, TimestampMillisecondType,
    TimestampNanosecondType, UInt8Type, UInt64Type,
};
use arrow::error::ArrowError;
use barbus::Row;
use barbus_bars::{BarSchema, FIXED_COLUMNS, RECEIVED, SEQ, SYMBOL};

const REVISION: &str = "revision";
/// Columns before the optional ones.
const FIXED: usize = FIXED_COLUMNS.len();

/// The columns of the ring for a bus with this schema.
pub(crate) fn ring_schema(bars: &BarSchema) -> SchemaRef {
    let mut fields: Vec<Field> = bars.archive_schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields[0] = Field::new(SYMBOL, DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)), false);
    fields.push(Field::new(SEQ, DataType::UInt64, false));
    fields.push(Field::new(RECEIVED, DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false));
    fields.push(Field::new(REVISION, DataType::UInt8, false));
    Arc::new(Schema::new(fields))
}

/// The optional columns of a schema of bars, numbered from 0.
pub(crate) fn optional_fields(schema: &Schema) -> impl Iterator<Item = (usize, &Field)> {
    let fields = schema.fields().iter().skip(FIXED).map(AsRef::as_ref);
    fields.take_while(|field| field.data_type() == &DataType::Float64).enumerate()
}

/// Rows as a batch of `schema`, with a dictionary of their own symbols only.
pub(crate) fn from_rows(schema: &SchemaRef, rows: &[Row], symbols: &[&str]) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().enumerate().map(|(i, field)| -> Result<ArrayRef, ArrowError> {
        let floats = |value: fn(&Row) -> f64| -> ArrayRef {
            match field.data_type() {
                DataType::Float32 => Arc::new(rows.iter().map(|row| value(row) as f32).collect::<Float32Array>()),
                _ => Arc::new(rows.iter().map(value).collect::<Float64Array>()),
            }
        };
        Ok(match (i, field.name().as_str(), field.data_type()) {
            (0, _, DataType::Dictionary(..)) => {
                let mut keys: HashMap<&str, i32> = HashMap::new();
                let mut values: Vec<&str> = Vec::new();
                let key_of = symbols.iter().map(|&symbol| {
                    *keys.entry(symbol).or_insert_with(|| {
                        values.push(symbol);
                        values.len() as i32 - 1
                    })
                });
                let key_of: Int32Array = key_of.collect();
                Arc::new(DictionaryArray::try_new(key_of, Arc::new(StringArray::from(values)))?)
            }
            (0, ..) => Arc::new(StringArray::from_iter_values(symbols)),
            (1, _, kind) => {
                let frames = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.frame_ms));
                Arc::new(frames.with_data_type(kind.clone()))
            }
            (2, ..) => floats(|row| row.open),
            (3, ..) => floats(|row| row.high),
            (4, ..) => floats(|row| row.low),
            (5, ..) => floats(|row| row.close),
            (6, ..) => floats(|row| row.volume),
            (_, SEQ, DataType::UInt64) => Arc::new(rows.iter().map(|row| row.seq).collect::<UInt64Array>()),
            (_, RECEIVED, DataType::Timestamp(..)) => {
                let received = TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.received_ns));
                Arc::new(received.with_data_type(field.data_type().clone()))
            }
            (_, REVISION, DataType::UInt8) => Arc::new(rows.iter().map(|row| row.revision).collect::<UInt8Array>()),
            _ => Arc::new(rows.iter().map(|row| row.optional(i - FIXED)).collect::<Float64Array>()),
        })
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
}

/// One row of a batch, and its symbol. A value without a column in the batch is 0.
pub(crate) fn read_row(batch: &RecordBatch, i: usize) -> (String, Row) {
    let float = |column: usize| {
        let column = batch.column(column);
        match column.as_primitive_opt::<Float32Type>() {
            Some(prices) => f64::from(prices.value(i)),
            None => column.as_primitive::<Float64Type>().value(i),
        }
    };
    let mut row = Row {
        frame_ms: batch.column(1).as_primitive::<TimestampMillisecondType>().value(i),
        open: float(2),
        high: float(3),
        low: float(4),
        close: float(5),
        volume: float(6),
        ..Row::default()
    };
    let schema = batch.schema_ref();
    for (k, _) in optional_fields(schema) {
        let column = batch.column(FIXED + k).as_primitive::<Float64Type>();
        if column.is_valid(i) {
            row.optional[k] = column.value(i);
            row.present |= 1 << k;
        }
    }
    if let Some(seq) = batch.column_by_name(SEQ) {
        row.seq = seq.as_primitive::<UInt64Type>().value(i);
    }
    if let Some(received) = batch.column_by_name(RECEIVED) {
        row.received_ns = received.as_primitive::<TimestampNanosecondType>().value(i);
    }
    if let Some(revision) = batch.column_by_name(REVISION) {
        row.revision = revision.as_primitive::<UInt8Type>().value(i);
    }
    (symbol(batch, i).to_owned(), row)
}

fn symbol(batch: &RecordBatch, i: usize) -> &str {
    match batch.column(0).as_dictionary_opt::<Int32Type>() {
        Some(symbols) => symbols.values().as_string::<i32>().value(symbols.keys().value(i) as usize),
        None => batch.column(0).as_string::<i32>().value(i),
    }
}

/// Whether a schema has the columns that only the ring has.
pub(crate) fn has_ring_columns(schema: &Schema) -> bool {
    schema.column_with_name(SEQ).is_some()
}

/// Copies the rows of the wanted symbols; returns the batch itself when these are all of its rows.
pub(crate) fn filter_symbols(batch: &RecordBatch, wanted: &HashSet<String>) -> Result<RecordBatch, ArrowError> {
    let symbols = batch.column(0).as_dictionary::<Int32Type>();
    let names = symbols.values().as_string::<i32>();
    let is_wanted: Vec<bool> = names.iter().map(|name| name.is_some_and(|name| wanted.contains(name))).collect();
    let keep = symbols.keys().values().iter().map(|&key| is_wanted[key as usize]);
    keep_rows(batch, keep)
}

/// Copies the rows with a wanted frame; returns the batch itself when these are all of its rows.
pub(crate) fn filter_frames(
    batch: &RecordBatch,
    mut is_wanted: impl FnMut(i64) -> bool,
) -> Result<RecordBatch, ArrowError> {
    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
    keep_rows(batch, frames.iter().map(|&frame| is_wanted(frame)))
}

/// Copies the rows from a sequence number on; returns the batch itself when these are all of its
/// rows.
pub(crate) fn skip_to_seq(batch: &RecordBatch, seq: u64) -> Result<RecordBatch, ArrowError> {
    let Some(column) = batch.column_by_name(SEQ) else { return Ok(batch.clone()) };
    keep_rows(batch, column.as_primitive::<UInt64Type>().values().iter().map(|&found| found >= seq))
}

fn keep_rows(batch: &RecordBatch, keep: impl Iterator<Item = bool>) -> Result<RecordBatch, ArrowError> {
    let keep: BooleanArray = keep.map(Some).collect();
    match keep.true_count() == batch.num_rows() {
        true => Ok(batch.clone()),
        false => filter_record_batch(batch, &keep),
    }
}

/// A copy of a batch that shares no memory with it, but for the texts of its symbols: those are
/// never in the ring.
pub(crate) fn deep_copy(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let copy = |column: &ArrayRef| {
        let data = column.to_data();
        let mut copy = MutableArrayData::new(vec![&data], false, data.len());
        copy.try_extend(0, 0, data.len())?;
        Ok(make_array(copy.freeze()))
    };
    RecordBatch::try_new(batch.schema(), batch.columns().iter().map(copy).collect::<Result<_, ArrowError>>()?)
}

/// A batch without the metadata of its schema. In the ring's schema that is only padding.
pub(crate) fn without_metadata(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = Arc::new(Schema::new(batch.schema_ref().fields().clone()));
    RecordBatch::try_new(schema, batch.columns().to_vec())
}

/// A batch of the ring with the columns of the archive: without the ring's own, and with plain
/// strings as symbols.
pub(crate) fn to_archive_columns(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().enumerate();
    let columns = columns.map(|(i, field)| arrow::compute::cast(batch.column(i), field.data_type()));
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
}

/// A column of floats with NaN for each null.
pub(crate) fn nan_for_null(column: &ArrayRef) -> ArrayRef {
    let floats = column.as_primitive::<Float64Type>();
    match floats.null_count() {
        0 => Arc::clone(column),
        _ => Arc::new(floats.iter().map(|value| value.unwrap_or(f64::NAN)).collect::<Float64Array>()),
    }
}
