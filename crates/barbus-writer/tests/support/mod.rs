//! What several tests of the writer need.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};

/// A batch of bars, each of a symbol, an end in milliseconds UTC, and one value for all its prices
/// and its volume.
pub(crate) fn batch(bars: impl Iterator<Item = (String, i64, f64)>) -> RecordBatch {
    let bars: Vec<_> = bars.collect();
    let symbols = StringArray::from_iter_values(bars.iter().map(|(symbol, ..)| symbol));
    let frames = TimestampMillisecondArray::from_iter_values(bars.iter().map(|(_, frame_ms, _)| *frame_ms));
    let values = || Arc::new(Float64Array::from_iter_values(bars.iter().map(|(.., value)| *value))) as ArrayRef;
    let columns = [
        ("symbol", Arc::new(symbols) as ArrayRef),
        ("frame", Arc::new(frames.with_timezone("UTC"))),
        ("open", values()),
        ("high", values()),
        ("low", values()),
        ("close", values()),
        ("volume", values()),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}
