//! The rules a bar has to keep: finite values, no negative volume, a high and a low that deserve their names.
//!
//! Negative prices are real (oil, spreads) and pass. Money is not compared with prices and volume: lot truncation
//! and contract multipliers break any such rule.

use crate::fault::Fault;
use crate::schema::{PRICE_COLUMNS, VOLUME};

/// Which of the switchable rules are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Refuse a bar whose high is below its open or close, or whose low is above one of them. On by default.
    pub high_low: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { high_low: true }
    }
}

/// The five numbers every bar has, as equally long columns.
#[derive(Clone, Copy)]
pub(crate) struct Numbers<'a> {
    pub(crate) open: &'a [f64],
    pub(crate) high: &'a [f64],
    pub(crate) low: &'a [f64],
    pub(crate) close: &'a [f64],
    pub(crate) volume: &'a [f64],
}

/// Rows checked at once: long enough to be vectorised, short enough that one bad row costs little.
const CHUNK_ROWS: usize = 512;

impl Rules {
    /// What is wrong with one bar, if anything.
    ///
    /// ```
    /// use barbus_bars::{Fault, Rules};
    ///
    /// assert_eq!(Rules::default().check([-37.6, -30.0, -40.3, -37.6], 12.0), None);
    /// assert_eq!(Rules::default().check([10.0, 9.9, 9.8, 9.9], 1.0), Some(Fault::HighLow));
    /// ```
    #[inline]
    pub fn check(&self, prices: [f64; 4], volume: f64) -> Option<Fault> {
        let [open, high, low, close] = prices;
        // Of a finite sum every part is finite; the parts of another one are looked at one by one.
        let finite = open.abs() + high.abs() + low.abs() + close.abs() + volume.abs() < f64::INFINITY;
        let ordered = (high >= open) & (high >= close) & (low <= open) & (low <= close);
        match finite & (volume >= 0.0) & (ordered | !self.high_low) {
            true => None,
            false => self.fault(prices, volume),
        }
    }

    #[cold]
    fn fault(&self, [open, high, low, close]: [f64; 4], volume: f64) -> Option<Fault> {
        for (value, name) in [open, high, low, close].into_iter().zip(PRICE_COLUMNS) {
            if !value.is_finite() {
                return Some(Fault::NotFinite { column: name.to_owned() });
            }
        }
        if !volume.is_finite() {
            return Some(Fault::NotFinite { column: VOLUME.to_owned() });
        }
        if volume < 0.0 {
            return Some(Fault::NegativeVolume);
        }
        if self.high_low && (high < open || high < close || low > open || low > close) {
            return Some(Fault::HighLow);
        }
        None
    }

    /// Calls `found` for every row that breaks a rule, in order.
    pub(crate) fn check_rows(&self, numbers: Numbers<'_>, mut found: impl FnMut(usize, Fault)) {
        let rows = numbers.open.len();
        for first in (0..rows).step_by(CHUNK_ROWS) {
            let range = first..rows.min(first + CHUNK_ROWS);
            let open = &numbers.open[range.clone()];
            let high = &numbers.high[range.clone()];
            let low = &numbers.low[range.clone()];
            let close = &numbers.close[range.clone()];
            let volume = &numbers.volume[range];
            if self.all_good(open, high, low, close, volume) {
                continue;
            }
            for i in 0..open.len() {
                if let Some(fault) = self.check([open[i], high[i], low[i], close[i]], volume[i]) {
                    found(first + i, fault);
                }
            }
        }
    }

    /// The same rules as [`Rules::check`] without a branch per row.
    fn all_good(&self, open: &[f64], high: &[f64], low: &[f64], close: &[f64], volume: &[f64]) -> bool {
        let prices = open.iter().zip(high).zip(low.iter().zip(close));
        let mut good = true;
        for (((&o, &h), (&l, &c)), &v) in prices.zip(volume) {
            // A comparison with NaN is false, and the largest finite number is below infinity.
            let finite = (o.abs() < f64::INFINITY)
                & (h.abs() < f64::INFINITY)
                & (l.abs() < f64::INFINITY)
                & (c.abs() < f64::INFINITY)
                & (v < f64::INFINITY);
            let ordered = (h >= o) & (h >= c) & (l <= o) & (l <= c);
            good &= finite & (v >= 0.0) & (ordered | !self.high_low);
        }
        good
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            20 => -3.0..3.0f64,
            1 => Just(f64::NAN),
            1 => Just(f64::INFINITY),
            1 => Just(f64::NEG_INFINITY),
            1 => Just(-0.0),
        ]
    }

    proptest! {
        // Promise 9: the quick pass over a column finds exactly the bars that the plain rule finds.
        #[test]
        fn column_pass_equals_row_by_row(
            rows in prop::collection::vec((value(), value(), value(), value(), value()), 0..1500),
            high_low in any::<bool>(),
        ) {
            let column = |f: fn(&(f64, f64, f64, f64, f64)) -> f64| rows.iter().map(f).collect::<Vec<_>>();
            let (open, high, low) = (column(|r| r.0), column(|r| r.1), column(|r| r.2));
            let (close, volume) = (column(|r| r.3), column(|r| r.4));
            let rules = Rules { high_low };
            let mut found = Vec::new();
            let numbers = Numbers { open: &open, high: &high, low: &low, close: &close, volume: &volume };
            rules.check_rows(numbers, |row, fault| found.push((row, fault)));
            let expected: Vec<_> = rows
                .iter()
                .enumerate()
                .filter_map(|(i, r)| Some((i, rules.fault([r.0, r.1, r.2, r.3], r.4)?)))
                .collect();
            prop_assert_eq!(&found, &expected);
            let one_by_one = rows.iter().enumerate();
            let one_by_one = one_by_one.filter_map(|(i, r)| Some((i, rules.check([r.0, r.1, r.2, r.3], r.4)?)));
            prop_assert_eq!(one_by_one.collect::<Vec<_>>(), expected);
        }

        // A chunk of good bars hides nothing: whatever one row among them is.
        #[test]
        fn one_odd_row_among_good_ones(odd in (value(), value(), value(), value(), value()), row in 0..1100usize) {
            let column = |good: f64, odd: f64| {
                let mut column = vec![good; 1100];
                column[row] = odd;
                column
            };
            let (open, high, low) = (column(1.0, odd.0), column(2.0, odd.1), column(0.0, odd.2));
            let (close, volume) = (column(1.0, odd.3), column(1.0, odd.4));
            let rules = Rules::default();
            let mut found = Vec::new();
            let numbers = Numbers { open: &open, high: &high, low: &low, close: &close, volume: &volume };
            rules.check_rows(numbers, |row, fault| found.push((row, fault)));
            let expected = rules.check([odd.0, odd.1, odd.2, odd.3], odd.4);
            prop_assert_eq!(found, expected.map(|fault| (row, fault)).into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn a_proper_bar_passes(open in -9.0..9.0f64, close in -9.0..9.0f64, up in 0.0..1.0f64, down in 0.0..1.0f64) {
            let (n, rules) = (4000, Rules::default());
            let numbers = Numbers {
                open: &vec![open; n],
                high: &vec![open.max(close) + up; n],
                low: &vec![open.min(close) - down; n],
                close: &vec![close; n],
                volume: &vec![0.0; n],
            };
            rules.check_rows(numbers, |row, fault| panic!("row {row}: {fault}"));
        }
    }
}
