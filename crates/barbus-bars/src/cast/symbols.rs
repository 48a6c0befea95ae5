//! A column of symbols, of whatever string type, as keys into a small dictionary.
//!
//! An empty or over-long symbol gets a fault; it is not trimmed or cut, since that could make it another's.

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, StringArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::DataType;
use arrow::datatypes::Int32Type;

use crate::batch::SymbolTable;
use crate::cast::{CastError, FaultList};
use crate::fault::Fault;
use crate::schema::{MAX_SYMBOL_BYTES, SYMBOL};

/// The fault of a symbol, if it has one.
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

/// The dictionary, and a key for each row: -1 where there is a fault.
pub(crate) fn cast(column: &ArrayRef, faults: &mut FaultList) -> Result<(StringArray, ScalarBuffer<i32>), CastError> {
    let unsupported = || CastError::Unsupported { column: SYMBOL.to_owned(), data_type: column.data_type().clone() };
    match column.data_type() {
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            Ok(as_it_is(column).unwrap_or_else(|| interned(column.iter(), faults)))
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
            let canonical = arrow::compute::cast(column, &strings).map_err(|_| unsupported())?;
            Ok(from_dictionary(&canonical, faults))
        }
        _ => Err(unsupported()),
    }
}

/// Rows up to which the column is its own dictionary: to look for a symbol that is there twice takes longer than to look it up twice.
pub(crate) const FEW: usize = 32;

/// A few symbols without a fault, one value for each row.
pub(crate) fn as_it_is(column: &StringArray) -> Option<(StringArray, ScalarBuffer<i32>)> {
    let good = column.len() <= FEW
        && column.null_count() == 0
        && (0..column.len()).all(|row| (1..=MAX_SYMBOL_BYTES).contains(&column.value(row).len()));
    good.then(|| (column.clone(), (0..column.len() as i32).collect()))
}

fn from_dictionary(column: &ArrayRef, faults: &mut FaultList) -> (StringArray, ScalarBuffer<i32>) {
    let dictionary = column.as_dictionary::<Int32Type>();
    let keys = dictionary.keys();
    let values = dictionary.values().as_string::<i32>();
    // What is wrong with each value is found once, not once a row.
    let of_value: Vec<Option<Fault>> =
        values.iter().map(|value| value.map_or_else(|| Some(missing()), fault_of)).collect();
    if keys.null_count() == 0 && of_value.iter().all(Option::is_none) {
        return (values.clone(), keys.values().clone());
    }
    let checked = keys.iter().enumerate().map(|(row, key)| {
        let index = key.and_then(|key| usize::try_from(key).ok());
        let fault = match index.and_then(|index| of_value.get(index)) {
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
    let mut table = SymbolTable::default();
    // Files are often grouped by symbol: the symbol before saves a look-up.
    let mut before: Option<(&str, i32)> = None;
    let keys = rows.enumerate().map(|(row, symbol)| {
        let Some(symbol) = symbol else {
            faults.add(row, missing());
            return -1;
        };
        if let Some((_, key)) = before.filter(|(name, _)| *name == symbol) {
            return key;
        }
        if let Some(fault) = fault_of(symbol) {
            faults.add(row, fault);
            return -1;
        }
        let key = table.key_of(symbol);
        before = Some((symbol, key));
        key
    });
    let keys: Vec<i32> = keys.collect();
    (table.into_array(), keys.into())
}
