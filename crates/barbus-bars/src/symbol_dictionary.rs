//! A dictionary of symbols that grows while rows are read.

use std::collections::HashMap;

use arrow::array::StringArray;

/// Symbols with a key each, numbered from 0 in the order in which they are first seen.
#[derive(Default)]
pub(crate) struct SymbolDictionary {
    keys: HashMap<String, i32>,
    symbols: Vec<String>,
}

impl SymbolDictionary {
    /// The key of a symbol, which is added when it is new.
    pub(crate) fn key_of(&mut self, symbol: &str) -> i32 {
        if let Some(&key) = self.keys.get(symbol) {
            return key;
        }
        // Not reached: i32::MAX distinct symbols take more memory than a batch may have.
        let key = i32::try_from(self.symbols.len()).unwrap_or(i32::MAX);
        self.symbols.push(symbol.to_owned());
        self.keys.insert(symbol.to_owned(), key);
        key
    }

    /// The symbols, each at the index that is its key.
    pub(crate) fn into_array(self) -> StringArray {
        StringArray::from_iter_values(self.symbols)
    }
}
