//! The minute of a strategy whose system delivers single bars: it finds out itself that it is
//! complete.

use std::collections::HashMap;

use anyhow::{Context, bail};

use super::bar::{BurstBar, Symbol, burst_symbols, check_burst_values};
use crate::{BURST, Bar};

/// Collects the bars of one minute after the other, and verifies every field of each.
///
/// A strategy knows the symbols that a minute waits for. The minute is complete when each of them
/// has its bar, in whatever order bars arrive. barbus does the same for its strategies.
#[derive(Debug)]
pub struct StrategyMinute {
    symbols: Vec<Symbol>,
    places: HashMap<Symbol, usize>,
    /// Whether the symbol at a place has its bar.
    has: Vec<bool>,
    /// How many have.
    count: u64,
    /// The place of the symbol that is probably next: producers keep their order.
    next: usize,
}

impl Default for StrategyMinute {
    fn default() -> Self {
        let symbols: Vec<Symbol> =
            burst_symbols().iter().map(|name| BurstBar::new(name, Bar::default()).symbol).collect();
        let places = symbols.iter().enumerate().map(|(place, symbol)| (*symbol, place)).collect();
        Self { has: vec![false; symbols.len()], symbols, places, count: 0, next: 0 }
    }
}

impl StrategyMinute {
    /// Takes a bar of `minute`; returns whether the minute is complete. The next one begins then.
    #[inline]
    pub fn take(&mut self, bar: &BurstBar, minute: u64) -> anyhow::Result<bool> {
        let place = match self.symbols.get(self.next) {
            Some(symbol) if *symbol == bar.symbol => self.next,
            _ => *self.places.get(&bar.symbol).with_context(|| format!("{bar:?} is of no symbol"))?,
        };
        self.next = place + 1;
        let n = minute * BURST + place as u64;
        let mut values = bar.values;
        values.symbol = place as u64;
        check_burst_values(&values, n)?;
        if std::mem::replace(&mut self.has[place], true) {
            bail!("bar {n} arrived twice");
        }
        self.count += 1;
        if self.count < BURST {
            return Ok(false);
        }
        self.has.fill(false);
        (self.count, self.next) = (0, 0);
        Ok(true)
    }

    /// Takes bars of `minute` from `next` until the minute is complete.
    pub fn receive(&mut self, minute: u64, mut next: impl FnMut() -> anyhow::Result<BurstBar>) -> anyhow::Result<()> {
        while !self.take(&next()?, minute)? {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BurstSource;

    #[test]
    fn a_minute_is_complete_with_its_last_symbol_in_any_order() {
        let (source, mut strategy) = (BurstSource::default(), StrategyMinute::default());
        for minute in 0..3 {
            let mut bars: Vec<BurstBar> = source.bars(minute).collect();
            match minute {
                1 => bars.reverse(),
                2 => bars.swap(10, 4_000),
                _ => {}
            }
            let complete: Vec<bool> = bars.iter().map(|bar| strategy.take(bar, minute).unwrap()).collect();
            assert_eq!(complete.iter().position(|complete| *complete), Some(BURST as usize - 1));
        }
    }

    #[test]
    fn a_wrong_bar_is_found() {
        let (source, mut strategy) = (BurstSource::default(), StrategyMinute::default());
        let bar = source.bars(0).nth(5).unwrap();
        strategy.take(&bar, 1).unwrap_err();
        strategy.take(&BurstBar { symbol: *b"600000.XSHG\0\0\0\0\0", ..bar }, 0).unwrap_err();
        strategy.take(&BurstBar { symbol: *b"000006.XSHE\0\0\0\0\0", ..bar }, 0).unwrap_err();
        assert!(!strategy.take(&bar, 0).unwrap());
        strategy.take(&bar, 0).unwrap_err();
    }
}
