//! The names that vendors give to the columns of a bar.

use crate::label::Label;
use crate::schema::{CLOSE, FACTOR, FRAME, HIGH, LOW, MONEY, OPEN, SYMBOL, VOLUME};
use crate::suggestion::{best, likeness, normalize};
use crate::time_name::stated_label;

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
            "stock_code",
            "vt_symbol",
            "tradingsymbol",
            "sym",
            "s",
            "代码",
            "证券代码",
            "股票代码",
            "合约代码",
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
            "trade_time",
            "bar_time",
            "day",
            "ts",
            "t",
            "unix",
            "timestamp_utc",
            "datetime_utc",
            "time_utc",
            "gmt_time",
            "utc_time",
            "time_key",
            "datetime_nano",
            "local_time",
            "trade_date",
            "eob",
            "bar_end",
            "bob",
            "open_time",
            "opentime",
            "start",
            "start_time",
            "starttime",
            "window_start",
            "ts_event",
            "candle_begin_time",
            "begin",
            "begin_time",
            "bar_start",
            "ts_start",
            "time_period_start",
            "close_time",
            "closetime",
            "end",
            "end_time",
            "endtime",
            "window_end",
            "candle_end_time",
            "time_period_end",
            "时间",
            "日期",
            "日期时间",
            "交易时间",
        ],
    ),
    (OPEN, &["o", "open_price", "price_open", "openprice", "开盘", "开盘价"]),
    (HIGH, &["h", "high_price", "price_high", "highprice", "最高", "最高价"]),
    (LOW, &["l", "low_price", "price_low", "lowprice", "最低", "最低价"]),
    (CLOSE, &["c", "close_price", "price_close", "closeprice", "last", "收盘", "收盘价"]),
    (VOLUME, &["vol", "v", "qty", "volume_traded", "成交量"]),
    (
        MONEY,
        &["amount", "turnover", "total_turnover", "quote_volume", "quote_asset_volume", "value", "成交额", "成交金额"],
    ),
    (FACTOR, &["adj_factor", "adjust_factor"]),
];

/// How well a name suits a column of times, lowest best: an exact end, a start, an end in the last
/// second of a minute, a neutral name. Of several names of times the best one is taken.
pub fn time_rank(name: &str) -> u8 {
    match stated_label(name) {
        Some(Label::End) if normalize(name) == "eob" => 0,
        Some(Label::Start) => 1,
        Some(Label::End) => 2,
        None => 3,
    }
}

/// The aliases of a column; none for a column that vendors do not have.
pub fn aliases_of(target: &str) -> &'static [&'static str] {
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
