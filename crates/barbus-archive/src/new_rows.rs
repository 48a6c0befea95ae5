//! Rows that a caller hands over to be archived: checked, in the archive's types, by row number.
//!
//! `symbol` may be Utf8 or Dictionary(Int32, Utf8); prices and values Float32 or Float64, as long
//! as no price changes; `frame` any zone. Columns that the archive does not keep are ignored. Rows
//! may be in any order.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Float32Type, Int32Type, SchemaRef, TimeUnit, UInt64Type};
use barbus_bars::SEQ;

use crate::{Misuse, Result};

/// Checked rows with their numbers.
#[derive(Debug)]
pub(crate) struct NewRows {
    /// The archive's columns, in its order and types; `symbol` as it was given.
    pub(crate) columns: Vec<ArrayRef>,
    seq: UInt64Array,
}

impl NewRows {
    /// Checks `rows`, whose numbers must all be below `through_seq`.
    pub(crate) fn new(rows: &RecordBatch, schema: &SchemaRef, through_seq: u64) -> Result<Self> {
        let seq = column(rows, SEQ)?;
        let Some(seq) = seq.as_primitive_opt::<UInt64Type>() else {
            return Err(column_type(SEQ, &DataType::UInt64, seq).into());
        };
        reject_nulls(SEQ, seq)?;
        if let Some(&seq) = seq.values().iter().find(|&&seq| seq >= through_seq) {
            return Err(Misuse::SeqNotCovered { seq, through_seq }.into());
        }
        let columns = schema
            .fields()
            .iter()
            .map(|field| archive_column(field, column(rows, field.name())?))
            .collect::<Result<_, Misuse>>()?;
        Ok(NewRows { columns, seq: seq.clone() })
    }

    /// Indices of the rows numbered `covered` or more, in the order of their numbers.
    pub(crate) fn not_covered(&self, covered: u64) -> Vec<u32> {
        let seq = self.seq.values();
        if seq.is_sorted() {
            let first = seq.partition_point(|&seq| seq < covered);
            return (first as u32..seq.len() as u32).collect();
        }
        let mut rows: Vec<u32> = (0..seq.len() as u32).filter(|&row| seq[row as usize] >= covered).collect();
        // The sort is stable: of rows with the same number the later one counts.
        rows.sort_by_key(|&row| seq[row as usize]);
        rows
    }

    /// The number of a row.
    pub(crate) fn seq(&self, row: u32) -> u64 {
        self.seq.value(row as usize)
    }
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, Misuse> {
    rows.column_by_name(name).ok_or_else(|| Misuse::MissingColumn(name.to_owned()))
}

fn column_type(name: &str, expected: &DataType, found: &dyn Array) -> Misuse {
    Misuse::ColumnType { column: name.to_owned(), expected: expected.to_string(), found: found.data_type().to_string() }
}

fn reject_nulls(name: &str, column: &dyn Array) -> Result<(), Misuse> {
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
        reject_nulls(field.name(), given)?;
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

    fn check(rows: Vec<(&'static str, ArrayRef)>, price: PriceType) -> Result<NewRows> {
        let schema = BarSchema::new("UTC", price, Vec::<String>::new()).unwrap();
        let rows = RecordBatch::try_from_iter(rows).unwrap();
        NewRows::new(&rows, &schema.archive_schema(), 100)
    }

    #[test]
    fn rows_are_taken_in_the_order_of_their_numbers() {
        let new = check(rows(&[7, 3, 9, 5]), PriceType::Float64).unwrap();
        assert_eq!(new.not_covered(0), [1, 3, 0, 2]);
        assert_eq!(new.not_covered(7), [0, 2]);
        assert_eq!(new.not_covered(10), [0; 0]);
        assert_eq!(new.seq(1), 3);
        let sorted = check(rows(&[3, 5, 7]), PriceType::Float64).unwrap();
        assert_eq!((sorted.not_covered(3), sorted.seq(0)), (vec![0, 1, 2], 3));
        assert_eq!((sorted.not_covered(4), sorted.not_covered(8)), (vec![1, 2], vec![]));
    }

    #[test]
    fn a_number_beyond_the_bound_is_rejected() {
        let error = check(rows(&[99, 100]), PriceType::Float64).unwrap_err();
        assert_eq!(error.to_string(), "row number 100 is not below the stated bound of 100");
    }

    #[test]
    fn prices_are_narrowed_only_when_nothing_is_lost() {
        let exact = check(rows(&[1]), PriceType::Float32).unwrap();
        assert_eq!(exact.columns[2].data_type(), &DataType::Float32);
        let mut inexact = rows(&[1]);
        inexact[3].1 = Arc::new(Float64Array::from(vec![0.1]));
        let error = check(inexact, PriceType::Float32).unwrap_err();
        assert_eq!(error.to_string(), "price 0.1 in column \"high\", row 0, is not a 32-bit float");
    }

    #[test]
    fn rows_that_the_archive_cannot_keep_are_rejected_by_column() {
        let mut missing = rows(&[1]);
        missing.remove(6);
        let error = check(missing, PriceType::Float64).unwrap_err();
        assert_eq!(error.to_string(), "rows for the archive have no column \"volume\"");
        let mut null = rows(&[1, 2]);
        null[2].1 = Arc::new(Float64Array::from(vec![Some(1.0), None]));
        let error = check(null, PriceType::Float64).unwrap_err();
        assert_eq!(error.to_string(), "rows for the archive have a null in column \"open\", row 1");
        let mut naive = rows(&[1]);
        naive[1].1 = Arc::new(TimestampMillisecondArray::from(vec![60_000]));
        let error = check(naive, PriceType::Float64).unwrap_err();
        assert!(error.to_string().contains("\"frame\" of type"), "{error}");
    }
}
