//! A simulated trading day of A-shares: the same seed gives the same bars.
//!
//! Prices move in ticks of 0.01 yuan within ten per cent of the close of the day before.
//! Each move is the sum of a move of the market and one of the stock; both are largest at the open
//! and at the close.
//! Volumes are lots of 100 shares.
//! A stock without a trade in a minute has a bar with one price and no volume.
//! `money` is the exact sum of the trades.

use barbus_bars::Date;
use jiff::Zoned;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::bar_log::digest;

/// The trading day: a Monday without a holiday near it.
pub(super) const DAY: Date = Date::constant(2024, 3, 4);
/// Minutes of a trading day: two sessions of two hours.
pub(super) const MINUTES: u32 = 240;

const ZONE: &str = "Asia/Shanghai";
const SESSION_MINUTES: u32 = 120;
/// Shares of a lot.
const LOT: i64 = 100;

/// The seed and the size of a market, which determine its bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) seed: u64,
    pub(super) symbols: u32,
    pub(super) minutes: u32,
}

/// The values of one bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SimulatedBar {
    pub(super) open: f64,
    pub(super) high: f64,
    pub(super) low: f64,
    pub(super) close: f64,
    pub(super) volume: f64,
    pub(super) money: f64,
    pub(super) factor: f64,
}

impl SimulatedBar {
    pub(super) fn numbers(&self) -> [f64; 5] {
        [self.open, self.high, self.low, self.close, self.volume]
    }

    pub(super) fn optional(&self) -> [Option<f64>; 2] {
        [Some(self.money), Some(self.factor)]
    }

    pub(super) fn digest(&self) -> u64 {
        digest(self.numbers(), self.optional())
    }
}

/// All bars of one minute.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Minute {
    /// End of the bars, milliseconds UTC.
    pub(super) frame_ms: i64,
    /// One bar for each symbol, in the order of [`Market::symbols`].
    pub(super) bars: Vec<SimulatedBar>,
}

/// A market, minute by minute.
#[derive(Debug)]
pub(super) struct Market {
    rng: ChaCha8Rng,
    symbols: Vec<String>,
    stocks: Vec<Stock>,
    minute: u32,
    minutes: u32,
    midnight_ms: i64,
}

/// One stock; prices in ticks.
#[derive(Debug, Clone)]
struct Stock {
    last: i64,
    ceiling: i64,
    floor: i64,
    /// Typical move in a minute, as a share of the price.
    volatility: f64,
    /// The share of the moves of the market that the stock follows.
    beta: f64,
    /// Typical lots of a minute.
    lots: f64,
    /// Chance of a minute without a trade.
    quiet: f64,
    factor: f64,
}

impl Market {
    pub(super) fn new(scale: Scale) -> Market {
        let mut rng = ChaCha8Rng::seed_from_u64(scale.seed);
        let stocks = (0..scale.symbols).map(|_| Stock::new(&mut rng)).collect();
        let midnight = DAY.in_tz(ZONE).as_ref().map_or(0, |midnight: &Zoned| midnight.timestamp().as_millisecond());
        Market {
            rng,
            symbols: (0..scale.symbols).map(symbol).collect(),
            stocks,
            minute: 0,
            minutes: scale.minutes.min(MINUTES),
            midnight_ms: midnight,
        }
    }

    /// The symbols, Shanghai and Shenzhen in turn.
    pub(super) fn symbols(&self) -> &[String] {
        &self.symbols
    }

    fn frame_ms(&self, minute: u32) -> i64 {
        // 9:31 to 11:30 and 13:01 to 15:00.
        let clock =
            if minute < SESSION_MINUTES { 9 * 60 + 31 + minute } else { 13 * 60 + 1 + minute - SESSION_MINUTES };
        self.midnight_ms + i64::from(clock) * 60_000
    }
}

impl Iterator for Market {
    type Item = Minute;

    fn next(&mut self) -> Option<Minute> {
        if self.minute == self.minutes {
            return None;
        }
        // The activity is highest at both ends of the day.
        let from_middle = f64::from(self.minute) / f64::from(MINUTES) * 2.0 - 1.0;
        let activity = 0.6 + 1.6 * from_middle * from_middle;
        let market = noise(&mut self.rng) * 0.0004 * activity;
        let first = self.minute == 0;
        let rng = &mut self.rng;
        let bars = self.stocks.iter_mut().map(|stock| stock.trade(rng, market, activity, first)).collect();
        let frame_ms = self.frame_ms(self.minute);
        self.minute += 1;
        Some(Minute { frame_ms, bars })
    }
}

impl Stock {
    fn new(rng: &mut ChaCha8Rng) -> Stock {
        // From 3 to 150 yuan; low prices are more frequent.
        let before = (3.0 * 50f64.powf(rng.random::<f64>().powi(2)) * 100.0).round() as i64;
        Stock {
            last: before,
            ceiling: (before as f64 * 1.1).round() as i64,
            floor: (before as f64 * 0.9).round() as i64,
            volatility: rng.random_range(0.0005..0.002),
            beta: rng.random_range(0.4..1.6),
            lots: 20.0 * 100f64.powf(rng.random::<f64>()),
            quiet: if rng.random_bool(0.1) { 0.3 } else { 0.0 },
            // One stock in three has never paid a dividend.
            factor: if rng.random_bool(0.33) { 1.0 } else { (rng.random_range(1.0..12.0) * 1e6f64).round() / 1e6 },
        }
    }

    fn trade(&mut self, rng: &mut ChaCha8Rng, market: f64, activity: f64, first: bool) -> SimulatedBar {
        let steps = if !first && rng.random_bool(self.quiet) { 0 } else { rng.random_range(3..=8) };
        if steps == 0 {
            let price = yuan(self.last);
            let factor = self.factor;
            return SimulatedBar {
                open: price,
                high: price,
                low: price,
                close: price,
                volume: 0.0,
                money: 0.0,
                factor,
            };
        }
        if first {
            // The opening auction.
            self.step(noise(rng) * 0.006);
        }
        let (mut open, mut high, mut low) = (0, i64::MIN, i64::MAX);
        let (mut shares, mut cents) = (0, 0);
        let share_of_step = 1.0 / f64::from(steps);
        for step in 0..steps {
            self.step(
                self.beta * market * share_of_step + noise(rng) * self.volatility * activity * share_of_step.sqrt(),
            );
            if step == 0 {
                open = self.last;
            }
            high = high.max(self.last);
            low = low.min(self.last);
            let burst = 1.0 + noise(rng).abs();
            let lots = (self.lots * activity * share_of_step * burst * burst).ceil() as i64;
            shares += lots * LOT;
            cents += lots * LOT * self.last;
        }
        SimulatedBar {
            open: yuan(open),
            high: yuan(high),
            low: yuan(low),
            close: yuan(self.last),
            volume: shares as f64,
            money: yuan(cents),
            factor: self.factor,
        }
    }

    /// Moves the price by a share of it, within the limits of the day.
    fn step(&mut self, share: f64) {
        let moved = (self.last as f64 * (1.0 + share)).round() as i64;
        self.last = moved.clamp(self.floor, self.ceiling);
    }
}

fn symbol(number: u32) -> String {
    let code = number / 2;
    if number.is_multiple_of(2) { format!("{}.XSHG", 600_000 + code) } else { format!("{:06}.XSHE", 1 + code) }
}

fn yuan(cents: i64) -> f64 {
    cents as f64 / 100.0
}

/// Approximately normal noise with deviation 1, bounded by 3.
fn noise(rng: &mut ChaCha8Rng) -> f64 {
    (rng.random::<f64>() + rng.random::<f64>() + rng.random::<f64>()) * 2.0 - 3.0
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use barbus_bars::Calendar;

    use super::*;

    const SCALE: Scale = Scale { seed: 1, symbols: 50, minutes: MINUTES };

    #[test]
    fn the_same_seed_gives_the_same_day() {
        let day = |seed| Market::new(Scale { seed, ..SCALE }).collect::<Vec<_>>();
        assert_eq!(day(1), day(1));
        assert_ne!(day(1), day(2));
    }

    #[test]
    fn the_day_is_a_trading_day_of_two_sessions() {
        let calendar = Calendar::preset("XSHG").unwrap();
        assert!(calendar.is_trading_day(DAY));
        let frames: Vec<i64> = Market::new(SCALE).map(|minute| minute.frame_ms).collect();
        assert_eq!(frames.len(), 240);
        assert!(frames.iter().all(|frame_ms| calendar.trading_day(*frame_ms).date == DAY));
        assert_eq!(frames[239], calendar.trading_day(frames[0]).close_ms, "the last bar ends with the session");
        let steps: HashSet<i64> = frames.windows(2).map(|pair| (pair[1] - pair[0]) / 60_000).collect();
        assert_eq!(steps, [1, 91].into(), "a minute, and the lunch break");
    }

    #[test]
    fn bars_keep_the_rules_of_the_market() {
        let market = Market::new(SCALE);
        let limits: Vec<(f64, f64)> = market.stocks.iter().map(|s| (yuan(s.floor), yuan(s.ceiling))).collect();
        let symbols: HashSet<&String> = market.symbols().iter().collect();
        assert_eq!(symbols.len(), 50);
        let mut traded = 0;
        for bar in market.flat_map(|minute| minute.bars.into_iter().zip(limits.clone())) {
            let (bar, (floor, ceiling)) = bar;
            let SimulatedBar { open, high, low, close, volume, money, .. } = bar;
            assert!(low <= open.min(close) && open.max(close) <= high, "{bar:?}");
            assert!(floor <= low && high <= ceiling, "{bar:?} exceeds its limits");
            assert_eq!(volume % 100.0, 0.0);
            if volume > 0.0 {
                traded += 1;
                assert!((low - 1e-9..=high + 1e-9).contains(&(money / volume)), "{bar:?}");
            } else {
                assert_eq!((money, high), (0.0, low));
            }
        }
        assert!(traded > 11_000, "{traded}");
    }
}
