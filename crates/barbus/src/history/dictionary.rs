//! The symbols of batches.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;

/// The symbols of a batch.
pub(crate) fn dictionary_of(batch: &RecordBatch) -> &StringArray {
    batch.column(0).as_dictionary::<Int32Type>().values().as_string::<i32>()
}

/// The symbols of an answer; a key never changes.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    keys: HashMap<String, i32>,
    pub(super) names: Vec<String>,
    array: Option<ArrayRef>,
}

impl Dictionary {
    pub(super) fn key(&mut self, name: &str) -> i32 {
        if let Some(key) = self.keys.get(name) {
            return *key;
        }
        let key = self.names.len() as i32;
        self.keys.insert(name.to_owned(), key);
        self.names.push(name.to_owned());
        self.array = None;
        key
    }

    pub(super) fn array(&mut self) -> ArrayRef {
        let names = &self.names;
        Arc::clone(self.array.get_or_insert_with(|| Arc::new(StringArray::from_iter_values(names))))
    }
}
