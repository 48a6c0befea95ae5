//! A column of symbols, of whatever string type, as keys into a small dictionary.
//!
//! An empty or over-long symbol is a fault. It is neither trimmed nor cut: the result could be
//! another symbol.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Int32Type};

use super::error::CastError;
use super::texts::texts_of_dictionary;
use crate::fault::{Fault, FaultList};
use crate::schema::{MAX_SYMBOL_BYTES, SYMBOL};
use crate::symbol_dictionary::SymbolDictionary;

/// The fault of a symbol; `None` where it is valid.
fn fault_of(symbol: &str) -> Option<Fault> {
    if symbol.is_empty() {
        Some(Fault::EmptySymbol)
    } else if symbol.len() > MAX_SYMBOL_BYTES {
        Some(Fault::LongSymbol)
    } else {
        None
    }
}

fn missing() -> Fault {
    Fault::MissingValue { column: SYMBOL.to_owned() }
}

/// The dictionary, and a key for each row: -1 and a fault where the symbol is missing or invalid.
pub(crate) fn cast(column: &ArrayRef, faults: &mut FaultList) -> Result<(StringArray, ScalarBuffer<i32>), CastError> {
    let unsupported = || CastError::Unsupported { column: SYMBOL.to_owned(), data_type: column.data_type().clone() };
    match column.data_type() {
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            Ok(short_column(column).unwrap_or_else(|| interned(column.iter(), faults)))
        }
        DataType::LargeUtf8 => Ok(interned(column.as_string::<i64>().iter(), faults)),
        DataType::Utf8View => Ok(interned(column.as_string_view().iter(), faults)),
        DataType::Null => Ok(interned((0..column.len()).map(|_| None), faults)),
        DataType::Dictionary(_, value) => {
            let strings = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            if !value.is_string() {
                return Err(unsupported());
            }
            if *column.data_type() == strings {
                return Ok(from_dictionary(column, faults));
            }
            // Many views may be of one long text: it is not copied for each of them.
            if **value == DataType::Utf8View {
                return Ok(interned(texts_of_dictionary(column).ok_or_else(unsupported)?, faults));
            }
            let canonical = arrow::compute::cast(column, &strings).map_err(|_| unsupported())?;
            Ok(from_dictionary(&canonical, faults))
        }
        _ => Err(unsupported()),
    }
}

/// A column of at most this many rows is its own dictionary: hashing so few symbols takes longer
/// than the writer needs to look up a symbol twice.
const MAX_PLAIN_ROWS: usize = 32;

/// A short column as its own dictionary, one value for each row, if all its symbols are valid.
fn short_column(column: &StringArray) -> Option<(StringArray, ScalarBuffer<i32>)> {
    let valid = column.len() <= MAX_PLAIN_ROWS
        && column.null_count() == 0
        && (0..column.len()).all(|row| (1..=MAX_SYMBOL_BYTES).contains(&column.value(row).len()));
    valid.then(|| (column.clone(), (0..column.len() as i32).collect()))
}

fn from_dictionary(column: &ArrayRef, faults: &mut FaultList) -> (StringArray, ScalarBuffer<i32>) {
    let dictionary = column.as_dictionary::<Int32Type>();
    let keys = dictionary.keys();
    let values = dictionary.values().as_string::<i32>();
    // Each value is checked once, not once for each of its rows.
    let faults_of_values: Vec<Option<Fault>> =
        values.iter().map(|value| value.map_or_else(|| Some(missing()), fault_of)).collect();
    if keys.null_count() == 0 && faults_of_values.iter().all(Option::is_none) {
        return (values.clone(), keys.values().clone());
    }
    let checked = keys.iter().enumerate().map(|(row, key)| {
        let index = key.and_then(|key| usize::try_from(key).ok());
        let fault = match index.and_then(|index| faults_of_values.get(index)) {
            Some(None) => return key.unwrap_or(-1),
            Some(Some(fault)) => fault.clone(),
            None => missing(),
        };
        faults.add(row, fault);
        -1
    });
    (values.clone(), checked.collect())
}

fn interned<'a>(
    rows: impl Iterator<Item = Option<&'a str>>,
    faults: &mut FaultList,
) -> (StringArray, ScalarBuffer<i32>) {
    let mut table = SymbolDictionary::default();
    // Many files are grouped by symbol: comparing with the last one saves a look-up.
    let mut last: Option<(&str, i32)> = None;
    let keys = rows.enumerate().map(|(row, symbol)| {
        let Some(symbol) = symbol else {
            faults.add(row, missing());
            return -1;
        };
        if let Some((_, key)) = last.filter(|(name, _)| *name == symbol) {
            return key;
        }
        if let Some(fault) = fault_of(symbol) {
            faults.add(row, fault);
            return -1;
        }
        let key = table.key_of(symbol);
        last = Some((symbol, key));
        key
    });
    let keys: Vec<i32> = keys.collect();
    (table.into_array(), keys.into())
}
