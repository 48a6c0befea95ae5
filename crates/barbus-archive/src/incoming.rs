//! Rows on their way into a day's file: checked, brought to the archive's types, put in the order of their numbers.
//!
//! `symbol` may be Utf8 or Dictionary(Int32, Utf8); prices and values Float32 or Float64, as long as no price changes;
//! `frame` any zone. Columns the archive does not keep are passed over. Rows may come in any order.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, Float32Array, Float64Array, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use arrow::datatypes::{Float32Type, Int32Type, UInt64Type};
use barbus_bars::SEQ;

use crate::{Misuse, Result};

/// Checked rows with their numbers.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The archive's columns, in its order and types; `symbol` as it came.
    pub(crate) columns: Vec<ArrayRef>,
    seq: UInt64Array,
    /// The numbers ascend.
    sorted: bool,
}

impl Incoming {
    /// Checks `rows`, whose numbers must all be below `through_seq`.
    pub(crate) fn new(rows: &RecordBatch, schema: &SchemaRef, through_seq: u64) -> Result<Self> {
        let seq = column(rows, SEQ)?;
        let Some(seq) = seq.as_primitive_opt::<UInt64Type>() else {
            return Err(column_type(SEQ, &DataType::UInt64, seq).into());
        };
        refuse_nulls(SEQ, seq)?;
        let sorted = seq.values().is_sorted();
        let last = if sorted { seq.values().last() } else { seq.values().iter().max() };
        if let Some(&seq) = last.filter(|&&seq| seq >= through_seq) {
            return Err(Misuse::SeqNotCovered { seq, through_seq }.into());
        }
        let columns = schema
            .fields()
            .iter()
            .map(|field| archive_column(field, column(rows, field.name())?))
            .collect::<Result<_, Misuse>>()?;
        Ok(Incoming { columns, seq: seq.clone(), sorted })
    }

    /// Indices of the rows numbered `covered` or more, in the order of their numbers; `None` where these are all of them, as they came.
    pub(crate) fn rows_from(&self, covered: u64) -> Option<Vec<u32>> {
        let seq = self.seq.values();
        // Sorted, they are all there when the first is.
        if seq.first().is_none_or(|&first| first >= covered) && self.sorted {
            return None;
        }
        let mut rows: Vec<u32> = (0..seq.len() as u32).filter(|&row| seq[row as usize] >= covered).collect();
        // Stable: of rows with one number the later one counts, as it does without numbers.
        if !rows.is_sorted_by_key(|&row| seq[row as usize]) {
            rows.sort_by_key(|&row| seq[row as usize]);
        }
        Some(rows)
    }

    /// The first of `rows`, which [`Incoming::rows_from`] gave, and how many they are.
    pub(crate) fn first_of(&self, rows: Option<&[u32]>) -> (Option<u64>, usize) {
        match rows {
            Some(rows) => (rows.first().map(|&row| self.seq.value(row as usize)), rows.len()),
            None => (self.seq.values().first().copied(), self.seq.len()),
        }
    }
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, Misuse> {
    rows.column_by_name(name).ok_or_else(|| Misuse::MissingColumn(name.to_owned()))
}

fn column_type(name: &str, expected: &DataType, found: &dyn Array) -> Misuse {
    Misuse::ColumnType { column: name.to_owned(), expected: expected.to_string(), found: found.data_type().to_string() }
}

fn refuse_nulls(name: &str, column: &dyn Array) -> Result<(), Misuse> {
    if column.logical_null_count() == 0 {
        return Ok(());
    }
    let nulls = column.logical_nulls();
    let row = nulls.and_then(|nulls| (0..column.len()).find(|&row| nulls.is_null(row)));
    Err(Misuse::Null { column: name.to_owned(), row: row.unwrap_or_default() })
}

/// `given` as the archive keeps it, or why not.
fn archive_column(field: &Field, given: &ArrayRef) -> Result<ArrayRef, Misuse> {
    let wrong = || column_type(field.name(), field.data_type(), given);
    if !field.is_nullable() {
        refuse_nulls(field.name(), given)?;
    }
    match (field.data_type(), given.data_type()) {
        (DataType::Utf8, DataType::Utf8) => Ok(given.clone()),
        (DataType::Utf8, DataType::Dictionary(..)) => given
            .as_dictionary_opt::<Int32Type>()
            .filter(|symbols| symbols.values().as_string_opt::<i32>().is_some())
            .map(|_| given.clone())
            .ok_or_else(wrong),
        (DataType::Timestamp(..), DataType::Timestamp(TimeUnit::Millisecond, Some(_))) => Ok(given.clone()),
        (wanted, found) if wanted == found => Ok(given.clone()),
        (DataType::Float32, DataType::Float64) => narrow(field, given.as_primitive()),
        (DataType::Float64, DataType::Float32) => {
            let wide: Float64Array = given.as_primitive::<Float32Type>().unary(f64::from);
            Ok(Arc::new(wide))
        }
        _ => Err(wrong()),
    }
}

fn narrow(field: &Field, given: &Float64Array) -> Result<ArrayRef, Misuse> {
    let narrow: Float32Array = given.unary(|price| price as f32);
    let wide: Float64Array = narrow.unary(f64::from);
    let changed = |&row: &usize| wide.value(row).to_bits() != given.value(row).to_bits();
    if let Some(row) = (0..given.len()).find(changed) {
        return Err(Misuse::InexactPrice { column: field.name().clone(), row, value: given.value(row).to_string() });
    }
    Ok(Arc::new(narrow))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{StringArray, TimestampMillisecondArray};
    use barbus_bars::{BarSchema, PriceType};

    fn rows(seq: &[u64]) -> Vec<(&'static str, ArrayRef)> {
        let n = seq.len();
        let prices = || Arc::new(Float64Array::from(vec![1.5; n])) as ArrayRef;
        let frames = TimestampMillisecondArray::from(vec![60_000; n]).with_timezone("UTC");
        vec![
            ("symbol", Arc::new(StringArray::from(vec!["A"; n])) as ArrayRef),
            ("frame", Arc::new(frames)),
            ("open", prices()),
            ("high", prices()),
            ("low", prices()),
            ("close", prices()),
            ("volume", prices()),
            ("seq", Arc::new(UInt64Array::from(seq.to_vec()))),
        ]
    }

    fn take(rows: Vec<(&'static str, ArrayRef)>, price: PriceType) -> Result<Incoming> {
        let schema = BarSchema::new("UTC", price, Vec::<String>::new()).unwrap();
        let rows = RecordBatch::try_from_iter(rows).unwrap();
        Incoming::new(&rows, &schema.archive_schema(), 100)
    }

    #[test]
    fn rows_come_in_the_order_of_their_numbers() {
        let incoming = take(rows(&[7, 3, 9, 5]), PriceType::Float64).unwrap();
        assert_eq!(incoming.rows_from(0), Some(vec![1, 3, 0, 2]));
        assert_eq!(incoming.rows_from(7), Some(vec![0, 2]));
        assert_eq!(incoming.rows_from(10), Some(vec![]));
        assert_eq!(incoming.first_of(Some(&[1, 3])), (Some(3), 2));
        let sorted = take(rows(&[3, 5, 7]), PriceType::Float64).unwrap();
        assert_eq!((sorted.rows_from(3), sorted.first_of(None)), (None, (Some(3), 3)));
        assert_eq!((sorted.rows_from(4), sorted.rows_from(8)), (Some(vec![1, 2]), Some(vec![])));
    }

    #[test]
    fn a_number_beyond_the_bound_is_refused() {
        let error = take(rows(&[99, 100]), PriceType::Float64).unwrap_err();
        assert_eq!(error.to_string(), "row number 100 is not below the 100 the rows were said to reach");
    }

    #[test]
    fn prices_are_narrowed_only_when_nothing_is_lost() {
        let exact = take(rows(&[1]), PriceType::Float32).unwrap();
        assert_eq!(exact.columns[2].data_type(), &DataType::Float32);
        let mut inexact = rows(&[1]);
        inexact[3].1 = Arc::new(Float64Array::from(vec![0.1]));
        let error = take(inexact, PriceType::Float32).unwrap_err();
        assert_eq!(error.to_string(), "price 0.1 in column \"high\", row 0, is not a 32-bit float");
    }

    #[test]
    fn what_cannot_be_kept_is_named() {
        let mut missing = rows(&[1]);
        missing.remove(6);
        let error = take(missing, PriceType::Float64).unwrap_err();
        assert_eq!(error.to_string(), "rows for the archive have no column \"volume\"");
        let mut null = rows(&[1, 2]);
        null[2].1 = Arc::new(Float64Array::from(vec![Some(1.0), None]));
        let error = take(null, PriceType::Float64).unwrap_err();
        assert_eq!(error.to_string(), "rows for the archive have a null in column \"open\", row 1");
        let mut naive = rows(&[1]);
        naive[1].1 = Arc::new(TimestampMillisecondArray::from(vec![60_000]));
        let error = take(naive, PriceType::Float64).unwrap_err();
        assert!(error.to_string().contains("\"frame\" of type"), "{error}");
    }
}
