//! The ids of symbols in the bars of a feed.

use std::collections::HashMap;

use crate::feed::Feed;

/// Ids by text; each is compared with the text of the id before it is used.
#[derive(Debug, Default)]
pub(crate) struct Ids(HashMap<String, u32>);

impl Ids {
    /// The id of a symbol in the bars of a feed.
    pub(crate) fn id(&mut self, feed: &mut Feed, symbol: &str) -> Option<u32> {
        let names = feed.symbol_names();
        let is_it = |id: &u32| names.get(*id as usize).is_some_and(|name| name == symbol);
        if let Some(id) = self.0.get(symbol).copied().filter(is_it) {
            return Some(id);
        }
        // The ring was replaced, or symbols were added.
        self.0 = names.iter().cloned().zip(0..).collect();
        self.0.get(symbol).copied()
    }
}
