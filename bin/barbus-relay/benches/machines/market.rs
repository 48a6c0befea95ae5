//! The day that is sent: the simulated market of barbus-bench, 5,000 symbols a minute.

#[path = "../../../../crates/barbus-bench/src/market.rs"]
#[expect(dead_code, reason = "barbus-bench has measures of whole days")]
mod simulated;

use anyhow::ensure;
use barbus::Row;
use barbus::arrow::array::RecordBatch;
use simulated::Market;

/// Bars of a minute.
pub(crate) const SYMBOLS: usize = 5_000;
/// Bytes of a bar as a message of its own.
pub(crate) const MESSAGE_BYTES: usize = 72;

/// A simulated day; its bars are numbered minute by minute.
pub(crate) struct Day {
    market: Market,
    batches: Vec<RecordBatch>,
}

/// A day of this number of minutes.
pub(crate) fn day(minutes: usize) -> Day {
    let market = Market::new(SYMBOLS, minutes);
    let batches = market.batches();
    Day { market, batches }
}

impl Day {
    /// The bars of a minute as a batch.
    pub(crate) fn minute(&self, minute: usize) -> &RecordBatch {
        &self.batches[minute]
    }

    /// A single bar as a batch.
    pub(crate) fn single(&self, number: usize) -> RecordBatch {
        self.batches[number / SYMBOLS].slice(number % SYMBOLS, 1)
    }

    /// A bar as a message of its own: its number, its frame and its values.
    pub(crate) fn message(&self, number: usize) -> [u8; MESSAGE_BYTES] {
        let mut bytes = [0; MESSAGE_BYTES];
        let (minute, symbol) = (number / SYMBOLS, number % SYMBOLS);
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        bytes[8..16].copy_from_slice(&Market::frame_ms(minute).to_le_bytes());
        for (place, value) in bytes[16..].chunks_exact_mut(8).zip(self.market.numbers(minute)[symbol]) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    /// Fails unless `row` is this bar of a bus that got the day from its begin on.
    pub(crate) fn check(&self, number: usize, row: &Row) -> anyhow::Result<()> {
        let (minute, symbol) = (number / SYMBOLS, number % SYMBOLS);
        let values = [row.open, row.high, row.low, row.close, row.volume, row.optional[0], row.optional[1]];
        let found = (row.symbol.0 as usize, row.frame_ms, values);
        let sent = (symbol, Market::frame_ms(minute), self.market.numbers(minute)[symbol]);
        ensure!(found == sent, "bar {number} arrived as {found:?}");
        Ok(())
    }
}
