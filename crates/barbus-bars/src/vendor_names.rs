//! The names that vendors give to the columns of a bar.

use crate::schema::{CLOSE, FACTOR, FRAME, HIGH, LOW, MONEY, OPEN, SYMBOL, VOLUME};
use crate::suggestion::{best, likeness};

/// Each column with its aliases, in the form of [`normalize`](crate::suggestion::normalize). The
/// column's own name is not listed.
pub(crate) const ALIASES: &[(&str, &[&str])] = &[
    (
        SYMBOL,
        &[
            "code",
            "ticker",
            "instrument",
            "instrument_id",
            "order_book_id",
            "ts_code",
            "sec_code",
            "security",
            "wind_code",
            "sym",
            "s",
        ],
    ),
    (
        FRAME,
        &[
            "time",
            "datetime",
            "date_time",
            "timestamp",
            "date",
            "open_time",
            "trade_time",
            "bar_time",
            "day",
            "ts_event",
            "ts",
            "t",
        ],
    ),
    (OPEN, &["o", "open_price"]),
    (HIGH, &["h", "high_price"]),
    (LOW, &["l", "low_price"]),
    (CLOSE, &["c", "close_price"]),
    (VOLUME, &["vol", "v", "qty"]),
    (MONEY, &["amount", "turnover", "total_turnover", "quote_volume", "quote_asset_volume", "value"]),
    (FACTOR, &["adj_factor", "adjust_factor"]),
];

/// The aliases of a column; none for a column that vendors do not have.
pub(crate) fn aliases_of(target: &str) -> &'static [&'static str] {
    let entry = ALIASES.iter().find(|(name, _)| *name == target);
    entry.map_or(&[], |(_, aliases)| aliases)
}

/// The candidate that is most similar to any name of `target`. Names of one or two letters do not
/// count: too many words are similar to them.
pub(crate) fn nearest_alias<'a>(target: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let names = [target].into_iter().chain(aliases_of(target).iter().copied());
    let names: Vec<&str> = names.filter(|name| name.len() > 2).collect();
    best(candidates, |candidate| names.iter().map(|name| likeness(name, candidate)).fold(0.0, f64::max), 0.8)
}
