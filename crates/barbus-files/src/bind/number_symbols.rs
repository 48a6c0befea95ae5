//! Symbols that are numbers without letters: zeros at their beginning may have been lost.
//!
//! A program that reads 000001 as a number writes 1 afterwards, which is another instrument or
//! none.
//! A number of a typed format never has such zeros, so it never shows whether some are missing.
//! Text keeps them: codes of one usual width are complete.

use crate::doubts::Doubt;
use crate::values::cell::Cell;

/// What the symbols of inputs are, as far as they are numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberSymbols {
    /// The number of symbols that are numbers; one that is repeated may be counted again.
    pub symbols: u64,
    /// Whether one of them has the type of a number, or is written with a fraction.
    pub typed: bool,
    /// The shortest of them, as it is in the input.
    pub shortest: String,
    /// The number of digits of the longest of them.
    pub longest: usize,
}

impl NumberSymbols {
    /// Adds a symbol, if it is a number.
    pub(crate) fn add(&mut self, symbol: &Cell<'_>) {
        let typed = matches!(symbol, Cell::Integer(_) | Cell::Float(_));
        let Some(text) = symbol.text() else { return };
        let Some(digits) = digits(&text) else { return };
        self.symbols += 1;
        self.typed |= typed || digits.len() < text.trim().len();
        self.longest = self.longest.max(digits.len());
        if self.shortest.is_empty() || digits.len() < self.shortest.len() {
            digits.clone_into(&mut self.shortest);
        }
    }

    /// Adds those of another input.
    pub(crate) fn merge(&mut self, other: NumberSymbols) {
        if other.symbols == 0 {
            return;
        }
        self.symbols += other.symbols;
        self.typed |= other.typed;
        self.longest = self.longest.max(other.longest);
        if self.shortest.is_empty() || other.shortest.len() < self.shortest.len() {
            self.shortest = other.shortest;
        }
    }

    /// The doubt that zeros are missing, on a bus in this zone.
    pub(crate) fn doubt(&self, zone: &str) -> Option<Doubt> {
        let (least, proposed) = usual_digits(zone);
        self.may_lack_zeros(least).then(|| {
            let proposed = proposed.max(self.longest);
            let padded = format!("{:0>proposed$}", self.shortest);
            let kind = if self.typed { "numbers" } else { "numbers of different or few digits" };
            Doubt {
                what: format!("symbols are {kind}, such as {}, so zeros at their beginning may be lost", self.shortest),
                way_out: format!(
                    "give --symbol-digits {proposed} for {padded}, or --symbol-digits 1 for {} as it is",
                    self.shortest
                ),
            }
        })
    }

    /// Whether zeros may be missing, on a market whose codes have this many digits at least.
    pub(crate) fn may_lack_zeros(&self, usual: usize) -> bool {
        self.symbols > 0 && (self.typed || self.shortest.len() < usual || self.shortest.len() < self.longest)
    }
}

/// The digits of a symbol that is a whole number, perhaps written as `600000.0`.
pub(crate) fn digits(text: &str) -> Option<&str> {
    let text = text.trim();
    let digits = text.strip_suffix(".0").unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// The fewest digits of the codes in a market of this zone, and those that are proposed.
pub(crate) fn usual_digits(zone: &str) -> (usize, usize) {
    match zone {
        "Asia/Shanghai" | "Asia/Chongqing" | "Asia/Seoul" => (6, 6),
        "Asia/Hong_Kong" => (4, 5),
        _ => (4, 4),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn of(cells: &[Cell<'_>]) -> NumberSymbols {
        let mut found = NumberSymbols::default();
        cells.iter().for_each(|cell| found.add(cell));
        found
    }

    fn text(text: &'static str) -> Cell<'static> {
        Cell::Text(Cow::Borrowed(text.as_bytes()))
    }

    /// Promise 9: a code that may have lost its zeros is doubted, a complete one is not.
    #[test]
    fn lost_zeros_are_suspected_where_they_may_be() {
        for (cells, usual, lacks) in [
            (&[text("600000"), text("000001")][..], 6, false),
            (&[text("600000.XSHG"), text("A")], 6, false),
            (&[text("7203")], 4, false),
            (&[text("7203")], 6, true),
            (&[text("600000"), text("1")], 4, true),
            (&[text("1")], 4, true),
            (&[text("600000.0")], 4, true),
            (&[Cell::Integer(600_000)], 6, true),
            (&[Cell::Float(600_000.0)], 6, true),
            (&[Cell::Missing, Cell::Integer(-1)], 6, false),
        ] {
            assert_eq!(of(cells).may_lack_zeros(usual), lacks, "{cells:?}");
        }
        let mut merged = of(&[text("600000")]);
        merged.merge(of(&[text("1")]));
        assert_eq!((merged.shortest.as_str(), merged.longest), ("1", 6));
    }
}
