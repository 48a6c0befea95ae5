//! The archived day, read from its Parquet file.

use anyhow::{Context, ensure};
use arrow::array::{Array, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::{Float64Type, TimestampMillisecondType};
use barbus::{Bus, Date};
use barbus_bars::{CLOSE, FACTOR, FRAME, HIGH, LOW, MONEY, OPEN, SYMBOL, VOLUME};

use super::bar_log::{BarLog, digest};
use crate::output::candles::Candle;

/// The columns of numbers in the order of a digest.
const NUMBERS: [&str; 5] = [OPEN, HIGH, LOW, CLOSE, VOLUME];

/// A smaller price range, in yuan, would give a picture of only a few steps of one tick.
const VISIBLE_RANGE: f64 = 0.5;

/// The bars of the file of one day.
pub(super) struct ArchivedDay {
    bars: RecordBatch,
    path: std::path::PathBuf,
}

impl ArchivedDay {
    pub(super) fn read(bus: &Bus, day: Date) -> anyhow::Result<ArchivedDay> {
        let archive = bus.open_archive();
        let path = archive.path(day);
        let (meta, bars) = archive.read(day)?.with_context(|| format!("{}: no such file", path.display()))?;
        ensure!(
            meta.rows == bars.num_rows() as u64,
            "{}: {} bars where its metadata says {}",
            path.display(),
            bars.num_rows(),
            meta.rows
        );
        Ok(ArchivedDay { bars, path })
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The number of bars.
    pub(super) fn bars(&self) -> u64 {
        self.bars.num_rows() as u64
    }

    fn numbers(&self, name: &str) -> &Float64Array {
        self.bars[name].as_primitive::<Float64Type>()
    }

    /// The bars as a log.
    pub(super) fn log(&self) -> BarLog {
        let symbols = self.bars[SYMBOL].as_string::<i32>();
        let frames = self.bars[FRAME].as_primitive::<TimestampMillisecondType>();
        let numbers = NUMBERS.map(|name| self.numbers(name));
        let optional = [MONEY, FACTOR].map(|name| self.numbers(name));
        let mut log = BarLog::default();
        for row in 0..self.bars.num_rows() {
            let optional = optional.map(|column| column.is_valid(row).then(|| column.value(row)));
            let digest = digest(numbers.map(|column| column.value(row)), optional);
            log.push(symbols.value(row), frames.value(row), digest);
        }
        log
    }

    /// The symbol with the largest range for its price, and its bars. Ranges of at least
    /// [`VISIBLE_RANGE`] are preferred.
    pub(super) fn liveliest(&self) -> (String, Vec<Candle>) {
        let symbols = self.bars[SYMBOL].as_string::<i32>();
        let frames = self.bars[FRAME].as_primitive::<TimestampMillisecondType>();
        let [open, high, low, close, volume] = NUMBERS.map(|name| self.numbers(name));
        let mut best = (false, f64::NEG_INFINITY, 0..0);
        let mut first = 0;
        // The file is sorted by symbol, then by frame.
        for end in 1..=self.bars.num_rows() {
            if end < self.bars.num_rows() && symbols.value(end) == symbols.value(first) {
                continue;
            }
            let highest = (first..end).map(|row| high.value(row)).fold(f64::NEG_INFINITY, f64::max);
            let lowest = (first..end).map(|row| low.value(row)).fold(f64::INFINITY, f64::min);
            let range = highest - lowest;
            let (visible, share) = (range >= VISIBLE_RANGE, range / open.value(first));
            if (visible, share) > (best.0, best.1) {
                best = (visible, share, first..end);
            }
            first = end;
        }
        let rows = best.2;
        let symbol = if rows.is_empty() { String::new() } else { symbols.value(rows.start).to_owned() };
        let candle = |row| Candle {
            frame_ms: frames.value(row),
            open: open.value(row),
            high: high.value(row),
            low: low.value(row),
            close: close.value(row),
            volume: volume.value(row),
        };
        (symbol, rows.map(candle).collect())
    }
}
