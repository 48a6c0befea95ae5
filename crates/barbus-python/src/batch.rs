//! Rows to record batches and back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt8Array, UInt64Array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::datatypes::{
    Float32Type, Float64Type, Int32Type, TimestampMillisecondType, TimestampNanosecondType, UInt8Type, UInt64Type,
};
use arrow::error::ArrowError;
use barbus::Row;
use barbus_bars::BarSchema;

const SEQ: &str = "seq";
const RECEIVED: &str = "received";
const REVISION: &str = "revision";
/// Columns before the optional ones: symbol, frame, four prices, volume.
const FIXED: usize = 7;

/// The columns of the ring.
pub(crate) fn ring_schema(bars: &BarSchema) -> SchemaRef {
    let mut fields: Vec<Field> = bars.archive_schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields[0] = Field::new("symbol", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)), false);
    fields.push(Field::new(SEQ, DataType::UInt64, false));
    fields.push(Field::new(RECEIVED, DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false));
    fields.push(Field::new(REVISION, DataType::UInt8, false));
    Arc::new(Schema::new(fields))
}

/// The optional columns of a schema of bars: their numbers among the optional ones, and their fields.
pub(crate) fn optional(schema: &Schema) -> impl Iterator<Item = (usize, &Field)> {
    let fields = schema.fields().iter().skip(FIXED).map(AsRef::as_ref);
    fields.take_while(|field| field.data_type() == &DataType::Float64).enumerate()
}

/// Rows as a batch of `schema`, with a dictionary of just their symbols.
pub(crate) fn of_rows(schema: &SchemaRef, rows: &[Row], symbols: &[&str]) -> Result<RecordBatch, ArrowError> {
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

/// One row of a batch and its symbol; what the batch has no column for is 0.
pub(crate) fn row(batch: &RecordBatch, i: usize) -> (String, Row) {
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
    for (k, _) in optional(schema) {
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

/// Whether a schema has the ring's own columns.
pub(crate) fn is_of_ring(schema: &Schema) -> bool {
    schema.column_with_name(SEQ).is_some()
}

/// The rows of some symbols, copied; the batch itself where these are all.
pub(crate) fn of_symbols(batch: &RecordBatch, wanted: &HashSet<String>) -> Result<RecordBatch, ArrowError> {
    let symbols = batch.column(0).as_dictionary::<Int32Type>();
    let names = symbols.values().as_string::<i32>();
    let chosen: Vec<bool> = names.iter().map(|name| name.is_some_and(|name| wanted.contains(name))).collect();
    let keep = symbols.keys().values().iter().map(|&key| chosen[key as usize]);
    keep_rows(batch, keep)
}

/// The rows whose frames are in a range, copied; the batch itself where these are all.
pub(crate) fn of_frames(batch: &RecordBatch, mut inside: impl FnMut(i64) -> bool) -> Result<RecordBatch, ArrowError> {
    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
    keep_rows(batch, frames.iter().map(|&frame| inside(frame)))
}

/// The rows from a sequence number on.
pub(crate) fn from_seq(batch: &RecordBatch, seq: u64) -> Result<RecordBatch, ArrowError> {
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

/// A batch that lies in the ring, without the metadata of the ring's schema, which is padding.
pub(crate) fn bare(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = Arc::new(Schema::new(batch.schema_ref().fields().clone()));
    RecordBatch::try_new(schema, batch.columns().to_vec())
}

/// A batch of the ring as one of the archive: its columns alone, symbols as plain strings.
pub(crate) fn as_archived(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().enumerate();
    let columns = columns.map(|(i, field)| arrow::compute::cast(batch.column(i), field.data_type()));
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
}

/// A column of floats with NaN where there is no value.
pub(crate) fn nan_for_null(column: &ArrayRef) -> ArrayRef {
    let floats = column.as_primitive::<Float64Type>();
    match floats.null_count() {
        0 => Arc::clone(column),
        _ => Arc::new(floats.iter().map(|value| value.unwrap_or(f64::NAN)).collect::<Float64Array>()),
    }
}
