//! Bars in canonical columns, ready for the bus, with the rows that are not fit for it marked.
//!
//! A row is bad if and only if it has an entry in [`BarBatch::faults`]. The values of a bad row are whatever could be
//! read of it: a price that could not is NaN, a symbol -1, a frame `i64::MIN`. An empty batch is fine.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::Int32Type;

use crate::fault::Fault;
use crate::schema::BarSchema;

/// Canonical columns of some bars. Made by [`BarBatch::cast`].
#[derive(Debug, Clone)]
pub struct BarBatch {
    pub(crate) schema: Arc<BarSchema>,
    pub(crate) symbols: StringArray,
    pub(crate) symbol_keys: ScalarBuffer<i32>,
    pub(crate) frames_ms: ScalarBuffer<i64>,
    /// open, high, low, close, volume.
    pub(crate) numbers: [ScalarBuffer<f64>; 5],
    pub(crate) optional: Vec<Float64Array>,
    pub(crate) faults: Vec<(usize, Fault)>,
}

impl BarBatch {
    /// Number of rows, good and bad.
    pub fn len(&self) -> usize {
        self.frames_ms.len()
    }

    /// Whether there is no row at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The schema the rows were cast to.
    pub fn schema(&self) -> &BarSchema {
        &self.schema
    }

    /// The dictionary of symbols. It may hold a symbol twice, and values no row refers to.
    pub fn symbols(&self) -> &StringArray {
        &self.symbols
    }

    /// For each row an index into [`BarBatch::symbols`]; -1 where the symbol is missing or not allowed.
    pub fn symbol_keys(&self) -> &[i32] {
        &self.symbol_keys
    }

    /// The symbol of a row, if it has one; `None` also past the end.
    pub fn symbol(&self, row: usize) -> Option<&str> {
        let key = usize::try_from(*self.symbol_keys.get(row)?).ok()?;
        Some(self.symbols.value(key))
    }

    /// End of each bar, milliseconds since 1970-01-01T00:00:00Z; `i64::MIN` where it could not be read.
    pub fn frames_ms(&self) -> &[i64] {
        &self.frames_ms
    }

    /// First price of each bar.
    pub fn open(&self) -> &[f64] {
        &self.numbers[0]
    }

    /// Highest price of each bar.
    pub fn high(&self) -> &[f64] {
        &self.numbers[1]
    }

    /// Lowest price of each bar.
    pub fn low(&self) -> &[f64] {
        &self.numbers[2]
    }

    /// Last price of each bar.
    pub fn close(&self) -> &[f64] {
        &self.numbers[3]
    }

    /// Traded quantity of each bar.
    pub fn volume(&self) -> &[f64] {
        &self.numbers[4]
    }

    /// The optional column `index`, in the order of [`BarSchema::optional`]; all null when the source had none.
    ///
    /// # Panics
    /// When the schema has no such column.
    pub fn optional(&self, index: usize) -> &Float64Array {
        &self.optional[index]
    }

    /// The bad rows with what is wrong with each: ascending, at most one entry a row.
    pub fn faults(&self) -> &[(usize, Fault)] {
        &self.faults
    }

    /// What is wrong with a row, if anything.
    pub fn fault(&self, row: usize) -> Option<&Fault> {
        let found = self.faults.binary_search_by_key(&row, |(row, _)| *row);
        found.ok().map(|i| &self.faults[i].1)
    }

    /// The good rows, in the order they came.
    pub fn good_rows(&self) -> Vec<usize> {
        let mut bad = self.faults.iter().map(|(row, _)| *row).peekable();
        (0..self.len()).filter(|row| bad.next_if_eq(row).is_none()).collect()
    }

    /// The good rows in the order a feed would bring them: by frame, and as they came within a frame.
    pub fn feed_order(&self) -> Vec<usize> {
        let mut rows = self.good_rows();
        rows.sort_by_key(|&row| self.frames_ms[row]);
        rows
    }

    /// The given rows, in that order, as a batch of [`BarSchema::wire_schema`]. Bad rows are left out.
    ///
    /// # Panics
    /// When a row is past the end.
    pub fn to_record_batch(&self, rows: &[usize]) -> RecordBatch {
        let filtered: Vec<usize>;
        let rows = if self.faults.is_empty() {
            rows
        } else {
            let good = rows.iter().filter(|&&row| self.fault(row).is_none());
            filtered = good.copied().collect();
            &filtered
        };
        let keys: Int32Array = rows.iter().map(|&row| self.symbol_keys[row]).collect();
        let keys = Int32Array::new(keys.values().clone(), None);
        let symbols: ArrayRef = Arc::new(self.symbols.clone());
        let symbol = DictionaryArray::<Int32Type>::try_new(keys, symbols)
            .expect("the key of a good row is within the dictionary");
        let frames: ScalarBuffer<i64> = rows.iter().map(|&row| self.frames_ms[row]).collect();
        let frame = TimestampMillisecondArray::new(frames, None).with_timezone(self.schema.zone());

        let mut columns: Vec<ArrayRef> = vec![Arc::new(symbol), Arc::new(frame)];
        for column in &self.numbers {
            let values: ScalarBuffer<f64> = rows.iter().map(|&row| column[row]).collect();
            columns.push(Arc::new(Float64Array::new(values, None)));
        }
        for column in &self.optional {
            let values: ScalarBuffer<f64> = rows.iter().map(|&row| column.value(row)).collect();
            let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
            let nulls = nulls.map(|nulls| {
                let valid: Vec<bool> = rows.iter().map(|&row| nulls.is_valid(row)).collect();
                NullBuffer::from(valid)
            });
            columns.push(Arc::new(Float64Array::new(values, nulls)));
        }
        RecordBatch::try_new(self.schema.wire_schema(), columns).expect("columns are made to the wire schema")
    }

    /// All rows of several batches, one after the other, with one dictionary; `None` when there is no batch.
    ///
    /// # Panics
    /// When the batches do not have the same schema.
    pub fn concat(batches: &[BarBatch]) -> Option<BarBatch> {
        let (first, rest) = batches.split_first()?;
        if rest.is_empty() {
            return Some(first.clone());
        }
        assert!(rest.iter().all(|batch| batch.schema == first.schema), "batches of one bus have one schema");
        let mut symbols = SymbolTable::default();
        let mut symbol_keys = Vec::with_capacity(batches.iter().map(BarBatch::len).sum());
        let mut faults = Vec::new();
        for batch in batches {
            let first_row = symbol_keys.len();
            let mut renamed: Vec<Option<i32>> = vec![None; batch.symbols.len()];
            for &key in batch.symbol_keys() {
                let key = match usize::try_from(key) {
                    Ok(key) => *renamed[key].get_or_insert_with(|| symbols.key_of(batch.symbols.value(key))),
                    Err(_) => -1,
                };
                symbol_keys.push(key);
            }
            let shifted = batch.faults.iter();
            faults.extend(shifted.map(|(row, fault)| (row + first_row, fault.clone())));
        }
        let optional = (0..first.optional.len()).map(|i| {
            let columns = batches.iter().flat_map(|batch| batch.optional[i].iter());
            columns.collect::<Float64Array>()
        });
        Some(BarBatch {
            schema: first.schema.clone(),
            symbols: symbols.into_array(),
            symbol_keys: symbol_keys.into(),
            frames_ms: joined(batches, |batch| &batch.frames_ms),
            numbers: std::array::from_fn(|i| joined(batches, |batch| &batch.numbers[i])),
            optional: optional.collect(),
            faults,
        })
    }
}

fn joined<T: arrow::datatypes::ArrowNativeType>(
    batches: &[BarBatch],
    column: impl Fn(&BarBatch) -> &ScalarBuffer<T>,
) -> ScalarBuffer<T> {
    let parts: Vec<&[T]> = batches.iter().map(|batch| &column(batch)[..]).collect();
    parts.concat().into()
}

/// Symbols numbered in the order they are first seen.
#[derive(Default)]
pub(crate) struct SymbolTable {
    keys: HashMap<String, i32>,
    names: Vec<String>,
}

impl SymbolTable {
    pub(crate) fn key_of(&mut self, symbol: &str) -> i32 {
        if let Some(&key) = self.keys.get(symbol) {
            return key;
        }
        // Arrow cannot hold more than i32::MAX rows of distinct symbols in one batch of ours.
        let key = i32::try_from(self.names.len()).unwrap_or(i32::MAX);
        self.names.push(symbol.to_owned());
        self.keys.insert(symbol.to_owned(), key);
        key
    }

    pub(crate) fn into_array(self) -> StringArray {
        StringArray::from_iter_values(self.names)
    }
}
