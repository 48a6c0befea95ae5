//! Bars in memory, column by column, on the way from a file to the bus.
//!
//! Symbols are kept once each and rows name them by number. A row is pushed whole or not at all, so all columns are
//! always equally long.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use barbus_bars::BarSchema;

/// The numbers of a bar that are always there: open, high, low, close, volume.
pub(crate) const NUMBERS: usize = 5;

/// Rows that there is room for at first.
const FIRST_ROWS: usize = 8192;

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
        if let Some(last) = self.same(name.as_bytes()) {
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

    /// The number of `name` where it is the one asked for last: files are mostly grouped by symbol.
    #[inline]
    pub(super) fn same(&self, name: &[u8]) -> Option<i32> {
        self.last.filter(|last| self.names[*last as usize].as_bytes() == name)
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
    optional: Vec<Optional>,
}

/// The values of a column that [`Rows::extend`] has filled.
pub(super) enum Column<'a> {
    Frames(&'a mut [i64]),
    Number(usize, &'a mut [f64]),
    /// Zero where there is none, and whether there is one.
    Optional(usize, &'a mut [f64], &'a mut [bool]),
    /// Rows name the symbols by their numbers.
    Symbols(&'a mut Symbols, &'a mut [i32]),
}

/// Room for `count` more values behind the first `before`.
fn more<T: Copy + Default>(values: &mut Vec<T>, before: usize, count: usize) -> &mut [T] {
    if values.capacity() - before < count {
        // A column that grows is mostly copied, and many grow side by side. What is not used yet costs no memory.
        values.reserve_exact(count.max(FIRST_ROWS).max(3 * before));
    }
    values.resize(before + count, T::default());
    &mut values[before..]
}

/// Values that may be absent: zero then.
#[derive(Debug, Clone, Default)]
struct Optional {
    values: Vec<f64>,
    present: Vec<bool>,
}

impl Optional {
    #[inline]
    fn push(&mut self, value: Option<f64>) {
        self.values.push(value.unwrap_or_default());
        self.present.push(value.is_some());
    }

    fn array(&self, rows: &[usize]) -> Float64Array {
        let values = rows.iter().map(|row| self.values[*row]).collect();
        let all = rows.iter().all(|row| self.present[*row]);
        let nulls = (!all).then(|| rows.iter().map(|row| self.present[*row]).collect());
        Float64Array::new(values, nulls)
    }

    fn into_array(self) -> Float64Array {
        let all = self.present.iter().all(|present| *present);
        Float64Array::new(self.values.into(), (!all).then(|| self.present.into()))
    }
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
            optional: vec![Optional::default(); schema.optional().len()],
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
        let key = self.symbols.key(symbol);
        debug_assert_eq!(optional.len(), self.optional.len());
        self.keys.push(key);
        self.frames_ms.push(frame_ms);
        for (column, value) in self.numbers.iter_mut().zip(numbers) {
            column.push(value);
        }
        for (column, value) in self.optional.iter_mut().zip(optional) {
            column.push(*value);
        }
    }

    /// Adds up to `count` bars, a column at a time: `fill` sets the values of the rows that it is given, up to the first that cannot be read, and
    /// says how many. Rows that not all columns have are taken back: how many are added. The symbols come last, those of rows that all other
    /// columns have.
    pub(super) fn extend(&mut self, count: usize, mut fill: impl FnMut(Column<'_>) -> usize) -> usize {
        let before = self.len();
        let mut count = count;
        count = fill(Column::Frames(more(&mut self.frames_ms, before, count)));
        for (i, values) in self.numbers.iter_mut().enumerate() {
            count = fill(Column::Number(i, more(values, before, count)));
        }
        for (i, Optional { values, present }) in self.optional.iter_mut().enumerate() {
            count = fill(Column::Optional(i, more(values, before, count), more(present, before, count)));
        }
        count = fill(Column::Symbols(&mut self.symbols, more(&mut self.keys, before, count)));
        let rows = before + count;
        self.keys.truncate(rows);
        self.frames_ms.truncate(rows);
        self.numbers.iter_mut().for_each(|column| column.truncate(rows));
        for column in &mut self.optional {
            column.values.truncate(rows);
            column.present.truncate(rows);
        }
        count
    }

    /// Removes the rows and keeps the symbols and their numbers.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.frames_ms.clear();
        self.numbers.iter_mut().for_each(Vec::clear);
        for column in &mut self.optional {
            column.values.clear();
            column.present.clear();
        }
    }

    /// Row numbers in feed order: by frame, and in the order they came within a frame.
    pub(crate) fn feed_order(&self) -> Vec<usize> {
        // Side by side: to look each frame up by its row's number takes longer than to sort. A file has a run of rows for each symbol, which
        // the stable sort merges.
        let mut order: Vec<(i64, usize)> = self.frames_ms.iter().copied().zip(0..).collect();
        order.sort();
        order.into_iter().map(|(_, row)| row).collect()
    }

    /// The `rows` asked for, in that order, as a batch of [`BarSchema::wire_schema`].
    pub(crate) fn batch(&mut self, rows: &[usize]) -> RecordBatch {
        let keys = Int32Array::from_iter_values(rows.iter().map(|row| self.keys[*row]));
        let frames = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| self.frames_ms[*row]));
        let numbers = self.numbers.iter();
        let numbers = numbers.map(|column| Float64Array::from_iter_values(rows.iter().map(|row| column[*row])));
        let optional = self.optional.iter().map(|column| column.array(rows));
        assemble(&self.schema, keys, self.symbols.array(), frames, numbers.chain(optional))
    }

    /// All rows, in the order they came.
    pub(crate) fn into_batch(mut self) -> RecordBatch {
        let symbols = self.symbols.array();
        let numbers = self.numbers.into_iter().map(Float64Array::from);
        let optional = self.optional.into_iter().map(Optional::into_array);
        assemble(&self.schema, self.keys.into(), symbols, self.frames_ms.into(), numbers.chain(optional))
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
        .expect("the columns are built by the schema they are put under")
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;
    use arrow::array::AsArray;
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
        assert_eq!(rows.keys, [1, 0]);
        let second = rows.batch(&[1, 0]);
        let dictionary = |batch: &RecordBatch| batch.column(0).as_dictionary::<Int32Type>().values().to_data();
        assert!(dictionary(&first).ptr_eq(&dictionary(&second)), "one dictionary is shared");
        let money = second.column(7).as_primitive::<Float64Type>();
        assert_eq!(money.iter().collect::<Vec<_>>(), [Some(1.0), None]);
    }

    #[test]
    fn rows_that_not_all_columns_have_are_taken_back() {
        for short in 0..9 {
            let mut rows = rows();
            let mut told = Vec::new();
            let mut column = 0..;
            // One column can read two values of four.
            let added = rows.extend(4, |to| {
                let count = match to {
                    Column::Frames(values) => {
                        values.fill(1);
                        values.len()
                    }
                    Column::Number(_, values) => {
                        values.fill(1.0);
                        values.len()
                    }
                    Column::Optional(_, values, present) => {
                        values.fill(1.0);
                        present.fill(true);
                        values.len()
                    }
                    Column::Symbols(symbols, keys) => {
                        keys.fill(symbols.key("C"));
                        keys.len()
                    }
                };
                told.push(count);
                if column.next() == Some(short) { 2 } else { count }
            });
            assert_eq!((added, rows.len(), told.len()), (2, 5, 9));
            assert!(short == 8 || told[8] == 2, "a symbol of a row that is taken back");
            let batch = rows.batch(&[0, 1, 2, 3, 4]);
            assert_eq!(batch.column(2).as_primitive::<Float64Type>().values(), &[0.0, 0.0, 0.0, 1.0, 1.0]);
            assert_eq!(rows.into_batch(), batch);
        }
    }
}
