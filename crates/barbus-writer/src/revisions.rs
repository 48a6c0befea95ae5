//! Revisions by symbol. Two producers that disagree revise each other's bars without end.

use barbus_ring::SymbolId;

/// A symbol with at least this number of revisions since the start is often revised.
const OFTEN: u64 = 100;
/// So is a symbol of which one bar has this number of revisions.
const OFTEN_ONE_BAR: u8 = 10;
/// Symbols of which a warning is logged; `stat` shows further ones.
const WARNINGS: usize = 10;

/// The revisions of each symbol since the writer was opened.
#[derive(Debug, Default)]
pub(crate) struct Revisions {
    /// By symbol: the number, and whether the symbol is often revised.
    counts: Vec<(u64, bool)>,
    warned: usize,
}

impl Revisions {
    /// Counts a revision, the `number`-th of its bar. `name` is the text of the symbol.
    #[cold]
    pub(crate) fn count(&mut self, symbol: SymbolId, number: u8, name: impl FnOnce() -> String) {
        let at = symbol.0 as usize;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, (0, false));
        }
        let (count, often) = &mut self.counts[at];
        *count += 1;
        if *often || (*count < OFTEN && number < OFTEN_ONE_BAR) {
            return;
        }
        *often = true;
        self.warned += 1;
        if self.warned <= WARNINGS {
            // Not within the macro, which evaluates it only where somebody takes warnings.
            let symbol = name();
            tracing::warn!(
                symbol,
                revisions = *count,
                more = (self.warned == WARNINGS).then_some("further symbols are in stat only"),
                "bars are revised again and again: if two producers disagree, stop one of them, or give them a \
                 priority in [sources]"
            );
        }
    }

    /// The `limit` symbols with the most revisions.
    pub(crate) fn most(&self, limit: usize) -> Vec<(SymbolId, u64)> {
        let revised = self.counts.iter().enumerate().filter(|(_, (count, _))| *count > 0);
        let mut most: Vec<_> = revised.map(|(id, (count, _))| (SymbolId(id as u32), *count)).collect();
        most.sort_unstable_by_key(|&(id, count)| (std::cmp::Reverse(count), id.0));
        most.truncate(limit);
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_that_is_often_revised_is_reported_once() {
        let mut revisions = Revisions::default();
        let mut named = 0;
        for n in 0..250 {
            revisions.count(SymbolId(3), 1, || {
                named += 1;
                assert_eq!(n + 1, OFTEN);
                String::new()
            });
        }
        revisions.count(SymbolId(0), OFTEN_ONE_BAR, || {
            named += 1;
            String::new()
        });
        revisions.count(SymbolId(1), 1, || unreachable!("it is revised once"));
        assert_eq!(named, 2);
        assert_eq!(revisions.most(2), [(SymbolId(3), 250), (SymbolId(0), 1)]);
    }
}
