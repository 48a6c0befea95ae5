//! The ids of symbols by their text.

use std::collections::HashMap;

use arrow::array::StringArray;
use barbus_ring::SymbolId;

/// The symbols of the bus, and the ids of the dictionary of the last batch.
#[derive(Debug, Default)]
pub(crate) struct SymbolIds {
    /// Whether an index of bars lacks archived ones, because the ring had no room for their symbol.
    pub(crate) is_missing: bool,
    ids: HashMap<String, SymbolId, ahash::RandomState>,
    /// The batches of a producer share their dictionary, so its ids are looked up once.
    last: Option<(StringArray, Vec<Option<SymbolId>>)>,
}

impl SymbolIds {
    pub(crate) fn get(&self, symbol: &str) -> Option<SymbolId> {
        self.ids.get(symbol).copied()
    }

    pub(crate) fn insert(&mut self, symbol: &str, id: SymbolId) {
        self.ids.insert(symbol.to_owned(), id);
    }

    /// The id of each value of `dictionary`, or `None` if it was not looked up yet.
    ///
    /// The caller gives the list back by [`SymbolIds::store_ids`].
    pub(crate) fn take_ids(&mut self, dictionary: &StringArray) -> Vec<Option<SymbolId>> {
        match self.last.take() {
            // Equal addresses mean equal arrays: `last` keeps its memory alive, so no other array
            // can have taken it.
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

    pub(crate) fn store_ids(&mut self, dictionary: &StringArray, ids: Vec<Option<SymbolId>>) {
        self.last = Some((dictionary.clone(), ids));
    }
}
