//! Whether prices are whole numbers of a small unit, or of another size than those of the others.

use super::Doubt;

/// Whole prices from this one on look like a fixed-point number.
const LARGE: f64 = 1e8;
/// A price of this number of the others' ticks or more has another scale.
const TICKS: f64 = 1e7;

/// What the prices of all bars are like.
#[derive(Debug, Clone, Default)]
pub(super) struct Prices {
    bars: u64,
    large: u64,
    /// Bars whose high is below their open or close, or whose low is above one of them.
    crossed: u64,
    /// The smallest difference between two closes of one instrument.
    tick: Option<f64>,
    smallest: Option<f64>,
    largest: f64,
}

impl Prices {
    /// Adds a bar; `before` is the close of the instrument's bar before it.
    pub(super) fn add(&mut self, [open, high, low, close]: [f64; 4], before: Option<f64>) {
        if !close.is_finite() {
            return;
        }
        self.bars += 1;
        let whole = [open, high, low, close].iter().all(|price| price.fract() == 0.0);
        self.large += u64::from(whole && close.abs() >= LARGE);
        self.crossed += u64::from(high < open.max(close) || low > open.min(close));
        self.largest = self.largest.max(close.abs());
        if close != 0.0 && self.smallest.is_none_or(|smallest| close.abs() < smallest) {
            self.smallest = Some(close.abs());
        }
        let step = before.map(|before| (close - before).abs()).filter(|step| *step > close.abs() * 1e-9);
        if let Some(step) = step
            && self.tick.is_none_or(|tick| step < tick)
        {
            self.tick = Some(step);
        }
    }

    /// The doubts about the prices.
    pub(super) fn doubts(&self) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        if self.large * 2 > self.bars {
            doubts.push(Doubt {
                what: "the prices are whole numbers above 100,000,000, as if they counted a small unit".to_owned(),
                way_out: "give --scale, such as --scale 1e-9, or --trust if they are right".to_owned(),
            });
        } else if let (Some(tick), Some(smallest)) = (self.tick, self.smallest)
            && self.largest > TICKS * tick
            && self.largest > 1000.0 * TICKS * smallest.min(1.0)
        {
            doubts.push(Doubt {
                what: format!(
                    "a price of {} is among prices that differ by {tick:.9}: some may have another unit",
                    self.largest
                ),
                way_out: "publish the files apart, with --scale for those that need it, or --trust".to_owned(),
            });
        }
        if self.crossed * 2 > self.bars && self.bars >= 3 {
            doubts.push(Doubt {
                what: format!(
                    "in {} of {} bars the high is below the open or close, or the low above: the columns may have another order",
                    self.crossed, self.bars
                ),
                way_out: "give --columns or --layout (Coinbase has low, high, open, close), or --map".to_owned(),
            });
        }
        doubts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubts(closes: &[f64]) -> usize {
        let mut prices = Prices::default();
        let mut before = None;
        for close in closes {
            prices.add([*close, close + 1.0, close - 1.0, *close], before);
            before = Some(*close);
        }
        prices.doubts().len()
    }

    /// Promise 9: prices that count a small unit are not stored as they are.
    #[test]
    fn prices_of_another_unit_are_doubted() {
        assert_eq!(doubts(&[5_527_250_000_000.0, 5_528_000_000_000.0]), 1);
        assert_eq!(doubts(&[87.025, 87.04, 87.02, 87_040_000_000.5]), 1);
        for right in [&[623_000.01, 623_000.02][..], &[0.00001234, 0.00001235], &[50_500.0, 50_501.0], &[-37.63, 0.0]] {
            assert_eq!(doubts(right), 0, "{right:?}");
        }
    }

    #[test]
    fn columns_in_another_order_are_doubted() {
        let mut prices = Prices::default();
        for _ in 0..5 {
            // Low, high, open, close, read as open, high, low, close.
            prices.add([1.0, 2.0, 1.5, 1.2], None);
        }
        assert!(prices.doubts()[0].way_out.contains("Coinbase"));
    }
}
