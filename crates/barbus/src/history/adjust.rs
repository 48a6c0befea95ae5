//! Prices adjusted by the column `factor`.

use std::collections::HashMap;
use std::str::FromStr;

use barbus_bars::FACTOR;
use barbus_ring::Row;

/// How prices are adjusted for splits and dividends, by the column `factor`.
///
/// A price times its factor is comparable over time. Volumes are divided by what prices are
/// multiplied with; `money` stays as it is. A bar without a factor has that of the bar before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adjust {
    /// Prices as they were traded.
    #[default]
    None,
    /// The newest prices of the answer stay as they were traded: each price is multiplied with its
    /// factor and divided by the newest factor of the answer.
    Forward,
    /// Each price is multiplied with its factor.
    Backward,
}

impl FromStr for Adjust {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "none" => Ok(Adjust::None),
            "forward" => Ok(Adjust::Forward),
            "backward" => Ok(Adjust::Backward),
            _ => Err(format!("{word:?} is no adjustment: give forward, backward or none")),
        }
    }
}

/// The first and the newest factor of a symbol in a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FactorEnds {
    pub(super) first: f64,
    pub(super) newest: f64,
}

/// Adjusts bars, those of each symbol in the order of their frames.
#[derive(Debug)]
pub(super) struct Adjuster {
    adjust: Adjust,
    /// Which optional column is the factor.
    factor: usize,
    ends: HashMap<String, FactorEnds>,
    /// The factor of the last bar of each symbol.
    current: HashMap<String, f64>,
}

impl Adjuster {
    pub(super) fn new(adjust: Adjust, factor: usize, ends: HashMap<String, FactorEnds>) -> Self {
        Self { adjust, factor, ends, current: HashMap::new() }
    }

    /// Adjusts bars of one symbol; false if it has no factor in the whole question.
    pub(super) fn adjust(&mut self, symbol: &str, rows: &mut [Row]) -> bool {
        let Some(ends) = self.ends.get(symbol) else { return false };
        let current = match self.current.get_mut(symbol) {
            Some(current) => current,
            None => self.current.entry(symbol.to_owned()).or_insert(ends.first),
        };
        for row in rows {
            if let Some(factor) = row.optional(self.factor).filter(|factor| is_usable(*factor)) {
                *current = factor;
            }
            let ratio = match self.adjust {
                Adjust::Forward => *current / ends.newest,
                Adjust::Backward => *current,
                Adjust::None => 1.0,
            };
            for price in [&mut row.open, &mut row.high, &mut row.low, &mut row.close] {
                *price *= ratio;
            }
            row.volume /= ratio;
        }
        true
    }
}

/// Whether a factor is one: not 0, below 0 or no number.
pub(super) fn is_usable(factor: f64) -> bool {
    factor.is_finite() && factor > 0.0
}

/// The number of the optional column with the factors.
pub(super) fn factor_column(optional: &[String]) -> Option<usize> {
    optional.iter().position(|name| name == FACTOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(close: f64, factor: Option<f64>) -> Row {
        let mut row = Row { open: close, high: close, low: close, close, volume: 100.0, ..Row::default() };
        if let Some(factor) = factor {
            (row.optional[1], row.present) = (factor, 2);
        }
        row
    }

    fn adjusted(adjust: Adjust, factors: [Option<f64>; 3]) -> Vec<(f64, f64)> {
        let mut known = factors.iter().flatten().copied();
        let first = known.next().unwrap();
        let ends = FactorEnds { first, newest: known.last().unwrap_or(first) };
        let mut adjuster = Adjuster::new(adjust, 1, HashMap::from([("A".to_owned(), ends)]));
        let mut rows = factors.map(|factor| bar(10.0, factor));
        assert!(adjuster.adjust("A", &mut rows));
        assert!(!adjuster.adjust("B", &mut rows.clone()));
        rows.iter().map(|row| (row.close, row.volume)).collect()
    }

    #[test]
    fn prices_are_relative_to_the_newest_factor_or_to_one() {
        let factors = [Some(1.0), Some(2.0), Some(4.0)];
        assert_eq!(adjusted(Adjust::Forward, factors), [(2.5, 400.0), (5.0, 200.0), (10.0, 100.0)]);
        assert_eq!(adjusted(Adjust::Backward, factors), [(10.0, 100.0), (20.0, 50.0), (40.0, 25.0)]);
        assert_eq!(adjusted(Adjust::None, factors), [(10.0, 100.0); 3]);
    }

    #[test]
    fn a_bar_without_a_factor_has_the_one_before_it() {
        assert_eq!(adjusted(Adjust::Backward, [None, Some(2.0), None]), [(20.0, 50.0); 3]);
        assert_eq!(adjusted(Adjust::Backward, [Some(2.0), Some(0.0), Some(f64::NAN)]), [(20.0, 50.0); 3]);
    }
}
