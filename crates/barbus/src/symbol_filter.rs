//! The filter of the symbols that a feed delivers.

use std::collections::HashSet;

use barbus_ring::{Row, SymbolId};

/// The wanted symbols, and their ids as far as they are known.
#[derive(Debug)]
pub(crate) struct SymbolFilter {
    wanted: HashSet<String, ahash::RandomState>,
    /// Bit i of word i / 64: the symbol with id i is wanted.
    bits: Vec<u64>,
    /// Number of ids that `bits` covers.
    known: usize,
}

impl SymbolFilter {
    pub(crate) fn new<S: Into<String>>(symbols: impl IntoIterator<Item = S>) -> Self {
        Self { wanted: symbols.into_iter().map(Into::into).collect(), bits: Vec::new(), known: 0 }
    }

    /// The symbols whose bars pass.
    #[cfg(feature = "archive")]
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.wanted.iter().map(String::as_str)
    }

    /// Whether bars of a symbol pass.
    pub(crate) fn wants(&self, symbol: &str) -> bool {
        self.wanted.contains(symbol)
    }

    /// Forgets the ids: another ring has another dictionary.
    pub(crate) fn forget_ids(&mut self) {
        self.bits.clear();
        self.known = 0;
    }

    /// Keeps the rows before `from`, and those of the wanted symbols; `names` are the texts of all
    /// ids that occur.
    pub(crate) fn retain(&mut self, rows: &mut Vec<Row>, from: usize, names: &[String]) {
        if self.known < names.len() {
            self.learn_ids(names);
        }
        let mut kept = from;
        for at in from..rows.len() {
            if self.contains(rows[at].symbol) {
                rows[kept] = rows[at];
                kept += 1;
            }
        }
        rows.truncate(kept);
    }

    #[inline]
    fn contains(&self, SymbolId(id): SymbolId) -> bool {
        self.bits.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    #[cold]
    fn learn_ids(&mut self, names: &[String]) {
        self.bits.resize(names.len().div_ceil(64), 0);
        for (id, name) in names.iter().enumerate().skip(self.known) {
            self.bits[id / 64] |= u64::from(self.wanted.contains(name)) << (id % 64);
        }
        self.known = names.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_that_appears_later_passes() {
        let mut names: Vec<String> = (0..70).map(|i| i.to_string()).collect();
        let rows = |ids: &[u32]| -> Vec<Row> {
            ids.iter().map(|id| Row { symbol: SymbolId(*id), ..Row::default() }).collect()
        };
        let mut filter = SymbolFilter::new(["3", "69", "100"]);
        let mut kept = |ids: &[u32], names: &[String]| -> Vec<u32> {
            let mut rows = rows(ids);
            filter.retain(&mut rows, 0, names);
            rows.iter().map(|row| row.symbol.0).collect()
        };
        assert_eq!(kept(&[0, 3, 64, 69, 3], &names), [3, 69, 3]);
        names.extend((70..130).map(|i| i.to_string()));
        assert_eq!(kept(&[100, 129, 69], &names), [100, 69]);
        // A corrupt ring has ids that no dictionary has.
        assert_eq!(kept(&[u32::MAX, 3], &names), [3]);
        let mut some = rows(&[0, 1, 3, 2, 69]);
        filter.retain(&mut some, 2, &names);
        assert_eq!(some, rows(&[0, 1, 3, 69]));
    }
}
