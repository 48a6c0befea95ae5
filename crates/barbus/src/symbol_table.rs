//! The table of symbols: texts by id, and ids by text.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::path::Path;

use barbus_ring::SymbolId;

use crate::error::{Error, Result};
use crate::suggestion::most_similar;

/// The texts of symbols by id, and their ids by text.
#[derive(Debug, Default)]
pub(crate) struct SymbolTable {
    names: SymbolNames,
    /// The ids of the first `indexed` names. The others are added before the next lookup by text.
    ids: HashMap<Text, SymbolId, ahash::RandomState>,
    indexed: usize,
}

/// The texts of symbols by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SymbolNames {
    names: Vec<String>,
    /// The same texts one after the other, and the end of each. A program that reads the bars of a
    /// whole market reads them all: so they are a quarter of the cache lines that strings are.
    texts: String,
    ends: Vec<usize>,
}

impl SymbolNames {
    /// The texts as strings.
    pub(crate) fn as_slice(&self) -> &[String] {
        &self.names
    }

    /// The text of an id.
    #[inline]
    pub(crate) fn get(&self, SymbolId(id): SymbolId) -> Option<&str> {
        let end = *self.ends.get(id as usize)?;
        let start = if id == 0 { 0 } else { self.ends[id as usize - 1] };
        self.texts.get(start..end)
    }

    /// Adds a text under the next id.
    fn push(&mut self, name: String) {
        self.texts.push_str(&name);
        self.ends.push(self.texts.len());
        self.names.push(name);
    }
}

/// Longest text that is stored in the hash table itself, bytes: comparing it saves one cache miss.
const SHORT: usize = 22;

/// A text as a key of the hash table.
#[derive(Debug)]
enum Text {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

impl Text {
    fn new(text: &str) -> Self {
        let text = text.as_bytes();
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..text.len()) {
            Some(start) => {
                start.copy_from_slice(text);
                Self::Short { len: text.len() as u8, bytes }
            }
            None => Self::Long(text.into()),
        }
    }
}

impl Borrow<[u8]> for Text {
    #[inline]
    fn borrow(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len).min(SHORT)],
            Self::Long(bytes) => bytes,
        }
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrow::<[u8]>::borrow(self).hash(state);
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        Borrow::<[u8]>::borrow(self) == Borrow::<[u8]>::borrow(other)
    }
}

impl Eq for Text {}

impl SymbolTable {
    /// The texts of all symbols, by id.
    pub(crate) fn names(&self) -> &[String] {
        self.names.as_slice()
    }

    /// The same, for [`Bars`](crate::Bars).
    pub(crate) fn texts(&self) -> &SymbolNames {
        &self.names
    }

    /// The text of an id.
    pub(crate) fn get(&self, id: SymbolId) -> Option<&str> {
        self.names.get(id)
    }

    /// Adds a text under the next id.
    pub(crate) fn push(&mut self, name: String) -> SymbolId {
        let id = SymbolId(self.names().len() as u32);
        self.names.push(name);
        id
    }

    /// The id of a text, which is added if it is new.
    #[cfg(feature = "archive")]
    pub(crate) fn find_or_push(&mut self, name: &str) -> SymbolId {
        self.find(name).unwrap_or_else(|| self.push(name.to_owned()))
    }

    /// Removes all symbols: another ring has another dictionary.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The id of a text.
    #[inline]
    pub(crate) fn find(&mut self, name: &str) -> Option<SymbolId> {
        if self.indexed < self.names().len() {
            self.index();
        }
        self.ids.get(name.as_bytes()).copied()
    }

    /// The id of a text, or an error with the most similar symbol.
    #[inline(always)]
    pub(crate) fn id(&mut self, name: &str, bus: &Path) -> Result<SymbolId> {
        self.find(name).ok_or_else(|| self.unknown(name, bus))
    }

    #[cold]
    fn unknown(&self, name: &str, bus: &Path) -> Error {
        let suggestion = most_similar(name, self.names().iter().map(String::as_str));
        Error::UnknownSymbol { bus: bus.to_owned(), symbol: name.to_owned(), suggestion }
    }

    #[cold]
    fn index(&mut self) {
        for (id, name) in self.names.as_slice().iter().enumerate().skip(self.indexed) {
            // The first id counts. Only a corrupt ring has a text twice.
            self.ids.entry(Text::new(name)).or_insert(SymbolId(id as u32));
        }
        self.indexed = self.names().len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_are_found() {
        let texts: Vec<String> = (0..64).map(|len| "\u{0}".repeat(len)).chain(["a".into(), "é".repeat(11)]).collect();
        let mut symbols = SymbolTable::default();
        for text in &texts {
            assert_eq!(symbols.find(text), None);
            symbols.push(text.clone());
        }
        symbols.push("a".into());
        for (id, text) in texts.iter().enumerate() {
            let id = SymbolId(id as u32);
            assert_eq!((symbols.find(text), symbols.get(id)), (Some(id), Some(text.as_str())));
        }
        assert_eq!(symbols.get(SymbolId(67)), None);
        assert_eq!(symbols.find("b"), None);
    }
}
