//! Bars in memory, column by column, on their way from an input to the bus.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use barbus_bars::BarSchema;

/// The number of required values of a bar: open, high, low, close, volume.
pub const NUMBERS: usize = 5;

/// Bars of one schema. All columns always have the same length.
#[derive(Debug)]
pub struct Rows {
    schema: BarSchema,
    symbols: SymbolColumn,
    frames_ms: Vec<i64>,
    numbers: [Vec<f64>; NUMBERS],
    optional: Vec<OptionalColumn>,
    /// The first column with a value of more digits than a 64-bit float holds.
    rounded: Option<String>,
}

/// The symbols of the rows, dictionary-encoded.
#[derive(Debug, Default)]
struct SymbolColumn {
    /// For each row the number of its symbol.
    keys: Vec<i32>,
    /// The symbols in the order of their numbers.
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, i32>,
    /// `names` as an Arrow array. Batches share it until a symbol is added.
    dictionary: Option<Arc<StringArray>>,
}

impl SymbolColumn {
    fn push(&mut self, symbol: &str) {
        let key = match self.keys.last() {
            // Files are mostly grouped by symbol.
            Some(last) if *self.names[*last as usize] == *symbol => *last,
            _ => self.key(symbol),
        };
        self.keys.push(key);
    }

    /// Appends the symbols of other rows.
    fn append(&mut self, other: &SymbolColumn) {
        let mut keys = vec![None; other.names.len()];
        self.keys.reserve(other.keys.len());
        for key in &other.keys {
            let key = *key as usize;
            let own = *keys[key].get_or_insert_with(|| self.key(&other.names[key]));
            self.keys.push(own);
        }
    }

    fn key(&mut self, symbol: &str) -> i32 {
        if let Some(key) = self.numbers.get(symbol) {
            return *key;
        }
        let key = self.names.len() as i32;
        let symbol: Arc<str> = symbol.into();
        self.names.push(symbol.clone());
        self.numbers.insert(symbol, key);
        self.dictionary = None;
        key
    }

    fn dictionary(&mut self) -> Arc<StringArray> {
        let names = &self.names;
        self.dictionary
            .get_or_insert_with(|| Arc::new(StringArray::from_iter_values(names.iter().map(|name| &**name))))
            .clone()
    }
}

/// A column whose values may be null.
#[derive(Debug, Clone, Default)]
struct OptionalColumn {
    /// Zero for a null. Nulls at the end are missing here: most files lack most such columns.
    values: Vec<f64>,
    present: Vec<bool>,
}

impl OptionalColumn {
    /// Sets the value of row `row`, behind all rows with a value.
    fn set(&mut self, row: usize, value: Option<f64>) {
        if let Some(value) = value {
            self.extend_to(row);
            self.values.push(value);
            self.present.push(true);
        }
    }

    /// Appends the rows of another column behind `rows` rows.
    fn append(&mut self, rows: usize, other: &OptionalColumn) {
        if !other.values.is_empty() {
            self.extend_to(rows);
            self.values.extend_from_slice(&other.values);
            self.present.extend_from_slice(&other.present);
        }
    }

    /// Writes the missing nulls of the first `rows` rows.
    fn extend_to(&mut self, rows: usize) {
        self.values.resize(rows, 0.0);
        self.present.resize(rows, false);
    }

    fn is_present(&self, row: usize) -> bool {
        self.present.get(row).is_some_and(|present| *present)
    }

    fn array(&self, rows: &[usize]) -> Float64Array {
        let values = rows.iter().map(|row| self.values.get(*row).copied().unwrap_or_default()).collect();
        let all = rows.iter().all(|row| self.is_present(*row));
        let nulls = (!all).then(|| rows.iter().map(|row| self.is_present(*row)).collect());
        Float64Array::new(values, nulls)
    }

    fn into_array(mut self, rows: usize) -> Float64Array {
        if self.values.is_empty() {
            return Float64Array::new_null(rows);
        }
        self.extend_to(rows);
        let all = self.present.iter().all(|present| *present);
        Float64Array::new(self.values.into(), (!all).then(|| self.present.into()))
    }
}

impl Rows {
    /// No rows yet.
    pub fn new(schema: &BarSchema) -> Rows {
        Rows {
            schema: schema.clone(),
            symbols: SymbolColumn::default(),
            frames_ms: Vec::new(),
            numbers: Default::default(),
            optional: vec![OptionalColumn::default(); schema.optional().len()],
            rounded: None,
        }
    }

    /// Notes that a value of the column was rounded.
    pub fn note_rounded(&mut self, column: &str) {
        self.rounded.get_or_insert_with(|| column.to_owned());
    }

    /// The first column with a rounded value.
    pub fn rounded(&self) -> Option<&str> {
        self.rounded.as_deref()
    }

    /// Every symbol, also of rows that were removed.
    pub fn symbols(&self) -> &[Arc<str>] {
        &self.symbols.names
    }

    /// Whether there is no bar.
    pub fn is_empty(&self) -> bool {
        self.frames_ms.is_empty()
    }

    /// The number of bars.
    pub fn len(&self) -> usize {
        self.frames_ms.len()
    }

    /// The number of optional columns.
    pub fn optional_columns(&self) -> usize {
        self.optional.len()
    }

    /// Ends of the bars, milliseconds UTC.
    pub fn frames_ms(&self) -> &[i64] {
        &self.frames_ms
    }

    /// Appends a bar: its end in milliseconds UTC, its numbers, and one value for each optional
    /// column of the schema, in order.
    pub fn push(&mut self, symbol: &str, frame_ms: i64, numbers: [f64; NUMBERS], optional: &[Option<f64>]) {
        debug_assert_eq!(optional.len(), self.optional.len());
        let row = self.len();
        self.symbols.push(symbol);
        self.frames_ms.push(frame_ms);
        for (column, value) in self.numbers.iter_mut().zip(numbers) {
            column.push(value);
        }
        for (column, value) in self.optional.iter_mut().zip(optional) {
            column.set(row, *value);
        }
    }

    /// Appends the bars of `other`, which has the same schema.
    pub(crate) fn append(&mut self, other: &Rows) {
        let rows = self.len();
        self.symbols.append(&other.symbols);
        self.frames_ms.extend_from_slice(&other.frames_ms);
        for (column, values) in self.numbers.iter_mut().zip(&other.numbers) {
            column.extend_from_slice(values);
        }
        for (column, values) in self.optional.iter_mut().zip(&other.optional) {
            column.append(rows, values);
        }
        if let Some(column) = &other.rounded {
            self.note_rounded(column);
        }
    }

    /// The symbol of a row, its end in milliseconds UTC, its numbers; its optional values are
    /// written to `optional`.
    pub(crate) fn get(&self, row: usize, optional: &mut [Option<f64>]) -> (&str, i64, [f64; NUMBERS]) {
        for (value, column) in optional.iter_mut().zip(&self.optional) {
            *value = column.is_present(row).then(|| column.values[row]);
        }
        let symbol = &self.symbols.names[self.symbols.keys[row] as usize];
        (symbol, self.frames_ms[row], std::array::from_fn(|i| self.numbers[i][row]))
    }

    /// Removes the rows and keeps the symbols and their numbers.
    pub fn clear(&mut self) {
        self.symbols.keys.clear();
        self.frames_ms.clear();
        self.numbers.iter_mut().for_each(Vec::clear);
        for column in &mut self.optional {
            column.values.clear();
            column.present.clear();
        }
    }

    /// The row numbers in feed order: by frame, rows of one frame in the order of the input.
    pub fn feed_order(&self) -> Vec<usize> {
        // Sorting pairs is faster than looking up the frame of a row at every comparison.
        // A file has one run of rows for each symbol, which the stable sort merges.
        let mut order: Vec<(i64, usize)> = self.frames_ms.iter().copied().zip(0..).collect();
        order.sort();
        order.into_iter().map(|(_, row)| row).collect()
    }

    /// The given `rows`, in that order, as a batch of [`BarSchema::wire_schema`].
    pub fn batch(&mut self, rows: &[usize]) -> RecordBatch {
        let keys = Int32Array::from_iter_values(rows.iter().map(|row| self.symbols.keys[*row]));
        let frames = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| self.frames_ms[*row]));
        let numbers = self.numbers.iter();
        let numbers = numbers.map(|column| Float64Array::from_iter_values(rows.iter().map(|row| column[*row])));
        let optional = self.optional.iter().map(|column| column.array(rows));
        let symbols = self.symbols.dictionary();
        assemble(&self.schema, keys, symbols, frames, numbers.chain(optional))
    }

    /// All rows, in the order of the input.
    pub fn into_batch(mut self) -> RecordBatch {
        let symbols = self.symbols.dictionary();
        let rows = self.len();
        let numbers = self.numbers.into_iter().map(Float64Array::from);
        let optional = self.optional.into_iter().map(|column| column.into_array(rows));
        assemble(&self.schema, self.symbols.keys.into(), symbols, self.frames_ms.into(), numbers.chain(optional))
    }
}

fn assemble(
    schema: &BarSchema,
    keys: Int32Array,
    symbols: Arc<StringArray>,
    frames: TimestampMillisecondArray,
    numbers: impl Iterator<Item = Float64Array>,
) -> RecordBatch {
    let symbols: ArrayRef = Arc::new(DictionaryArray::new(keys, symbols));
    let frames: ArrayRef = Arc::new(frames.with_timezone(schema.zone()));
    let numbers = numbers.map(|column| -> ArrayRef { Arc::new(column) });
    RecordBatch::try_new(schema.wire_schema(), [symbols, frames].into_iter().chain(numbers).collect())
        .expect("the columns match the schema they are built from")
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};

    use super::*;

    fn rows() -> Rows {
        let mut rows = Rows::new(&BarSchema::in_zone("Asia/Shanghai").unwrap());
        for (symbol, frame_ms, close) in [("B", 120_000, 1.0), ("A", 60_000, 2.0), ("B", 60_000, 3.0)] {
            rows.push(symbol, frame_ms, [0.0, 0.0, 0.0, close, 0.0], &[None, Some(close)]);
        }
        rows
    }

    #[test]
    fn feed_order_is_stable_by_frame() {
        let mut rows = rows();
        let order = rows.feed_order();
        assert_eq!(order, [1, 2, 0]);
        let batch = rows.batch(&order);
        assert_eq!(batch.schema(), BarSchema::in_zone("Asia/Shanghai").unwrap().wire_schema());
        let symbols = batch.column(0).as_dictionary::<Int32Type>();
        let symbols: Vec<_> = symbols.downcast_dict::<StringArray>().unwrap().into_iter().collect();
        assert_eq!(symbols, [Some("A"), Some("B"), Some("B")]);
        let frames = batch.column(1).as_primitive::<TimestampMillisecondType>();
        assert_eq!(frames.values(), &[60_000, 60_000, 120_000]);
        let closes = batch.column(5).as_primitive::<Float64Type>();
        assert_eq!(closes.values(), &[2.0, 3.0, 1.0]);
        assert_eq!(batch.column(7).null_count(), 3);
        assert_eq!(batch.column(8).null_count(), 0);
        let by_number = rows.batch(&[0, 1, 2]);
        assert_eq!(rows.into_batch(), by_number);
    }

    #[test]
    fn batches_share_one_dictionary_until_a_symbol_is_added() {
        let mut rows = rows();
        let first = rows.batch(&[0]);
        rows.clear();
        assert_eq!(rows.len(), 0);
        rows.push("A", 0, [0.0; NUMBERS], &[None, None]);
        rows.push("B", 0, [0.0; NUMBERS], &[Some(1.0), None]);
        assert_eq!(rows.symbols.keys, [1, 0]);
        let second = rows.batch(&[1, 0]);
        let dictionary = |batch: &RecordBatch| batch.column(0).as_dictionary::<Int32Type>().values().to_data();
        assert!(dictionary(&first).ptr_eq(&dictionary(&second)), "both share one dictionary");
        let money = second.column(7).as_primitive::<Float64Type>();
        assert_eq!(money.iter().collect::<Vec<_>>(), [Some(1.0), None]);
    }
}
