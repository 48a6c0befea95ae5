//! Simulated bars for the growth measures.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::Int32Type;

use super::{MIDNIGHT_MS, MINUTE_MS, name};

/// Prices that walk at random by cents and volumes in hundreds, so that compression has work.
pub(super) struct RandomWalk {
    names: ArrayRef,
    /// In cents.
    closes: Vec<i64>,
    state: u64,
    minute: i64,
}

impl RandomWalk {
    pub(super) fn new(symbols: usize) -> Self {
        Self {
            names: Arc::new(StringArray::from_iter_values((0..symbols).map(name))),
            closes: (0..symbols).map(|symbol| 500 + (symbol as i64 * 37) % 10_000).collect(),
            state: 1,
            minute: 0,
        }
    }

    fn random(&mut self, below: u64) -> i64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.state >> 33) % below) as i64
    }

    /// The last price of a symbol.
    pub(super) fn close(&self, symbol: usize) -> f64 {
        self.closes[symbol] as f64 / 100.0
    }

    /// End of the newest bars.
    pub(super) fn frame_ms(&self) -> i64 {
        MIDNIGHT_MS + self.minute * MINUTE_MS
    }

    /// Advances by a minute and returns a bar of every symbol.
    pub(super) fn next_minute(&mut self) -> RecordBatch {
        self.minute += 1;
        let symbols = self.closes.len();
        let [mut open, mut high, mut low, mut close, mut volume, mut money] =
            std::array::from_fn(|_| Vec::with_capacity(symbols));
        for symbol in 0..symbols {
            let from = self.closes[symbol];
            let to = (from + self.random(21) - 10).max(100);
            self.closes[symbol] = to;
            let top = from.max(to) + self.random(6);
            let bottom = from.min(to) - self.random(6);
            let shares = 100 * self.random(1_000);
            for (column, cents) in [(&mut open, from), (&mut high, top), (&mut low, bottom), (&mut close, to)] {
                column.push(cents as f64 / 100.0);
            }
            volume.push(shares as f64);
            money.push((shares * (from + to) / 2) as f64 / 100.0);
        }
        let keys = Int32Array::from_iter_values(0..symbols as i32);
        let frames = TimestampMillisecondArray::from(vec![self.frame_ms(); symbols]).with_timezone("UTC");
        let column = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
        RecordBatch::try_from_iter([
            ("symbol", Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::clone(&self.names))) as ArrayRef),
            ("frame", Arc::new(frames)),
            ("open", column(open)),
            ("high", column(high)),
            ("low", column(low)),
            ("close", column(close)),
            ("volume", column(volume)),
            ("money", column(money)),
            ("factor", column(vec![1.0; symbols])),
        ])
        .expect("columns of one length")
    }
}
