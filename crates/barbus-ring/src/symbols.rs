//! The dictionary of symbols as readers see it.

use barbus_shm::{Load, Memory, PinnedBytes};

use crate::layout::*;
use crate::{Ring, SymbolId};

/// The dictionary's buffers in place, without a copy.
///
/// They need no pin: the dictionary only grows, and counted symbols never change.
#[derive(Debug, Clone)]
pub struct SymbolBuffers {
    /// Number of symbols.
    pub count: u32,
    /// `count + 1` offsets into `text`, i32 little-endian each. In a damaged file they need not
    /// ascend.
    pub offsets: PinnedBytes,
    /// The symbols' text, one symbol after the other.
    pub text: PinnedBytes,
}

impl<M: Memory> Ring<M> {
    /// Number of symbols in the dictionary.
    pub fn symbol_count(&self) -> u32 {
        let count = self.u32(SB_SYMBOL_COUNT).min(self.geometry.symbols);
        // SYNC POINT: pairs with `writer/dictionary.rs`::`intern`. After this load, the offsets and
        // the text of every counted symbol can be read.
        self.map.fence_acquire();
        count
    }

    /// Bytes of text that the symbols take.
    pub fn symbol_text_bytes(&self) -> u32 {
        let end = self.geometry.dictionary_offsets + 4 * self.symbol_count() as usize;
        self.map.words32(end, 1)[0].get().min(self.geometry.symbol_bytes)
    }

    /// The text of a symbol; `None` if the id is not in the dictionary or the file is damaged.
    pub fn symbol(&self, id: SymbolId) -> Option<String> {
        if id.0 >= self.symbol_count() {
            return None;
        }
        let offsets = self.map.words32(self.geometry.dictionary_offsets + 4 * id.0 as usize, 2);
        let (start, end) = (offsets[0].get(), offsets[1].get());
        if start > end || end > self.geometry.symbol_bytes {
            return None;
        }
        let text = self.map.words8(self.geometry.dictionary_text + start as usize, (end - start) as usize);
        String::from_utf8(text.iter().map(Load::get).collect()).ok()
    }
}

impl Ring {
    /// The present dictionary in place.
    pub fn symbol_buffers(&self) -> SymbolBuffers {
        let count = self.symbol_count();
        let at = self.geometry.dictionary_offsets;
        let end = self.map.words32(at + 4 * count as usize, 1)[0].get().min(self.geometry.symbol_bytes);
        SymbolBuffers {
            count,
            offsets: PinnedBytes::new(&self.map, None, at, 4 * (count as usize + 1)),
            text: PinnedBytes::new(&self.map, None, self.geometry.dictionary_text, end as usize),
        }
    }
}
