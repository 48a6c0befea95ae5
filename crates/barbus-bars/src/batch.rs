//! Bars in canonical columns, ready for the bus, with the invalid rows marked.
//!
//! A row is invalid if and only if it has an entry in [`BarBatch::faults`].
//! An invalid row keeps the values that could be read; an unreadable price is NaN, an unreadable
//! symbol has the key -1, and an unreadable frame is `i64::MIN`.
//! A batch may be empty.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, Int32Type};

use crate::fault::Fault;
use crate::schema::BarSchema;
use crate::symbol_dictionary::SymbolDictionary;

/// Bars in canonical columns, made by [`BarBatch::cast`].
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
    pub(crate) rounded: Option<String>,
}

impl BarBatch {
    /// Number of rows, valid and invalid.
    pub fn len(&self) -> usize {
        self.frames_ms.len()
    }

    /// Whether the batch has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The schema that the rows were cast to.
    pub fn schema(&self) -> &BarSchema {
        &self.schema
    }

    /// The dictionary of symbols. It may hold a symbol twice, and values that no row refers to.
    pub fn symbols(&self) -> &StringArray {
        &self.symbols
    }

    /// For each row the index of its symbol in [`BarBatch::symbols`]; -1 where the symbol is
    /// missing or invalid.
    pub fn symbol_keys(&self) -> &[i32] {
        &self.symbol_keys
    }

    /// The symbol of a row; `None` where it is missing or invalid, and past the end.
    pub fn symbol(&self, row: usize) -> Option<&str> {
        let key = usize::try_from(*self.symbol_keys.get(row)?).ok()?;
        Some(self.symbols.value(key))
    }

    /// End of each bar, milliseconds since 1970-01-01T00:00:00Z; `i64::MIN` where it is missing or
    /// unreadable.
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

    /// Traded quantity of each bar, in the market's own unit.
    pub fn volume(&self) -> &[f64] {
        &self.numbers[4]
    }

    /// The optional column `index`, in the order of [`BarSchema::optional`]; all null where the
    /// producer's batch does not have it.
    ///
    /// # Panics
    /// When the schema has fewer optional columns.
    pub fn optional(&self, index: usize) -> &Float64Array {
        &self.optional[index]
    }

    /// The first column with a value that a 64-bit float may not hold exactly: an integer or a
    /// volume above 2^53, or a decimal of more than 17 digits.
    pub fn rounded(&self) -> Option<&str> {
        self.rounded.as_deref()
    }

    /// The invalid rows, ascending, each once and with its fault.
    pub fn faults(&self) -> &[(usize, Fault)] {
        &self.faults
    }

    /// Gives `fault` to each valid row that `is_wrong`, by its row.
    pub fn reject(&mut self, fault: &Fault, mut is_wrong: impl FnMut(&BarBatch, usize) -> bool) {
        let wrong: Vec<usize> = self.valid_rows().into_iter().filter(|&row| is_wrong(self, row)).collect();
        self.faults.extend(wrong.into_iter().map(|row| (row, fault.clone())));
        self.faults.sort_by_key(|(row, _)| *row);
    }

    /// The fault of a row; `None` where the row is valid.
    pub fn fault(&self, row: usize) -> Option<&Fault> {
        let index = self.faults.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        Some(&self.faults[index].1)
    }

    /// The valid rows, in the order of the batch.
    pub fn valid_rows(&self) -> Vec<usize> {
        let mut invalid = self.faults.iter().map(|(row, _)| *row).peekable();
        (0..self.len()).filter(|row| invalid.next_if_eq(row).is_none()).collect()
    }

    /// The valid rows in the order in which a feed delivers them: by frame, and within a frame in
    /// the order of the batch.
    pub fn feed_order(&self) -> Vec<usize> {
        let mut rows = self.valid_rows();
        rows.sort_by_key(|&row| self.frames_ms[row]);
        rows
    }

    /// The given rows, in that order, as a batch of [`BarSchema::wire_schema`], without the invalid
    /// ones.
    ///
    /// # Panics
    /// When a row is past the end.
    pub fn to_record_batch(&self, rows: &[usize]) -> RecordBatch {
        let valid: Vec<usize>;
        let rows = if self.faults.is_empty() {
            rows
        } else {
            valid = rows.iter().copied().filter(|&row| self.fault(row).is_none()).collect();
            &valid
        };
        let keys: Int32Array = rows.iter().map(|&row| self.symbol_keys[row]).collect();
        let keys = Int32Array::new(keys.values().clone(), None);
        let symbols: ArrayRef = Arc::new(self.symbols.clone());
        let symbol = DictionaryArray::<Int32Type>::try_new(keys, symbols)
            .expect("the key of a valid row is within the dictionary");
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
        RecordBatch::try_new(self.schema.wire_schema(), columns).expect("the columns have the types of the wire schema")
    }

    /// All rows of several batches, in order, with one dictionary; `None` without a batch.
    ///
    /// # Panics
    /// When the batches have different schemas.
    pub fn concat(batches: &[BarBatch]) -> Option<BarBatch> {
        let (first, rest) = batches.split_first()?;
        if rest.is_empty() {
            return Some(first.clone());
        }
        assert!(rest.iter().all(|batch| batch.schema == first.schema), "all batches must have the same schema");
        let mut symbols = SymbolDictionary::default();
        let mut symbol_keys = Vec::with_capacity(batches.iter().map(BarBatch::len).sum());
        let mut faults = Vec::new();
        for batch in batches {
            let first_row = symbol_keys.len();
            let mut new_keys: Vec<Option<i32>> = vec![None; batch.symbols.len()];
            for &key in batch.symbol_keys() {
                let key = match usize::try_from(key) {
                    Ok(key) => *new_keys[key].get_or_insert_with(|| symbols.key_of(batch.symbols.value(key))),
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
            frames_ms: concat_column(batches, |batch| &batch.frames_ms),
            numbers: std::array::from_fn(|i| concat_column(batches, |batch| &batch.numbers[i])),
            optional: optional.collect(),
            faults,
            rounded: batches.iter().find_map(|batch| batch.rounded.clone()),
        })
    }
}

fn concat_column<T: ArrowNativeType>(
    batches: &[BarBatch],
    column: impl Fn(&BarBatch) -> &ScalarBuffer<T>,
) -> ScalarBuffer<T> {
    let parts: Vec<&[T]> = batches.iter().map(|batch| &column(batch)[..]).collect();
    parts.concat().into()
}
