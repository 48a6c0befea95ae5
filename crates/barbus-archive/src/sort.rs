//! The sorted rows of a day: by (symbol, frame), and of equal bars the last revision.
//!
//! Symbols are ordered by their bytes. Row numbers are sorted, not rows: values stay where they are
//! and are gathered when they are encoded, and again when the file is verified. So a flush does not
//! need memory for a second copy of the day.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
    UInt32Array,
};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{cast, interleave, take};
use arrow::datatypes::{DataType, Int32Type, SchemaRef, TimestampMillisecondType};
use arrow::error::ArrowError;

use crate::{Misuse, Result, workers};

/// Bars to sort, in the archive's columns; `symbol` may be a dictionary.
pub(crate) struct SortInput<'a> {
    /// The columns, `symbol` and `frame` first.
    pub(crate) columns: &'a [ArrayRef],
    /// Numbers of the rows to take, later revisions after earlier ones; `None` takes all rows.
    pub(crate) rows: Option<Vec<u32>>,
}

/// One row of the inputs, with its sort key.
#[derive(Clone, Copy)]
struct Row {
    /// Place of the symbol among all symbols.
    key: i32,
    frame_ms: i64,
    /// Number of the row, counted through all inputs.
    number: u32,
}

/// Rows in the order of the file. Symbols and frames are copied in this order; the other values are
/// still in the inputs.
pub(crate) struct SortedRows<'a> {
    schema: &'a SchemaRef,
    /// The columns of each input.
    inputs: Vec<&'a [ArrayRef]>,
    /// For each input the number of its first row.
    starts: Vec<u32>,
    /// Every symbol, ascending.
    symbols: StringArray,
    /// For each symbol the end of its rows, which begin where those of the symbol before end.
    ends: Vec<usize>,
    frames_ms: ScalarBuffer<i64>,
    /// For each row its number, counted through all inputs.
    numbers: ScalarBuffer<u32>,
}

impl<'a> SortedRows<'a> {
    /// Sorts the rows of `inputs`, of which a later row replaces an earlier one of the same
    /// (symbol, frame).
    ///
    /// # Errors
    /// [`Misuse::TooManyRows`] beyond what 32-bit row numbers and string offsets can hold.
    pub(crate) fn new(inputs: Vec<SortInput<'a>>, schema: &'a SchemaRef) -> Result<Self> {
        Self::by_symbol(inputs, schema, true)
    }

    /// The rows by symbol. If not `sort`, symbols and the rows of each are in the order of the
    /// inputs.
    fn by_symbol(inputs: Vec<SortInput<'a>>, schema: &'a SchemaRef, sort: bool) -> Result<Self> {
        let given: usize = inputs.iter().map(|input| input.columns[0].len()).sum();
        let too_many = || Misuse::TooManyRows { rows: given as u64 };
        u32::try_from(given).map_err(|_| too_many())?;
        // A dictionary has no more entries than rows: its keys suffice for any input.
        let dictionaries = inputs.iter().map(|input| dictionary(&input.columns[0])).collect::<Result<Vec<_>, _>>();
        let dictionaries = dictionaries.map_err(|_| too_many())?;
        let keyed = KeyedInputs::new(&inputs, &dictionaries, sort);
        let Order { ends, frames_ms, numbers } = Order::new(&keyed, if sort { sort_symbol } else { keep_symbol });
        let rows_of_symbol = ends.iter().scan(0, |start, &end| Some(end - mem::replace(start, end)));
        let text_bytes: usize = rows_of_symbol.zip(&keyed.symbols).map(|(rows, symbol)| rows * symbol.len()).sum();
        i32::try_from(text_bytes).map_err(|_| too_many())?;
        let (symbols, starts) = (StringArray::from(keyed.symbols), keyed.starts);
        let inputs = inputs.iter().map(|input| input.columns).collect();
        Ok(Self { schema, inputs, starts, symbols, ends, frames_ms: frames_ms.into(), numbers: numbers.into() })
    }

    pub(crate) fn schema(&self) -> &'a SchemaRef {
        self.schema
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Every symbol, ascending.
    pub(crate) fn symbols(&self) -> &StringArray {
        &self.symbols
    }

    /// For each of some rows the place of its symbol among [`SortedRows::symbols`].
    pub(crate) fn symbol_keys(&self, range: Range<usize>) -> Vec<i32> {
        let mut keys = Vec::with_capacity(range.len());
        let mut key = self.ends.partition_point(|&end| end <= range.start);
        while keys.len() < range.len() {
            keys.resize(self.ends[key].min(range.end) - range.start, key as i32);
            key += 1;
        }
        keys
    }

    /// Some rows of column `i`; the symbols, column 0, as a dictionary.
    pub(crate) fn column(&self, i: usize, range: Range<usize>) -> Result<ArrayRef, ArrowError> {
        let (start, len) = (range.start, range.len());
        match i {
            0 => {
                let keys = Int32Array::from(self.symbol_keys(range));
                Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(self.symbols.clone()))?))
            }
            1 => {
                // The inputs may name different zones, which does not change the instants.
                let frames = TimestampMillisecondArray::new(self.frames_ms.slice(start, len), None);
                Ok(Arc::new(frames.with_data_type(self.schema.field(1).data_type().clone())))
            }
            _ => match self.inputs.as_slice() {
                [input] => take(&input[i], &UInt32Array::new(self.numbers.slice(start, len), None), None),
                inputs => {
                    let arrays: Vec<&dyn Array> = inputs.iter().map(|input| &*input[i]).collect();
                    let places: Vec<_> = self.numbers[range].iter().map(|&number| self.place(number)).collect();
                    interleave(&arrays, &places)
                }
            },
        }
    }

    /// The input that has a row, and the row's number there.
    fn place(&self, number: u32) -> (usize, usize) {
        let input = self.starts.partition_point(|&start| start <= number) - 1;
        (input, (number - self.starts[input]) as usize)
    }

    /// All rows, in the columns of the archive.
    pub(crate) fn to_batch(&self) -> Result<RecordBatch, ArrowError> {
        let columns = (0..self.schema.fields().len()).collect();
        let columns = workers::map(columns, self.len(), |i| {
            let column = self.column(i, 0..self.len())?;
            if i == 0 { cast(&column, &DataType::Utf8) } else { Ok(column) }
        });
        RecordBatch::try_new(self.schema.clone(), columns.into_iter().collect::<Result<_, _>>()?)
    }

    /// Whether each row is after the one before it in (symbol, frame), as a file must have them.
    pub(crate) fn is_ascending(&self) -> bool {
        let symbols = (1..self.symbols.len()).all(|i| self.symbols.value(i - 1) < self.symbols.value(i));
        let mut start = 0;
        let mut of_symbol = self.ends.iter().map(|&end| &self.frames_ms[mem::replace(&mut start, end)..end]);
        symbols && of_symbol.all(|frames_ms| frames_ms.is_sorted_by(|a, b| a < b))
    }
}

/// The inputs with the places of their symbols among all symbols.
struct KeyedInputs<'a> {
    /// Every symbol.
    symbols: Vec<&'a str>,
    inputs: Vec<KeyedInput<'a>>,
    /// For each input the number of its first row.
    starts: Vec<u32>,
}

struct KeyedInput<'a> {
    /// The rows to take; `None` takes all.
    rows: Option<&'a [u32]>,
    /// For each row its symbol in the dictionary of the input.
    keys: &'a [i32],
    /// For each entry of that dictionary its place among all symbols.
    places: Vec<i32>,
    frames_ms: &'a [i64],
}

impl<'a> KeyedInputs<'a> {
    fn new(inputs: &'a [SortInput<'_>], dictionaries: &'a [DictionaryArray<Int32Type>], sort: bool) -> Self {
        let mut known = HashSet::new();
        let mut symbols: Vec<&str> = dictionaries.iter().flat_map(entries).filter(|name| known.insert(*name)).collect();
        if sort {
            symbols.sort_unstable();
        }
        let places: HashMap<&str, i32> = symbols.iter().copied().zip(0..).collect();
        let keyed = inputs.iter().zip(dictionaries).map(|(input, dictionary)| KeyedInput {
            rows: input.rows.as_deref(),
            keys: dictionary.keys().values(),
            places: entries(dictionary).map(|name| places[name]).collect(),
            frames_ms: input.columns[1].as_primitive::<TimestampMillisecondType>().values(),
        });
        let keyed: Vec<_> = keyed.collect();
        let starts = keyed.iter().scan(0, |next, input| Some(mem::replace(next, *next + input.keys.len() as u32)));
        Self { starts: starts.collect(), symbols, inputs: keyed }
    }

    /// Visits the rows to take, in the order of the inputs.
    fn for_each(&self, mut visit: impl FnMut(Row)) {
        for (input, start) in self.inputs.iter().zip(&self.starts) {
            let row = |i: usize| Row {
                key: input.places[input.keys[i] as usize],
                number: start + i as u32,
                frame_ms: input.frames_ms[i],
            };
            match input.rows {
                Some(rows) => rows.iter().for_each(|&i| visit(row(i as usize))),
                None => (0..input.keys.len()).for_each(|i| visit(row(i))),
            }
        }
    }
}

/// Brings the frames and numbers of one symbol's rows in order; returns how many of them remain.
type SortSymbol = fn(&mut [i64], &mut [u32]) -> usize;

/// Sorts the rows of one symbol by frame. Of rows with the same frame the last one remains.
fn sort_symbol(frames_ms: &mut [i64], numbers: &mut [u32]) -> usize {
    if frames_ms.is_sorted_by(|a, b| a < b) {
        return frames_ms.len();
    }
    let mut rows: Vec<(i64, u32)> = frames_ms.iter().copied().zip(numbers.iter().copied()).collect();
    rows.sort_by_key(|row| row.0);
    rows.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            *kept = *later;
        }
        same
    });
    for (i, &(frame_ms, number)) in rows.iter().enumerate() {
        (frames_ms[i], numbers[i]) = (frame_ms, number);
    }
    rows.len()
}

/// Leaves the rows of one symbol as they are.
fn keep_symbol(frames_ms: &mut [i64], _: &mut [u32]) -> usize {
    frames_ms.len()
}

/// The rows by symbol, and those of each symbol in order.
struct Order {
    /// For each symbol the end of its rows.
    ends: Vec<usize>,
    frames_ms: Vec<i64>,
    numbers: Vec<u32>,
}

impl Order {
    /// The rows of each symbol are usually in the order of their frames already. So rows are
    /// counted and placed by symbol, and only a symbol whose frames do not ascend is sorted by
    /// comparison. Each thread places the rows of its own share of the symbols.
    fn new(inputs: &KeyedInputs<'_>, sort: SortSymbol) -> Self {
        let mut counts = vec![0; inputs.symbols.len()];
        inputs.for_each(|row| counts[row.key as usize] += 1);
        let total: usize = counts.iter().sum();
        let (mut frames_ms, mut numbers) = (vec![0; total], vec![0; total]);
        let (mut shares, mut first) = (Vec::new(), 0);
        let (mut rest_frames, mut rest_numbers) = (frames_ms.as_mut_slice(), numbers.as_mut_slice());
        let share_rows = total.div_ceil(workers::threads(total)).max(1);
        while first < counts.len() {
            let (mut end, mut rows) = (first, 0);
            while end < counts.len() && rows < share_rows {
                rows += counts[end];
                end += 1;
            }
            let (frames_ms, numbers);
            (frames_ms, rest_frames) = rest_frames.split_at_mut(rows);
            (numbers, rest_numbers) = rest_numbers.split_at_mut(rows);
            shares.push(Share { first, counts: &counts[first..end], frames_ms, numbers });
            first = end;
        }
        let remaining = workers::map(shares, total, |share| share.place(inputs, sort)).concat();
        let mut order = Self { ends: Vec::with_capacity(counts.len()), frames_ms, numbers };
        order.close_gaps(&counts, &remaining);
        order
    }

    /// Moves the first `remaining` of the `counts` rows of each symbol to the end of those before.
    fn close_gaps(&mut self, counts: &[usize], remaining: &[usize]) {
        let (mut start, mut end) = (0, 0);
        for (count, remaining) in counts.iter().zip(remaining) {
            if start != end {
                self.frames_ms.copy_within(start..start + remaining, end);
                self.numbers.copy_within(start..start + remaining, end);
            }
            start += count;
            end += remaining;
            self.ends.push(end);
        }
        self.frames_ms.truncate(end);
        self.numbers.truncate(end);
    }
}

/// The rows of some symbols, from the symbol `first` on.
struct Share<'a> {
    first: usize,
    /// The number of rows of each symbol.
    counts: &'a [usize],
    frames_ms: &'a mut [i64],
    numbers: &'a mut [u32],
}

impl Share<'_> {
    /// Places the rows by symbol and sorts those of each; returns how many remain of each.
    fn place(self, inputs: &KeyedInputs<'_>, sort: SortSymbol) -> Vec<usize> {
        let starts = self.counts.iter().scan(0, |next, count| Some(mem::replace(next, *next + count)));
        let mut next: Vec<usize> = starts.collect();
        inputs.for_each(|row| {
            // A key below `first` wraps around to a number above all.
            if let Some(next) = next.get_mut((row.key as usize).wrapping_sub(self.first)) {
                (self.frames_ms[*next], self.numbers[*next]) = (row.frame_ms, row.number);
                *next += 1;
            }
        });
        let of_symbol = self.counts.iter().zip(next).map(|(count, end)| end - count..end);
        of_symbol.map(|rows| sort(&mut self.frames_ms[rows.clone()], &mut self.numbers[rows])).collect()
    }
}

/// A column of symbols as a dictionary.
fn dictionary(column: &ArrayRef) -> Result<DictionaryArray<Int32Type>, ArrowError> {
    let data_type = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Ok(cast(column, &data_type)?.as_dictionary().clone())
}

/// The entries of a dictionary, some of which no row may use.
fn entries(symbols: &DictionaryArray<Int32Type>) -> impl Iterator<Item = &str> {
    symbols.values().as_string::<i32>().iter().map(Option::unwrap_or_default)
}

#[cfg(test)]
impl<'a> SortedRows<'a> {
    /// Symbols, and the rows of each, in the order of the inputs.
    pub(crate) fn unsorted(inputs: Vec<SortInput<'a>>, schema: &'a SchemaRef) -> Result<Self> {
        Self::by_symbol(inputs, schema, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Float64Array;
    use arrow::datatypes::Float64Type;
    use barbus_bars::{BarSchema, PriceType};
    use std::collections::BTreeMap;

    /// Symbol, minute, and a value that distinguishes revisions.
    type Bar = (&'static str, i64, f64);

    fn columns(bars: &[Bar], dictionary: bool) -> Vec<ArrayRef> {
        let symbols = bars.iter().map(|bar| bar.0);
        let symbols: ArrayRef = match dictionary {
            true => Arc::new(symbols.collect::<DictionaryArray<Int32Type>>()),
            false => Arc::new(StringArray::from_iter_values(symbols)),
        };
        let frames = TimestampMillisecondArray::from_iter_values(bars.iter().map(|bar| bar.1 * 60_000));
        let mut columns = vec![symbols, Arc::new(frames) as ArrayRef];
        columns.resize(7, Arc::new(bars.iter().map(|bar| bar.2).collect::<Float64Array>()));
        columns
    }

    fn contents(batch: &RecordBatch) -> Vec<(String, i64, f64)> {
        let symbols = batch.column(0).as_string::<i32>();
        let frames = batch.column(1).as_primitive::<TimestampMillisecondType>();
        let values = batch.column(6).as_primitive::<Float64Type>();
        let row = |row| (symbols.value(row).to_owned(), frames.value(row) / 60_000, values.value(row));
        (0..batch.num_rows()).map(row).collect()
    }

    /// Promise 7, for inputs in order, out of order, and of several revisions.
    #[test]
    fn every_bar_occurs_once_in_order_with_its_last_revision() {
        let schema = BarSchema::new("UTC", PriceType::Float64, Vec::<String>::new()).unwrap().archive_schema();
        for minutes in [3, 10_000] {
            let feed = |symbols: [&'static str; 3], revision: f64| {
                (0..minutes).flat_map(move |minute| symbols.map(|symbol| (symbol, minute, revision)))
            };
            let in_order: Vec<Bar> = feed(["B", "A", "C"], 1.0).collect();
            let mut again: Vec<Bar> = feed(["C", "D", "A"], 2.0).collect();
            again.rotate_left(7);
            let few = [("E", 5, 3.0), ("A", 1, 3.0), ("A", 1, 4.0)];
            for inputs in [vec![&in_order[..]], vec![&few], vec![&[], &in_order, &again, &few], vec![&few, &again]] {
                for skip in [usize::MAX, 3] {
                    let taken = |i: usize, row: usize| i == 0 || !(row + 1).is_multiple_of(skip);
                    let columns: Vec<_> =
                        inputs.iter().enumerate().map(|(i, bars)| columns(bars, i.is_multiple_of(2))).collect();
                    let sort_inputs = inputs.iter().zip(&columns).enumerate().map(|(i, (bars, columns))| {
                        let rows = (0..bars.len()).filter(|&row| taken(i, row)).map(|row| row as u32).collect();
                        SortInput { columns, rows: (i > 0).then_some(rows) }
                    });
                    let sorted = SortedRows::new(sort_inputs.collect(), &schema).unwrap();
                    let all = inputs.iter().enumerate().flat_map(|(i, bars)| {
                        let bars = bars.iter().enumerate().filter(move |(row, _)| taken(i, *row));
                        bars.map(|(_, &(symbol, minute, value))| ((symbol.to_owned(), minute), value))
                    });
                    let meant: BTreeMap<_, _> = all.collect();
                    let meant: Vec<_> =
                        meant.into_iter().map(|((symbol, minute), value)| (symbol, minute, value)).collect();
                    assert!(sorted.is_ascending());
                    assert!(contents(&sorted.to_batch().unwrap()) == meant, "{} inputs, {minutes}", inputs.len());
                }
            }
        }
    }
}
