//! The symbols of batches.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;

use crate::symbol_table::SymbolTable;

/// The symbols of a batch.
pub(crate) fn dictionary_of(batch: &RecordBatch) -> &StringArray {
    batch.column(0).as_dictionary::<Int32Type>().values().as_string::<i32>()
}

/// The symbol of each row of a batch, by its place in [`dictionary_of`].
pub(crate) fn keys_of(batch: &RecordBatch) -> &[i32] {
    batch.column(0).as_dictionary::<Int32Type>().keys().values()
}

/// The symbols of an answer; a key never changes.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    symbols: SymbolTable,
    /// Of the symbols so far.
    array: Option<ArrayRef>,
}

impl Dictionary {
    pub(super) fn key(&mut self, name: &str) -> i32 {
        self.symbols.find_or_push(name).0 as i32
    }

    pub(super) fn names(&self) -> &[String] {
        self.symbols.names()
    }

    pub(super) fn array(&mut self) -> ArrayRef {
        let names = self.symbols.names();
        match &self.array {
            Some(array) if array.len() == names.len() => Arc::clone(array),
            _ => Arc::clone(self.array.insert(Arc::new(StringArray::from_iter_values(names)))),
        }
    }
}
