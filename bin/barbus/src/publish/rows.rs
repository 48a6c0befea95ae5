//! Bars in memory, column by column, on the way from a file to the bus.
//!
//! Symbols are kept once each and rows name them by number. A row is pushed whole or not at all, so all columns are
//! always equally long.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use barbus_bars::BarSchema;

/// The numbers of a bar that are always there: open, high, low, close, volume.
pub(crate) const NUMBERS: usize = 5;

/// Symbols, each once, numbered in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    names: Vec<Arc<str>>,
    keys: HashMap<Arc<str>, i32>,
    last: Option<i32>,
    /// The names as Arrow has them; kept so that batches share one dictionary until a symbol is added.
    array: Option<Arc<StringArray>>,
}

impl Symbols {
    /// The number of `name`, which is given the next one when it is new.
    pub(crate) fn key(&mut self, name: &str) -> i32 {
        // Files are mostly grouped by symbol.
        if let Some(last) = self.last
            && &*self.names[last as usize] == name
        {
            return last;
        }
        let key = match self.keys.get(name) {
            Some(key) => *key,
            None => {
                let key = self.names.len() as i32;
                let shared: Arc<str> = name.into();
                self.names.push(shared.clone());
                self.keys.insert(shared, key);
                self.array = None;
                key
            }
        };
        self.last = Some(key);
        key
    }

    fn array(&mut self) -> Arc<StringArray> {
        let names = &self.names;
        self.array
            .get_or_insert_with(|| Arc::new(StringArray::from_iter_values(names.iter().map(|name| &**name))))
            .clone()
    }
}

/// Bars of one schema, in columns.
#[derive(Debug)]
pub(crate) struct Rows {
    schema: BarSchema,
    symbols: Symbols,
    keys: Vec<i32>,
    frames_ms: Vec<i64>,
    numbers: [Vec<f64>; NUMBERS],
    optional: Vec<Vec<Option<f64>>>,
}

impl Rows {
    /// No rows yet.
    pub(crate) fn new(schema: &BarSchema) -> Rows {
        Rows {
            schema: schema.clone(),
            symbols: Symbols::default(),
            keys: Vec::new(),
            frames_ms: Vec::new(),
            numbers: Default::default(),
            optional: vec![Vec::new(); schema.optional().len()],
        }
    }

    /// How many bars there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many optional columns the bars have.
    pub(crate) fn optional_columns(&self) -> usize {
        self.optional.len()
    }

    /// Ends of the bars, milliseconds UTC.
    pub(crate) fn frames_ms(&self) -> &[i64] {
        &self.frames_ms
    }

    /// Adds a bar: its end in milliseconds UTC, its numbers, and one optional value for each optional column of the
    /// schema, in order.
    pub(crate) fn push(&mut self, symbol: &str, frame_ms: i64, numbers: [f64; NUMBERS], optional: &[Option<f64>]) {
        debug_assert_eq!(optional.len(), self.optional.len());
        self.keys.push(self.symbols.key(symbol));
        self.frames_ms.push(frame_ms);
        for (column, value) in self.numbers.iter_mut().zip(numbers) {
            column.push(value);
        }
        for (column, value) in self.optional.iter_mut().zip(optional) {
            column.push(*value);
        }
    }

    /// Adds all rows of `more`, which has the same schema.
    pub(crate) fn append(&mut self, more: &Rows) {
        let keys: Vec<i32> = more.symbols.names.iter().map(|name| self.symbols.key(name)).collect();
        self.keys.extend(more.keys.iter().map(|key| keys[*key as usize]));
        self.frames_ms.extend_from_slice(&more.frames_ms);
        for (column, values) in self.numbers.iter_mut().zip(&more.numbers) {
            column.extend_from_slice(values);
        }
        for (column, values) in self.optional.iter_mut().zip(&more.optional) {
            column.extend_from_slice(values);
        }
    }

    /// Removes the rows and keeps the symbols and their numbers.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.frames_ms.clear();
        self.numbers.iter_mut().for_each(Vec::clear);
        self.optional.iter_mut().for_each(Vec::clear);
    }

    /// Row numbers in feed order: by frame, and in the order they came within a frame.
    pub(crate) fn feed_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|row| self.frames_ms[*row]);
        order
    }

    /// The `rows` asked for, in that order, as a batch of [`BarSchema::wire_schema`].
    pub(crate) fn batch(&mut self, rows: &[usize]) -> RecordBatch {
        let keys = Int32Array::from_iter_values(rows.iter().map(|row| self.keys[*row]));
        let frames = rows.iter().map(|row| self.frames_ms[*row]);
        let frames = TimestampMillisecondArray::from_iter_values(frames);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(DictionaryArray::new(keys, self.symbols.array())),
            Arc::new(frames.with_timezone(self.schema.zone())),
        ];
        for column in &self.numbers {
            let values = rows.iter().map(|row| column[*row]);
            columns.push(Arc::new(Float64Array::from_iter_values(values)));
        }
        for column in &self.optional {
            let values = rows.iter().map(|row| column[*row]);
            columns.push(Arc::new(Float64Array::from_iter(values)));
        }
        RecordBatch::try_new(self.schema.wire_schema(), columns)
            .expect("the columns are built by the schema they are put under")
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int32Type, TimestampMillisecondType};

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
    }

    #[test]
    fn appended_rows_are_given_the_numbers_of_their_symbols() {
        let mut all = Rows::new(&BarSchema::in_zone("Asia/Shanghai").unwrap());
        all.push("A", 0, [0.0; NUMBERS], &[None, None]);
        all.append(&rows());
        assert_eq!(all.keys, [0, 1, 0, 1]);
        let first = all.batch(&[0]);
        all.clear();
        assert_eq!(all.len(), 0);
        all.append(&rows());
        assert_eq!(all.keys, [1, 0, 1]);
        let second = all.batch(&[0]);
        let dictionary = |batch: &RecordBatch| batch.column(0).as_dictionary::<Int32Type>().values().to_data();
        assert!(dictionary(&first).ptr_eq(&dictionary(&second)), "one dictionary is shared");
    }
}
