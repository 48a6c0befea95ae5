use std::collections::HashMap;
use std::path::Path;

use barbus_ring::SymbolId;

use crate::error::nearest;
use crate::{Error, Result};

/// The texts of symbols by id, and their ids by text.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    names: Vec<String>,
    /// Of the first of `names`: the others are entered when a text is asked for.
    ids: HashMap<String, SymbolId, ahash::RandomState>,
    entered: usize,
}

impl Symbols {
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn get(&self, id: SymbolId) -> Option<&str> {
        self.names.get(id.0 as usize).map(String::as_str)
    }

    /// Adds a text, with the next id.
    pub(crate) fn push(&mut self, name: String) -> SymbolId {
        let id = SymbolId(self.names.len() as u32);
        self.names.push(name);
        id
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The id of a text.
    #[inline]
    pub(crate) fn find(&mut self, name: &str) -> Option<SymbolId> {
        if self.entered < self.names.len() {
            self.enter();
        }
        self.ids.get(name).copied()
    }

    /// The id of a text, or an error with the one that looks most like it.
    #[inline]
    pub(crate) fn id(&mut self, name: &str, bus: &Path) -> Result<SymbolId> {
        match self.find(name) {
            Some(id) => Ok(id),
            None => Err(Error::UnknownSymbol {
                bus: bus.to_owned(),
                symbol: name.to_owned(),
                nearest: nearest(name, self.names.iter().map(String::as_str)),
            }),
        }
    }

    #[cold]
    fn enter(&mut self) {
        for (id, name) in self.names.iter().enumerate().skip(self.entered) {
            // The first id counts; only a file that lies has a text twice.
            self.ids.entry(name.clone()).or_insert(SymbolId(id as u32));
        }
        self.entered = self.names.len();
    }
}
