//! Texts in columns of producers, however long they are and however often a row refers to them.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;

/// A longer text is neither a number nor a time: it is not searched for one.
pub(crate) const MAX_TEXT_BYTES: usize = 256;

/// The text of each row of a dictionary of texts; `None` for any other column.
pub(super) fn texts_of_dictionary(column: &ArrayRef) -> Option<Box<dyn Iterator<Item = Option<&str>> + '_>> {
    let dictionary = column.as_any_dictionary_opt()?;
    let values = dictionary.values();
    if values.is_empty() {
        return Some(Box::new((0..column.len()).map(|_| None)));
    }
    let keys = dictionary.normalized_keys();
    let keys = keys.into_iter().enumerate().map(|(row, key)| {
        let valid = column.is_valid(row) && values.is_valid(key);
        valid.then_some(key)
    });
    Some(match values.data_type() {
        DataType::Utf8 => {
            let values = values.as_string::<i32>();
            Box::new(keys.map(|key| Some(values.value(key?))))
        }
        DataType::LargeUtf8 => {
            let values = values.as_string::<i64>();
            Box::new(keys.map(|key| Some(values.value(key?))))
        }
        DataType::Utf8View => {
            let values = values.as_string_view();
            Box::new(keys.map(|key| Some(values.value(key?))))
        }
        _ => return None,
    })
}
