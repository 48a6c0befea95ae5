//! Synthetic bars that are the same in every run; each value identifies its bar.

use std::fmt::Write;

use jiff::Timestamp;

/// One bar; `frame` marks its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) symbol: String,
    pub(crate) frame: Timestamp,
    pub(crate) open: f64,
    pub(crate) high: f64,
    pub(crate) low: f64,
    pub(crate) close: f64,
    pub(crate) volume: f64,
    pub(crate) money: Option<f64>,
    pub(crate) factor: Option<f64>,
}

/// The bar of `symbol` ending at `frame`, with prices that depend on both and obey every rule.
pub(crate) fn bar(symbol: &str, frame: Timestamp) -> Bar {
    let minute = frame.as_second() / 60;
    let seed = symbol.bytes().fold(minute, |sum, byte| sum.wrapping_mul(31) + i64::from(byte)).rem_euclid(9_973);
    let open = 10.0 + seed as f64 / 100.0;
    let close = open + (seed % 7 - 3) as f64 / 100.0;
    let volume = (seed * 100) as f64;
    Bar {
        symbol: symbol.to_owned(),
        frame,
        open,
        high: open.max(close) + 0.01,
        low: open.min(close) - 0.02,
        close,
        volume,
        // Every fifth bar has none, because a null must stay a null.
        money: (seed % 5 != 0).then_some(volume * open),
        factor: Some(1.0),
    }
}

/// A trading day of mainland stocks: 240 minutes with every symbol each, in feed order.
///
/// `date` has the form `2024-03-04`.
pub(crate) fn xshg_day(symbols: &[&str], date: &str) -> Vec<Bar> {
    minutes(symbols, &format!("{date}T01:31:00Z"), 120)
        .into_iter()
        .chain(minutes(symbols, &format!("{date}T05:01:00Z"), 120))
        .collect()
}

/// Bars of every symbol for `count` minutes from the frame `first` on, in feed order.
pub(crate) fn minutes(symbols: &[&str], first: &str, count: i64) -> Vec<Bar> {
    let first: Timestamp = first.parse().expect("an RFC 3339 time");
    let mut bars = Vec::new();
    for minute in 0..count {
        let frame = Timestamp::from_second(first.as_second() + 60 * minute).expect("in range");
        bars.extend(symbols.iter().map(|symbol| bar(symbol, frame)));
    }
    bars
}

/// As CSV text with a header, frames in UTC.
pub(crate) fn csv(bars: &[Bar]) -> String {
    let mut text = String::from("symbol,frame,open,high,low,close,volume,money,factor\n");
    for bar in bars {
        let optional = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        writeln!(
            text,
            "{},{},{},{},{},{},{},{},{}",
            bar.symbol,
            bar.frame,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            optional(bar.money),
            optional(bar.factor),
        )
        .expect("a string can be written");
    }
    text
}
