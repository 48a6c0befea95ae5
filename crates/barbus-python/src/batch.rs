//! Converts rows of the bus to record batches and back, and filters batches.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int32Array,
    MutableArrayData, RecordBatch, StringArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt8Array,
    UInt32Array, UInt64Array, make_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int32Type, Schema, TimestampMillisecondType,
    TimestampNanosecondType, UInt8Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use barbus::Row;
use barbus_bars::{Calendar, TradingDay, epoch_days};

use crate::bar::Bar;
use crate::layout::Layout;

/// The trading days of bars that come mostly in the order of time.
#[derive(Debug)]
pub(crate) struct TradingDays {
    calendar: Calendar,
    span: TradingDay,
    /// Of the span, in days since 1970.
    number: i32,
}

impl TradingDays {
    pub(crate) fn new(calendar: &Calendar) -> Self {
        let span = calendar.trading_day(0);
        Self { span, number: epoch_days(span.date) as i32, calendar: calendar.clone() }
    }

    /// The trading day of a bar, in days since 1970.
    pub(crate) fn of(&mut self, frame_ms: i64) -> i32 {
        if !self.span.contains(frame_ms) {
            self.span = self.calendar.trading_day(frame_ms);
            self.number = epoch_days(self.span.date) as i32;
        }
        self.number
    }

    fn column(&mut self, frames: impl Iterator<Item = i64>) -> ArrayRef {
        Arc::new(Date32Array::from_iter_values(frames.map(|frame_ms| self.of(frame_ms))))
    }
}

/// Rows as a batch of a history or live layout, with a dictionary of their own symbols only.
pub(crate) fn from_rows(
    layout: &Layout,
    rows: &[Row],
    symbols: &[&str],
    days: &mut TradingDays,
) -> Result<RecordBatch, ArrowError> {
    let values: [fn(&Row) -> f64; 5] =
        [|row| row.open, |row| row.high, |row| row.low, |row| row.close, |row| row.volume];
    let mut columns = vec![
        symbol_column(symbols)?,
        Arc::new(
            TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.frame_ms))
                .with_data_type(layout.schema.field(1).data_type().clone()),
        ) as ArrayRef,
    ];
    for at in 2..layout.schema.fields().len() {
        let kind = layout.schema.field(at).data_type();
        columns.push(if let Some(i) = layout.values.iter().position(|place| *place == Some(at)) {
            let value = values[i];
            match kind {
                DataType::Float32 => Arc::new(rows.iter().map(|row| value(row) as f32).collect::<Float32Array>()),
                _ => Arc::new(rows.iter().map(value).collect::<Float64Array>()) as ArrayRef,
            }
        } else if let Some(k) = layout.optional.iter().position(|place| *place == at) {
            Arc::new(rows.iter().map(|row| row.optional(k)).collect::<Float64Array>())
        } else if layout.day == Some(at) {
            days.column(rows.iter().map(|row| row.frame_ms))
        } else if layout.seq == Some(at) {
            Arc::new(rows.iter().map(|row| row.seq).collect::<UInt64Array>())
        } else if layout.received == Some(at) {
            let received = TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.received_ns));
            Arc::new(received.with_data_type(kind.clone()))
        } else {
            Arc::new(rows.iter().map(|row| row.revision).collect::<UInt8Array>())
        });
    }
    RecordBatch::try_new(Arc::clone(&layout.schema), columns)
}

/// One bar as a batch.
pub(crate) fn from_bar(bar: &Bar) -> Result<RecordBatch, ArrowError> {
    let (layout, row) = (&*bar.layout, &bar.row);
    let values = [row.open, row.high, row.low, row.close, row.volume];
    let fields = layout.schema.fields().iter().enumerate();
    let columns = fields.map(|(at, field)| -> Result<ArrayRef, ArrowError> {
        let at = Some(at);
        let plain: ArrayRef = if let Some(i) = layout.values.iter().position(|place| *place == at) {
            Arc::new(Float64Array::from_value(values[i], 1))
        } else if let Some(k) = layout.optional.iter().position(|place| Some(*place) == at) {
            Arc::new(Float64Array::from(vec![row.optional(k)]))
        } else if at == Some(0) {
            symbol_column(&[&bar.symbol])?
        } else if at == Some(1) {
            Arc::new(TimestampMillisecondArray::from_value(row.frame_ms, 1).with_timezone("UTC"))
        } else if at == layout.day {
            Arc::new(Date32Array::from_value(bar.day, 1))
        } else if at == layout.bars {
            Arc::new(UInt32Array::from_value(bar.bars, 1))
        } else if at == layout.complete {
            Arc::new(BooleanArray::from(vec![bar.complete]))
        } else if at == layout.seq {
            Arc::new(UInt64Array::from_value(row.seq, 1))
        } else if at == layout.received {
            Arc::new(TimestampNanosecondArray::from_value(row.received_ns, 1).with_timezone("UTC"))
        } else {
            Arc::new(UInt8Array::from_value(row.revision, 1))
        };
        arrow::compute::cast(&plain, field.data_type())
    });
    RecordBatch::try_new(Arc::clone(&layout.schema), columns.collect::<Result<_, _>>()?)
}

fn symbol_column(symbols: &[&str]) -> Result<ArrayRef, ArrowError> {
    let mut keys: HashMap<&str, i32> = HashMap::new();
    let mut values: Vec<&str> = Vec::new();
    let key_of = symbols.iter().map(|&symbol| {
        *keys.entry(symbol).or_insert_with(|| {
            values.push(symbol);
            values.len() as i32 - 1
        })
    });
    let key_of: Int32Array = key_of.collect();
    Ok(Arc::new(DictionaryArray::try_new(key_of, Arc::new(StringArray::from(values)))?))
}

/// A batch of the ring in the live layout: its columns stay where they are, and the trading days
/// are added.
pub(crate) fn from_ring(
    layout: &Layout,
    batch: &RecordBatch,
    days: &mut TradingDays,
) -> Result<RecordBatch, ArrowError> {
    let mut columns = batch.columns().to_vec();
    if let Some(day) = layout.day {
        let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
        columns.insert(day, days.column(frames.iter().copied()));
    }
    RecordBatch::try_new(Arc::clone(&layout.schema), columns)
}

/// One row of a batch. A value without a column in the batch is 0.
pub(crate) fn read_bar(layout: &Arc<Layout>, batch: &RecordBatch, i: usize) -> Bar {
    let float = |place: Option<usize>| {
        let Some(at) = place else { return 0.0 };
        let column = batch.column(at);
        match column.as_primitive_opt::<Float32Type>() {
            Some(prices) => f64::from(prices.value(i)),
            None => column.as_primitive::<Float64Type>().value(i),
        }
    };
    let [open, high, low, close, volume] = layout.values.map(float);
    let frame_ms = batch.column(1).as_primitive::<TimestampMillisecondType>().value(i);
    let mut row = Row { frame_ms, open, high, low, close, volume, ..Row::default() };
    for (k, at) in layout.optional.iter().enumerate().take(row.optional.len()) {
        let column = batch.column(*at).as_primitive::<Float64Type>();
        if column.is_valid(i) {
            row.optional[k] = column.value(i);
            row.present |= 1 << k;
        }
    }
    if let Some(at) = layout.seq {
        row.seq = batch.column(at).as_primitive::<UInt64Type>().value(i);
    }
    if let Some(at) = layout.received {
        row.received_ns = batch.column(at).as_primitive::<TimestampNanosecondType>().value(i);
    }
    if let Some(at) = layout.revision {
        row.revision = batch.column(at).as_primitive::<UInt8Type>().value(i);
    }
    Bar {
        layout: Arc::clone(layout),
        symbol: symbol(batch, i).to_owned(),
        row,
        day: layout.day.map_or(0, |at| batch.column(at).as_primitive::<Date32Type>().value(i)),
        bars: layout.bars.map_or(1, |at| batch.column(at).as_primitive::<UInt32Type>().value(i)),
        complete: layout.complete.is_none_or(|at| batch.column(at).as_boolean().value(i)),
    }
}

fn symbol(batch: &RecordBatch, i: usize) -> &str {
    match batch.column(0).as_dictionary_opt::<Int32Type>() {
        Some(symbols) => symbols.values().as_string::<i32>().value(symbols.keys().value(i) as usize),
        None => batch.column(0).as_string::<i32>().value(i),
    }
}

/// Copies the rows of the wanted symbols; returns the batch itself when these are all of its rows.
pub(crate) fn filter_symbols(batch: &RecordBatch, wanted: &HashSet<String>) -> Result<RecordBatch, ArrowError> {
    let symbols = batch.column(0).as_dictionary::<Int32Type>();
    let names = symbols.values().as_string::<i32>();
    let is_wanted: Vec<bool> = names.iter().map(|name| name.is_some_and(|name| wanted.contains(name))).collect();
    let keep: BooleanArray = symbols.keys().values().iter().map(|&key| Some(is_wanted[key as usize])).collect();
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

/// A column of floats with NaN for each null.
pub(crate) fn nan_for_null(column: &ArrayRef) -> ArrayRef {
    let floats = column.as_primitive::<Float64Type>();
    match floats.null_count() {
        0 => Arc::clone(column),
        _ => Arc::new(floats.iter().map(|value| value.unwrap_or(f64::NAN)).collect::<Float64Array>()),
    }
}
