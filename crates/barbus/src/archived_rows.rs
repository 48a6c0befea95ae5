//! The rows of an archived day, read from the columns of its record batch.

use arrow::array::AsArray;
use arrow::array::{Array, Float32Array, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Float32Type, Float64Type, TimestampMillisecondType};
use barbus_archive::{Archive, Wanted};
use barbus_bars::{BarSchema, Date, PriceType};
use barbus_ring::Row;

use crate::bus::Bus;
use crate::error::Result;
use crate::history::{dictionary_of, keys_of};

/// An archived day's columns, read row by row.
#[derive(Debug)]
pub struct ArchivedRows {
    symbols: StringArray,
    frames: TimestampMillisecondArray,
    prices: Prices,
    volumes: Float64Array,
    optional: Vec<Float64Array>,
}

#[derive(Debug)]
enum Prices {
    Float64([Float64Array; 4]),
    Float32([Float32Array; 4]),
}

impl ArchivedRows {
    /// The columns of `batch`, which the archive read with `schema`. Nothing is copied.
    pub fn new(batch: &RecordBatch, schema: &BarSchema) -> Self {
        let float64 = |column: usize| batch.column(column).as_primitive::<Float64Type>().clone();
        let float32 = |column: usize| batch.column(column).as_primitive::<Float32Type>().clone();
        Self {
            symbols: batch.column(0).as_string::<i32>().clone(),
            frames: batch.column(1).as_primitive::<TimestampMillisecondType>().clone(),
            prices: match schema.price() {
                PriceType::Float64 => Prices::Float64([2, 3, 4, 5].map(float64)),
                PriceType::Float32 => Prices::Float32([2, 3, 4, 5].map(float32)),
            },
            volumes: float64(6),
            optional: (7..7 + schema.optional().len()).map(float64).collect(),
        }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// The symbol of row `i`.
    pub fn symbol(&self, i: usize) -> &str {
        self.symbols.value(i)
    }

    /// The frames of all rows, milliseconds UTC.
    pub fn frames_ms(&self) -> &[i64] {
        self.frames.values()
    }

    /// The values of row `i`. The archive has no `symbol` id, `seq`, `received_ns` and `revision`:
    /// they are 0.
    pub(crate) fn row(&self, i: usize) -> Row {
        let mut row = Row::default();
        self.copy_row(i, &mut row);
        row
    }

    /// Copies what the archive has of row `i`: its frame and its values.
    ///
    /// To copy all rows into the same `to`, field by field, is much faster than to make a [`Row`]
    /// for each: a row that is moved right after it was written is read before its stores are done.
    #[inline]
    pub fn copy_row(&self, i: usize, to: &mut Row) {
        match &self.prices {
            Prices::Float64([open, high, low, close]) => {
                to.open = open.value(i);
                to.high = high.value(i);
                to.low = low.value(i);
                to.close = close.value(i);
            }
            Prices::Float32([open, high, low, close]) => {
                to.open = open.value(i).into();
                to.high = high.value(i).into();
                to.low = low.value(i).into();
                to.close = close.value(i).into();
            }
        }
        to.frame_ms = self.frames.value(i);
        to.volume = self.volumes.value(i);
        to.present = 0;
        for (k, column) in self.optional.iter().enumerate() {
            let present = column.is_valid(i);
            to.optional[k] = if present { column.value(i) } else { 0.0 };
            to.present |= u8::from(present) << k;
        }
    }

    /// The symbol and the values of each row, in the archive's order. The archive has no `symbol`
    /// id, `seq`, `received_ns` and `revision`: they are 0.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Row)> {
        (0..self.len()).map(|i| (self.symbol(i), self.row(i)))
    }
}

/// The symbols that have bars of `day` in the archive, in order. No other column is decoded.
pub(crate) fn archived_symbols(archive: &Archive, bus: &Bus, day: Date) -> Result<Vec<String>> {
    let wanted = Wanted { symbols: None, from_ms: i64::MIN, to_ms: i64::MAX, columns: &[], last: Some(1) };
    let mut symbols: Vec<String> = Vec::new();
    for batch in archive.scan(day, bus.footers())?.read(&wanted)? {
        let names = dictionary_of(&batch);
        for key in keys_of(&batch) {
            let name = names.value(*key as usize);
            if symbols.last().is_none_or(|last| last != name) {
                symbols.push(name.to_owned());
            }
        }
    }
    Ok(symbols)
}
