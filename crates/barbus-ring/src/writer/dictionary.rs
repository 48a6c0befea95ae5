//! Adding symbols to the ring's dictionary.

use barbus_shm::{Store, WriterMemory};

use super::RingWriter;
use crate::layout::*;
use crate::{DictionaryFull, SymbolId};

impl<M: WriterMemory> RingWriter<M> {
    /// Adds `symbol` to the dictionary and returns its id.
    ///
    /// It does not search: the caller keeps the ids and adds each symbol once.
    pub fn intern(&mut self, symbol: &str) -> Result<SymbolId, DictionaryFull> {
        let geometry = &self.ring.geometry;
        let end = self.text_bytes as usize + symbol.len();
        if self.symbols == geometry.symbols {
            return Err(DictionaryFull::Symbols(geometry.symbols));
        }
        if end > geometry.symbol_bytes as usize {
            return Err(DictionaryFull::Text(geometry.symbol_bytes));
        }
        let map = &self.ring.map;
        let text = map.words8(geometry.dictionary_text + self.text_bytes as usize, symbol.len());
        for (word, byte) in text.iter().zip(symbol.bytes()) {
            word.set(byte);
        }
        let id = self.symbols;
        map.words32(geometry.dictionary_offsets + 4 * (id as usize + 1), 1)[0].set(end as u32);
        self.text_bytes = end as u32;
        self.symbols += 1;
        // SYNC POINT: pairs with `symbols.rs`::`symbol_count`. A reader that finds this count also
        // finds the symbol's text and its end.
        map.words32(SB_SYMBOL_COUNT, 1)[0].set_release(self.symbols);
        self.write_back_dictionary();
        Ok(SymbolId(id))
    }

    /// Patches the lengths in the dictionary's Arrow message.
    pub(super) fn write_back_dictionary(&self) {
        let at = self.ring.geometry.dictionary;
        // SYNC POINT: pairs with an Arrow reader. If it finds the lengths, it also finds the
        // symbols that they count.
        self.ring.map.fence_release();
        let set = |offset: usize| self.ring.map.words64(at + offset, 1)[0].set(u64::from(self.symbols));
        set(self.dictionary_message.nodes[0]);
        set(self.dictionary_message.length);
    }
}
