//! A minimal strategy: it holds a lot of each stock whose short average is above its long one.

use std::collections::VecDeque;

const SHORT: usize = 5;
const LONG: usize = 20;
const SHARES: f64 = 100.0;

/// The moving averages of every symbol, and the result of trading on them.
#[derive(Debug, Default)]
pub(super) struct Strategy {
    stocks: Vec<Stock>,
    trades: u64,
    result: f64,
}

#[derive(Debug, Default, Clone)]
struct Stock {
    closes: VecDeque<f64>,
    holding: bool,
}

impl Strategy {
    /// Processes the next close of the symbol with this number on the bus.
    pub(super) fn close(&mut self, symbol: usize, close: f64) {
        if symbol >= self.stocks.len() {
            self.stocks.resize(symbol + 1, Stock::default());
        }
        let stock = &mut self.stocks[symbol];
        if stock.holding {
            self.result += SHARES * (close - stock.closes.back().copied().unwrap_or(close));
        }
        stock.closes.push_back(close);
        if stock.closes.len() > LONG {
            stock.closes.pop_front();
        }
        if stock.closes.len() == LONG {
            let mean = |count: usize| stock.closes.iter().rev().take(count).sum::<f64>() / count as f64;
            let wanted = mean(SHORT) > mean(LONG);
            if wanted != stock.holding {
                stock.holding = wanted;
                self.trades += 1;
            }
        }
    }

    /// The number of trades so far.
    pub(super) fn trades(&self) -> u64 {
        self.trades
    }

    /// The profit of the trades, without costs.
    pub(super) fn result(&self) -> f64 {
        self.result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_buys_rising_stocks_and_sells_falling_ones() {
        let mut strategy = Strategy::default();
        for close in (0..30).map(|minute| 10.0 + f64::from(minute)) {
            strategy.close(3, close);
        }
        assert_eq!(strategy.trades(), 1);
        // Bought at the twentieth close, ten steps of one yuan ago.
        assert_eq!(strategy.result(), 1000.0);
        for close in (0..30).map(|minute| 38.0 - f64::from(minute)) {
            strategy.close(3, close);
        }
        assert_eq!(strategy.trades(), 2);
    }
}
