//! A simulated day of bars: prices walk in ticks, volumes are lots, some minutes have no trade.
//!
//! Size and time of a file depend on its values: constants and ramps would compress to nothing.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
    UInt64Array,
};
use arrow::datatypes::Int32Type;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// 2024-07-04 09:30 in Shanghai.
pub(crate) const OPEN_MS: i64 = 1_720_056_600_000;
const MINUTE_MS: i64 = 60_000;
const SEED: u64 = 20_240_704;

/// The values of a bar: open, high, low, close, volume, money, factor.
pub(crate) type Numbers = [f64; 7];

/// The bars of a day, minute by minute.
#[derive(Debug)]
pub(crate) struct Market {
    names: ArrayRef,
    /// The bars of all symbols, for each minute.
    minutes: Vec<Vec<Numbers>>,
}

struct Stock {
    ticks: i64,
    lot_scale: f64,
    factor: f64,
}

impl Stock {
    fn new(random: &mut ChaCha8Rng) -> Self {
        let factor =
            if random.random_bool(0.4) { 1.0 } else { 1.0 + f64::from(random.random_range(0..9_000_000)) / 1e6 };
        Self {
            ticks: (300.0 * 100f64.powf(random.random::<f64>())) as i64,
            lot_scale: 2.0 * 200f64.powf(random.random::<f64>()),
            factor,
        }
    }

    fn bar(&mut self, random: &mut ChaCha8Rng) -> Numbers {
        let price = |ticks: i64| ticks as f64 / 100.0;
        if random.random_bool(0.03) {
            let last = price(self.ticks);
            return [last, last, last, last, 0.0, 0.0, self.factor];
        }
        let step = 1 + self.ticks / 1_500;
        let (open, mut high, mut low) = (self.ticks, self.ticks, self.ticks);
        let (mut shares, mut cents) = (0, 0);
        for _ in 0..random.random_range(1..=6) {
            let lots = 1 + (self.lot_scale * -random.random::<f64>().max(1e-9).ln()) as i64;
            shares += 100 * lots;
            cents += 100 * lots * self.ticks;
            self.ticks = (self.ticks + random.random_range(-step..=step)).max(1);
            high = high.max(self.ticks);
            low = low.min(self.ticks);
        }
        [price(open), price(high), price(low), price(self.ticks), shares as f64, price(cents), self.factor]
    }
}

impl Market {
    pub(crate) fn new(symbols: usize, minutes: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let mut stocks: Vec<Stock> = (0..symbols).map(|_| Stock::new(&mut random)).collect();
        let minute = |_| stocks.iter_mut().map(|stock| stock.bar(&mut random)).collect();
        let minutes = (0..minutes).map(minute).collect();
        Self { names: Arc::new(StringArray::from_iter_values((0..symbols).map(|i| format!("{i:06}.XSHE")))), minutes }
    }

    pub(crate) fn symbols(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn bars(&self) -> usize {
        self.symbols() * self.minutes.len()
    }

    /// End of a minute's bars.
    pub(crate) fn frame_ms(minute: usize) -> i64 {
        OPEN_MS + MINUTE_MS * (minute as i64 + 1)
    }

    pub(crate) fn numbers(&self, minute: usize) -> &[Numbers] {
        &self.minutes[minute]
    }

    /// One batch for each minute, as a producer sends them.
    pub(crate) fn batches(&self) -> Vec<RecordBatch> {
        (0..self.minutes.len()).map(|minute| self.batch(minute..minute + 1, false)).collect()
    }

    /// The whole day in the order of a feed, with the number of each row.
    pub(crate) fn day(&self) -> RecordBatch {
        self.batch(0..self.minutes.len(), true)
    }

    fn batch(&self, minutes: std::ops::Range<usize>, numbered: bool) -> RecordBatch {
        let keys = minutes.clone().flat_map(|_| 0..self.symbols() as i32);
        let symbol = DictionaryArray::<Int32Type>::new(Int32Array::from_iter_values(keys), Arc::clone(&self.names));
        let frames = minutes.clone().flat_map(|minute| std::iter::repeat_n(Self::frame_ms(minute), self.symbols()));
        let frame = TimestampMillisecondArray::from_iter_values(frames).with_timezone("Asia/Shanghai");
        let bars = || self.minutes[minutes.clone()].iter().flatten();
        let mut columns: Vec<(&str, ArrayRef)> = vec![("symbol", Arc::new(symbol)), ("frame", Arc::new(frame))];
        for (i, name) in ["open", "high", "low", "close", "volume", "money", "factor"].into_iter().enumerate() {
            columns.push((name, Arc::new(Float64Array::from_iter_values(bars().map(|bar| bar[i])))));
        }
        if numbered {
            columns.push(("seq", Arc::new(UInt64Array::from_iter_values(0..bars().count() as u64))));
        }
        RecordBatch::try_from_iter(columns).expect("columns of one length")
    }
}
