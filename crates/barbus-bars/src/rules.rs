//! The rules that a bar must keep: finite values, a volume of at least 0, and a high and a low that
//! enclose open and close.
//!
//! Negative prices are real (oil, spreads) and pass.
//! Money is not compared with prices and volume: truncated lots and contract multipliers break
//! every such rule.

use crate::fault::Fault;
use crate::schema::{PRICE_COLUMNS, VOLUME};

/// Which of the optional rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Reject a bar whose high is below its open or close, or whose low is above one of them. On by
    /// default.
    pub high_low: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { high_low: true }
    }
}

/// The five numbers that every bar has, as columns of equal length.
#[derive(Clone, Copy)]
pub(crate) struct PriceColumns<'a> {
    pub(crate) open: &'a [f64],
    pub(crate) high: &'a [f64],
    pub(crate) low: &'a [f64],
    pub(crate) close: &'a [f64],
    pub(crate) volume: &'a [f64],
}

/// Rows that are checked together: enough for a vectorised loop, and few enough that one invalid
/// row costs little.
const CHUNK_ROWS: usize = 512;

impl Rules {
    /// The fault of one bar; `None` where it keeps the rules.
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
        // Every part of a finite sum is finite. The sum of finite parts may be infinite: `fault`
        // then checks each part.
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

    /// Calls `report` for every row that breaks a rule, in order.
    pub(crate) fn check_rows(&self, columns: PriceColumns<'_>, mut report: impl FnMut(usize, Fault)) {
        let rows = columns.open.len();
        for first in (0..rows).step_by(CHUNK_ROWS) {
            let range = first..rows.min(first + CHUNK_ROWS);
            let open = &columns.open[range.clone()];
            let high = &columns.high[range.clone()];
            let low = &columns.low[range.clone()];
            let close = &columns.close[range.clone()];
            let volume = &columns.volume[range];
            if self.all_valid(open, high, low, close, volume) {
                continue;
            }
            for i in 0..open.len() {
                if let Some(fault) = self.check([open[i], high[i], low[i], close[i]], volume[i]) {
                    report(first + i, fault);
                }
            }
        }
    }

    /// Whether all rows pass [`Rules::check`], without a branch for each row.
    fn all_valid(&self, open: &[f64], high: &[f64], low: &[f64], close: &[f64], volume: &[f64]) -> bool {
        let prices = open.iter().zip(high).zip(low.iter().zip(close));
        let mut valid = true;
        for (((&o, &h), (&l, &c)), &v) in prices.zip(volume) {
            // A comparison with NaN is false, and the largest finite number is below infinity.
            let finite = (o.abs() < f64::INFINITY)
                & (h.abs() < f64::INFINITY)
                & (l.abs() < f64::INFINITY)
                & (c.abs() < f64::INFINITY)
                & (v < f64::INFINITY);
            let ordered = (h >= o) & (h >= c) & (l <= o) & (l <= c);
            valid &= finite & (v >= 0.0) & (ordered | !self.high_low);
        }
        valid
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
        // Promise 9: the pass over columns finds the same faults as the rule for one bar.
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
            let columns = PriceColumns { open: &open, high: &high, low: &low, close: &close, volume: &volume };
            rules.check_rows(columns, |row, fault| found.push((row, fault)));
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

        // One invalid row in a chunk of valid ones is found.
        #[test]
        fn one_odd_row_among_valid_ones(odd in (value(), value(), value(), value(), value()), row in 0..1100usize) {
            let column = |valid: f64, odd: f64| {
                let mut column = vec![valid; 1100];
                column[row] = odd;
                column
            };
            let (open, high, low) = (column(1.0, odd.0), column(2.0, odd.1), column(0.0, odd.2));
            let (close, volume) = (column(1.0, odd.3), column(1.0, odd.4));
            let rules = Rules::default();
            let mut found = Vec::new();
            let columns = PriceColumns { open: &open, high: &high, low: &low, close: &close, volume: &volume };
            rules.check_rows(columns, |row, fault| found.push((row, fault)));
            let expected = rules.check([odd.0, odd.1, odd.2, odd.3], odd.4);
            prop_assert_eq!(found, expected.map(|fault| (row, fault)).into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn a_valid_bar_passes(open in -9.0..9.0f64, close in -9.0..9.0f64, up in 0.0..1.0f64, down in 0.0..1.0f64) {
            let (n, rules) = (4000, Rules::default());
            let columns = PriceColumns {
                open: &vec![open; n],
                high: &vec![open.max(close) + up; n],
                low: &vec![open.min(close) - down; n],
                close: &vec![close; n],
                volume: &vec![0.0; n],
            };
            rules.check_rows(columns, |row, fault| panic!("row {row}: {fault}"));
        }
    }
}
