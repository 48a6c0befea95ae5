//! The columns of a day's rows, as the archive takes them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt64Array,
};
use arrow::datatypes::Int32Type;
use barbus_bars::{BarSchema, PriceType, SEQ};
use barbus_ring::{Row, SymbolId};

/// Rows as columns, added piece by piece, so that a day is never in memory as rows too.
pub(crate) struct DayColumns {
    /// The symbols in the order of their first row: they become the dictionary.
    symbols: Vec<SymbolId>,
    /// For each symbol of the ring its index in `symbols`, or -1.
    key_of: Vec<i32>,
    keys: Vec<i32>,
    frames: Vec<i64>,
    prices: [Vec<f64>; 4],
    volumes: Vec<f64>,
    optional: Vec<Vec<f64>>,
    present: Vec<u8>,
    seqs: Vec<u64>,
}

impl DayColumns {
    /// Room for `rows` rows with `optional` optional columns, from a ring of `symbols` symbols.
    pub(crate) fn new(rows: usize, optional: usize, symbols: u32) -> Self {
        let values = || Vec::with_capacity(rows);
        Self {
            symbols: Vec::new(),
            key_of: vec![-1; symbols as usize + 1],
            keys: Vec::with_capacity(rows),
            frames: Vec::with_capacity(rows),
            prices: std::array::from_fn(|_| values()),
            volumes: values(),
            optional: (0..optional).map(|_| values()).collect(),
            present: Vec::with_capacity(rows),
            seqs: Vec::with_capacity(rows),
        }
    }

    pub(crate) fn add(&mut self, rows: &[Row]) {
        for row in rows {
            // An id above the ring's limit, which only a corrupt ring has, shares the last entry.
            let id = (row.symbol.0 as usize).min(self.key_of.len() - 1);
            if self.key_of[id] < 0 {
                self.key_of[id] = self.symbols.len() as i32;
                self.symbols.push(row.symbol);
            }
            self.keys.push(self.key_of[id]);
        }
        self.frames.extend(rows.iter().map(|row| row.frame_ms));
        let prices: [fn(&Row) -> f64; 4] = [|row| row.open, |row| row.high, |row| row.low, |row| row.close];
        for (values, price) in self.prices.iter_mut().zip(prices) {
            values.extend(rows.iter().map(price));
        }
        self.volumes.extend(rows.iter().map(|row| row.volume));
        for (k, values) in self.optional.iter_mut().enumerate() {
            values.extend(rows.iter().map(|row| row.optional[k]));
        }
        self.present.extend(rows.iter().map(|row| row.present));
        self.seqs.extend(rows.iter().map(|row| row.seq));
    }

    /// The batch for the archive: the columns of `schema` and the sequence numbers. `names` has the
    /// text of each symbol of the ring.
    pub(crate) fn into_batch(self, names: &[String], schema: &BarSchema) -> RecordBatch {
        let text = |symbol: &SymbolId| names.get(symbol.0 as usize).map_or("", String::as_str);
        let dictionary = StringArray::from_iter_values(self.symbols.iter().map(text));
        let symbol = DictionaryArray::<Int32Type>::new(Int32Array::from(self.keys), Arc::new(dictionary));
        let frame = TimestampMillisecondArray::from(self.frames).with_timezone(schema.zone());
        let price = |values: Vec<f64>| -> ArrayRef {
            match schema.price() {
                PriceType::Float64 => Arc::new(Float64Array::from(values)),
                PriceType::Float32 => {
                    Arc::new(Float32Array::from_iter_values(values.iter().map(|&value| value as f32)))
                }
            }
        };
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(symbol), Arc::new(frame)];
        arrays.extend(self.prices.into_iter().map(price));
        arrays.push(Arc::new(Float64Array::from(self.volumes)));
        for (k, values) in self.optional.into_iter().enumerate() {
            let absent = self.present.iter().any(|present| present >> k & 1 == 0);
            let nulls = absent.then(|| self.present.iter().map(|present| present >> k & 1 == 1).collect());
            arrays.push(Arc::new(Float64Array::new(values.into(), nulls)));
        }
        arrays.push(Arc::new(UInt64Array::from(self.seqs)));
        let columns = schema.column_names().chain([SEQ]);
        RecordBatch::try_from_iter(columns.zip(arrays)).expect("every column has one value for each row")
    }
}
