//! Bars as Arrow batches, and batches as bars.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt8Array, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Float64Type, Int32Type, Schema, SchemaRef, TimeUnit, TimestampMillisecondType,
};
use arrow::error::ArrowError;
use barbus_bars::BarSchema;

use crate::failure::Failure;
use crate::types::{barbus_bar, barbus_new_bar};

/// Columns before the optional ones.
const FIXED: usize = 7;

/// The columns of live bars: those of a batch that a producer sends, then `seq`, `received` and
/// `revision`.
pub(crate) fn live_schema(bars: &BarSchema) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = bars.wire_schema().fields().iter().cloned().collect();
    let received = DataType::Timestamp(TimeUnit::Nanosecond, Some(bars.zone().into()));
    fields.push(Arc::new(Field::new("seq", DataType::UInt64, false)));
    fields.push(Arc::new(Field::new("received", received, false)));
    fields.push(Arc::new(Field::new("revision", DataType::UInt8, false)));
    Arc::new(Schema::new(fields))
}

/// A batch of the ring with the columns of [`live_schema`]. Only prices that the ring has in
/// single precision are copied.
pub(crate) fn with_schema(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema.clone(), columns)
}

/// A batch of bars with the columns of [`live_schema`].
pub(crate) fn live_batch<'a>(
    schema: &SchemaRef,
    bars: &[barbus_bar],
    mut name: impl FnMut(u32) -> Option<&'a str>,
) -> Result<RecordBatch, Failure> {
    let mut places: HashMap<u32, i32> = HashMap::new();
    let mut names: Vec<&str> = Vec::new();
    let mut keys = Vec::with_capacity(bars.len());
    for bar in bars {
        let key = match places.get(&bar.symbol) {
            Some(key) => *key,
            None => {
                let unknown = || Failure::argument(format!("bars: no symbol has the id {}", bar.symbol));
                names.push(name(bar.symbol).ok_or_else(unknown)?);
                places.insert(bar.symbol, names.len() as i32 - 1);
                names.len() as i32 - 1
            }
        };
        keys.push(key);
    }
    let received = TimestampNanosecondArray::from_iter_values(bars.iter().map(|bar| bar.received_ns));
    let width = schema.fields().len();
    let mut columns = bar_columns(schema, keys, names, bars.iter().map(Values::from), width - FIXED - 3)?;
    columns.push(Arc::new(UInt64Array::from_iter_values(bars.iter().map(|bar| bar.seq))));
    columns.push(Arc::new(received.with_data_type(schema.field(width - 2).data_type().clone())));
    columns.push(Arc::new(UInt8Array::from_iter_values(bars.iter().map(|bar| bar.revision))));
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// A batch to be published. The texts of the symbols are checked.
pub(crate) fn wire_batch(schema: &SchemaRef, bars: &[barbus_new_bar<'_>]) -> Result<RecordBatch, Failure> {
    let mut places: HashMap<&str, i32> = HashMap::new();
    let mut names: Vec<&str> = Vec::new();
    let mut keys = Vec::with_capacity(bars.len());
    for bar in bars {
        let symbol = bar.symbol.required("symbol")?;
        let key = *places.entry(symbol).or_insert_with(|| {
            names.push(symbol);
            names.len() as i32 - 1
        });
        keys.push(key);
    }
    let optional = schema.fields().len() - FIXED;
    let columns = bar_columns(schema, keys, names, bars.iter().map(Values::from), optional)?;
    if let Some(bar) = bars.iter().find(|bar| bar.present >> optional != 0) {
        let what = format!("present: {:#x} names a column that the bus does not have: it has {optional}", bar.present);
        return Err(Failure::argument(what));
    }
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// What both structs of a bar have.
struct Values<'a> {
    frame_ms: i64,
    /// Open, high, low, close and volume.
    numbers: [f64; 5],
    optional: &'a [f64],
    present: u8,
}

impl<'a> From<&'a barbus_bar> for Values<'a> {
    fn from(bar: &'a barbus_bar) -> Self {
        let barbus_bar { frame_ms, open, high, low, close, volume, ref optional, present, .. } = *bar;
        Self { frame_ms, numbers: [open, high, low, close, volume], optional, present }
    }
}

impl<'a> From<&'a barbus_new_bar<'_>> for Values<'a> {
    fn from(bar: &'a barbus_new_bar<'_>) -> Self {
        let barbus_new_bar { frame_ms, open, high, low, close, volume, ref optional, present, .. } = *bar;
        Self { frame_ms, numbers: [open, high, low, close, volume], optional, present }
    }
}

/// The columns from `symbol` to the last of `optional`.
fn bar_columns<'a>(
    schema: &SchemaRef,
    keys: Vec<i32>,
    names: Vec<&str>,
    bars: impl Iterator<Item = Values<'a>> + Clone,
    optional: usize,
) -> Result<Vec<ArrayRef>, ArrowError> {
    let frames = TimestampMillisecondArray::from_iter_values(bars.clone().map(|bar| bar.frame_ms));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(DictionaryArray::try_new(Int32Array::from(keys), Arc::new(StringArray::from(names)))?),
        Arc::new(frames.with_data_type(schema.field(1).data_type().clone())),
    ];
    for place in 0..5 {
        columns.push(Arc::new(Float64Array::from_iter_values(bars.clone().map(|bar| bar.numbers[place]))));
    }
    for place in 0..optional {
        let values = bars.clone().map(|bar| (bar.present >> place & 1 == 1).then(|| bar.optional[place]));
        columns.push(Arc::new(values.collect::<Float64Array>()));
    }
    Ok(columns)
}

/// The bars of an answer's batch. Columns that it does not have are 0, and ids are those of its
/// dictionary.
pub(crate) fn bars_of_batch(batch: &RecordBatch, optional: &[String]) -> Result<Vec<barbus_bar>, ArrowError> {
    let float = |name: &str| batch.column_by_name(name).map(|column| cast(column, &DataType::Float64)).transpose();
    let keys = batch.column(0).as_dictionary::<Int32Type>().keys().values();
    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
    let mut bars: Vec<barbus_bar> = (keys.iter().zip(frames))
        .map(|(key, frame_ms)| barbus_bar { symbol: *key as u32, frame_ms: *frame_ms, ..barbus_bar::ZERO })
        .collect();
    type Field = fn(&mut barbus_bar) -> &mut f64;
    let fields: [(&str, Field); 5] = [
        ("open", |bar| &mut bar.open),
        ("high", |bar| &mut bar.high),
        ("low", |bar| &mut bar.low),
        ("close", |bar| &mut bar.close),
        ("volume", |bar| &mut bar.volume),
    ];
    for (name, field) in fields {
        if let Some(column) = float(name)? {
            let values = column.as_primitive::<Float64Type>();
            bars.iter_mut().zip(values.values()).for_each(|(bar, value)| *field(bar) = *value);
        }
    }
    for (place, name) in optional.iter().enumerate() {
        if let Some(column) = float(name)? {
            let values = column.as_primitive::<Float64Type>();
            for (row, bar) in bars.iter_mut().enumerate().filter(|(row, _)| values.is_valid(*row)) {
                bar.optional[place] = values.value(row);
                bar.present |= 1 << place;
            }
        }
    }
    Ok(bars)
}
