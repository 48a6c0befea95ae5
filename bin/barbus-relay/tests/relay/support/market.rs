//! Bars whose values follow from their symbol, frame and version, so that each can be checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Float64Type, TimestampMillisecondType};

pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const DAY_MS: i64 = 1_440 * MINUTE_MS;
/// 2024-03-04 00:00 UTC, a Monday.
pub(crate) const MONDAY_MS: i64 = 1_709_510_400_000;
/// The volume of a bar is this many times its seed, and its version.
const VERSIONS: i64 = 1_000;

/// A bar: which one, and how often it was corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bar {
    pub(crate) symbol: u32,
    pub(crate) frame_ms: i64,
    pub(crate) version: u32,
}

/// The values of a bar: open, high, low, close, volume, money and factor.
pub(crate) type Values = [Option<f64>; 7];

impl Bar {
    pub(crate) fn new(symbol: u32, frame_ms: i64) -> Self {
        Self { symbol, frame_ms, version: 0 }
    }

    /// A correction of this bar.
    pub(crate) fn version(self, version: u32) -> Self {
        assert!(i64::from(version) < VERSIONS);
        Self { version, ..self }
    }

    pub(crate) fn name(&self) -> String {
        format!("S{:04}", self.symbol)
    }

    pub(crate) fn values(&self) -> Values {
        let seed = (self.frame_ms / MINUTE_MS + i64::from(self.symbol) * 31).rem_euclid(9_973);
        let open = 10.0 + seed as f64 / 100.0;
        let close = open + (seed % 7 - 3) as f64 / 100.0 + f64::from(self.version) / 1_000.0;
        let volume = (seed * VERSIONS + i64::from(self.version)) as f64;
        // Every fifth bar has no money, because a null must stay a null.
        let money = (seed % 5 != 0).then_some(volume * open);
        [
            Some(open),
            Some(open.max(close) + 0.01),
            Some(open.min(close) - 0.02),
            Some(close),
            Some(volume),
            money,
            Some(1.0),
        ]
    }

    /// The bar that has these values; it panics if none has.
    #[track_caller]
    pub(crate) fn of(name: &str, frame_ms: i64, values: Values) -> Self {
        let symbol = name.strip_prefix('S').and_then(|digits| digits.parse().ok());
        let symbol = symbol.unwrap_or_else(|| panic!("a symbol {name:?}"));
        let version = values[4].expect("a bar has a volume") as i64 % VERSIONS;
        let bar = Self { symbol, frame_ms, version: version as u32 };
        assert_eq!(bar.values(), values, "{bar:?}");
        bar
    }
}

/// Bars of symbols 0 to `symbols` for `count` minutes after `begin_ms`, in the order of a feed.
pub(crate) fn minutes(symbols: u32, begin_ms: i64, count: i64) -> Vec<Bar> {
    let minute = |minute: i64| (0..symbols).map(move |symbol| Bar::new(symbol, begin_ms + minute * MINUTE_MS));
    (1..=count).flat_map(minute).collect()
}

/// The bars as a producer sends them.
pub(crate) fn batch(bars: &[Bar]) -> RecordBatch {
    let symbols: StringArray = bars.iter().map(|bar| Some(bar.name())).collect();
    let frames = TimestampMillisecondArray::from_iter_values(bars.iter().map(|bar| bar.frame_ms));
    let values: Vec<Values> = bars.iter().map(Bar::values).collect();
    let mut columns: Vec<(&str, ArrayRef, bool)> =
        vec![("symbol", Arc::new(symbols), false), ("frame", Arc::new(frames.with_timezone("UTC")), false)];
    for (number, name) in ["open", "high", "low", "close", "volume", "money", "factor"].into_iter().enumerate() {
        let column: Float64Array = values.iter().map(|values| values[number]).collect();
        // The last part is whether a column may have nulls.
        columns.push((name, Arc::new(column), number > 4));
    }
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}

/// The bars of a batch of the archive, in its order.
pub(crate) fn archived(batch: &RecordBatch) -> Vec<Bar> {
    let frames = batch["frame"].as_primitive::<TimestampMillisecondType>();
    let symbols = batch["symbol"].as_string::<i32>();
    let columns = ["open", "high", "low", "close", "volume", "money", "factor"]
        .map(|name| batch[name].as_primitive::<Float64Type>());
    let bar = |row: usize| {
        let values = columns.map(|column| column.is_valid(row).then(|| column.value(row)));
        Bar::of(symbols.value(row), frames.value(row), values)
    };
    (0..batch.num_rows()).map(bar).collect()
}

/// The last version of each of these bars, by symbol and frame.
pub(crate) fn last_versions(bars: &[Bar]) -> Vec<Bar> {
    let mut last = BTreeMap::new();
    for bar in bars {
        let known = last.entry((bar.symbol, bar.frame_ms)).or_insert(*bar);
        *known = (*known).max(*bar);
    }
    last.into_values().collect()
}
