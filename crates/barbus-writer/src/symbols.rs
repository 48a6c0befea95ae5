use std::collections::HashMap;

use arrow::array::StringArray;
use barbus_ring::SymbolId;

/// The ids of the bus's symbols by their text.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    ids: HashMap<String, SymbolId, ahash::RandomState>,
    /// The dictionary of the last batch and its ids: a producer's batches share theirs.
    last: Option<(StringArray, Vec<Option<SymbolId>>)>,
}

impl Symbols {
    pub(crate) fn get(&self, symbol: &str) -> Option<SymbolId> {
        self.ids.get(symbol).copied()
    }

    pub(crate) fn enter(&mut self, symbol: &str, id: SymbolId) {
        self.ids.insert(symbol.to_owned(), id);
    }

    /// For each value of a batch's dictionary its id, where it was looked up before. To be given back by [`Symbols::keep`].
    pub(crate) fn ids_of(&mut self, dictionary: &StringArray) -> Vec<Option<SymbolId>> {
        match self.last.take() {
            // The same memory, which the array that is kept here keeps alive.
            Some((last, ids))
                if last.value_data().as_ptr() == dictionary.value_data().as_ptr()
                    && last.value_offsets().as_ptr() == dictionary.value_offsets().as_ptr()
                    && ids.len() == dictionary.value_offsets().len() - 1 =>
            {
                ids
            }
            _ => vec![None; dictionary.value_offsets().len() - 1],
        }
    }

    pub(crate) fn keep(&mut self, dictionary: &StringArray, ids: Vec<Option<SymbolId>>) {
        self.last = Some((dictionary.clone(), ids));
    }
}
