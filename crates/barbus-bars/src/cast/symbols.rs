//! A column of symbols, of whatever string type, as keys into a small dictionary.
//!
//! An empty or over-long symbol is a fault. It is neither trimmed nor cut: the result could be
//! another symbol.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
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

/// The key of a row whose symbol is missing or invalid.
const INVALID: i32 = -1;

fn missing() -> Fault {
    Fault::MissingValue { column: SYMBOL.to_owned() }
}

/// The symbols of the last batch of a producer, with the dictionary that was made of them.
///
/// Most producers send the symbols of a market in the same order each minute. To compare two
/// columns takes a hundredth of the time that it takes to make a dictionary, and a dictionary that
/// stays the same saves its user the look-up of each symbol.
#[derive(Debug, Clone, Default)]
pub struct SymbolMemo(Option<(StringArray, Dictionary)>);

/// A dictionary, and the key of each row.
type Dictionary = (StringArray, ScalarBuffer<i32>);

/// Longest texts of a column that is remembered, bytes: this limits the memory of a producer.
const MAX_MEMO_BYTES: usize = 1024 * 1024;

impl SymbolMemo {
    /// The dictionary of the last column if this one has the same texts.
    fn dictionary_of(&self, column: &StringArray) -> Option<Dictionary> {
        let (last, dictionary) = self.0.as_ref()?;
        let is_same = last.value_offsets() == column.value_offsets()
            && column.null_count() == 0
            && last.value_data() == &column.value_data()[..last.value_data().len()];
        is_same.then(|| dictionary.clone())
    }

    /// Remembers a column whose symbols are all valid.
    fn remember(&mut self, column: &StringArray, dictionary: &Dictionary) {
        // A column that begins in the middle of a batch is not followed by an equal one.
        let texts = (column.value_offsets()[0] == 0).then(|| column.value_offsets()[column.len()] as usize);
        self.0 = texts.filter(|bytes| *bytes <= MAX_MEMO_BYTES).map(|bytes| {
            // Copies: the column is a part of the producer's message, which is freed.
            let offsets = OffsetBuffer::new(column.value_offsets().to_vec().into());
            let values = Buffer::from_slice_ref(&column.value_data()[..bytes]);
            (StringArray::new(offsets, values, None), dictionary.clone())
        });
    }
}

/// The dictionary, and a key for each row: -1 and a fault where the symbol is missing or invalid.
pub(crate) fn cast(
    column: &ArrayRef,
    memo: Option<&mut SymbolMemo>,
    faults: &mut FaultList,
) -> Result<Dictionary, CastError> {
    let unsupported = || CastError::Unsupported { column: SYMBOL.to_owned(), data_type: column.data_type().clone() };
    match column.data_type() {
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            Ok(short_column(column).unwrap_or_else(|| interned_once(column, memo, faults)))
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
fn short_column(column: &StringArray) -> Option<Dictionary> {
    let valid = column.len() <= MAX_PLAIN_ROWS
        && column.null_count() == 0
        && (0..column.len()).all(|row| (1..=MAX_SYMBOL_BYTES).contains(&column.value(row).len()));
    valid.then(|| (column.clone(), (0..column.len() as i32).collect()))
}

/// As [`interned`], unless the last column had the same texts.
fn interned_once(column: &StringArray, memo: Option<&mut SymbolMemo>, faults: &mut FaultList) -> Dictionary {
    let Some(memo) = memo else { return interned(column.iter(), faults) };
    if let Some(dictionary) = memo.dictionary_of(column) {
        return dictionary;
    }
    let dictionary = interned(column.iter(), faults);
    match dictionary.1.contains(&INVALID) {
        true => memo.0 = None,
        false => memo.remember(column, &dictionary),
    }
    dictionary
}

fn from_dictionary(column: &ArrayRef, faults: &mut FaultList) -> Dictionary {
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
            Some(None) => return key.unwrap_or(INVALID),
            Some(Some(fault)) => fault.clone(),
            None => missing(),
        };
        faults.add(row, fault);
        INVALID
    });
    (values.clone(), checked.collect())
}

fn interned<'a>(rows: impl Iterator<Item = Option<&'a str>>, faults: &mut FaultList) -> Dictionary {
    let mut table = SymbolDictionary::default();
    // Many files are grouped by symbol: comparing with the last one saves a look-up.
    let mut last: Option<(&str, i32)> = None;
    let keys = rows.enumerate().map(|(row, symbol)| {
        let Some(symbol) = symbol else {
            faults.add(row, missing());
            return INVALID;
        };
        if let Some((_, key)) = last.filter(|(name, _)| *name == symbol) {
            return key;
        }
        if let Some(fault) = fault_of(symbol) {
            faults.add(row, fault);
            return INVALID;
        }
        let key = table.key_of(symbol);
        last = Some((symbol, key));
        key
    });
    let keys: Vec<i32> = keys.collect();
    (table.into_array(), keys.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn cast_with(memo: &mut SymbolMemo, symbols: &StringArray) -> (Vec<Option<String>>, usize, *const u8) {
        let (column, mut faults) = (Arc::new(symbols.clone()) as ArrayRef, FaultList::default());
        let (dictionary, keys) = cast(&column, Some(memo), &mut faults).unwrap();
        let text = |key: &i32| usize::try_from(*key).ok().map(|key| dictionary.value(key).to_owned());
        (keys.iter().map(text).collect(), faults.into_sorted().len(), dictionary.value_data().as_ptr())
    }

    #[test]
    fn a_column_like_the_last_one_has_its_dictionary_and_every_other_one_has_its_own() {
        let names: Vec<String> = (0..100).map(|i| format!("{:06}.XSHE", i % 60)).collect();
        let texts = |names: &[String]| names.iter().map(|name| Some(name.clone())).collect::<Vec<_>>();
        let column = |names: &[String]| StringArray::from_iter_values(names);
        let (mut memo, first) = (SymbolMemo::default(), column(&names));
        let (found, faults, dictionary) = cast_with(&mut memo, &first);
        assert_eq!((found, faults), (texts(&names), 0));
        let (found, faults, again) = cast_with(&mut memo, &column(&names));
        assert_eq!((found, faults, again), (texts(&names), 0, dictionary));

        let mut others = vec![names[..99].to_vec(), [&names[..], &names[..1]].concat()];
        // The same bytes, divided otherwise.
        others.push([&["000000.XSHE0".to_owned(), "00001.XSHE".to_owned()], &names[2..]].concat());
        others.push([&["000001.XSHE".to_owned()], &names[1..]].concat());
        for other in others {
            cast_with(&mut memo, &first);
            let (found, faults, _) = cast_with(&mut memo, &column(&other));
            assert_eq!((found, faults), (texts(&other), 0));
        }

        // A part of a batch, and columns with a symbol that is missing or invalid.
        let (found, ..) = cast_with(&mut memo, &first.slice(30, 60));
        assert_eq!(found, texts(&names[30..90]));
        let mut with_null = texts(&names);
        with_null[7] = None;
        for _ in 0..2 {
            let (found, faults, _) = cast_with(&mut memo, &StringArray::from(with_null.clone()));
            assert_eq!((found, faults), (with_null.clone(), 1));
            let mut with_empty = names.clone();
            with_empty[7].clear();
            let (found, faults, _) = cast_with(&mut memo, &column(&with_empty));
            assert_eq!((found, faults), (with_null.clone(), 1));
        }
    }

    #[test]
    fn long_columns_are_not_remembered() {
        let names: Vec<String> = (0..MAX_MEMO_BYTES / 8).map(|i| format!("{i:09}")).collect();
        let mut memo = SymbolMemo::default();
        cast_with(&mut memo, &StringArray::from_iter_values(&names));
        assert!(memo.0.is_none());
    }
}
