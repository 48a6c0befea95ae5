//! Bars for the tests, and a day's contents as plain values that can be compared.
#![allow(dead_code)] // each test binary uses its own part of this

pub(crate) mod memory_files;

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::builder::StringDictionaryBuilder;
use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::array::{TimestampMillisecondArray, UInt64Array};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use barbus_archive::Archive;
use barbus_bars::{BarSchema, Date};

pub(crate) const DAY: Date = jiff::civil::date(2024, 2, 29);
pub(crate) const CALENDAR: &str = "XSHG";
/// 2024-02-29T01:30:00Z, the open in Shanghai.
pub(crate) const OPEN_MS: i64 = 1_709_170_200_000;

pub(crate) fn schema() -> BarSchema {
    BarSchema::in_zone("Asia/Shanghai").unwrap()
}

/// One bar: its symbol, minute of the day, close, money and number. They determine the other
/// values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) symbol: String,
    pub(crate) minute: i64,
    pub(crate) close: f64,
    pub(crate) money: Option<f64>,
    pub(crate) seq: u64,
}

pub(crate) fn bar(symbol: &str, minute: i64, close: f64, seq: u64) -> Bar {
    let money = (!seq.is_multiple_of(3)).then_some(close * 100.0);
    let symbol = symbol.to_owned();
    Bar { symbol, minute, close, money, seq }
}

pub(crate) fn rows(bars: &[Bar]) -> RecordBatch {
    let symbols = bars.iter().map(|bar| &bar.symbol);
    rows_with(bars, Arc::new(StringArray::from_iter_values(symbols)))
}

pub(crate) fn rows_with_dictionary(bars: &[Bar]) -> RecordBatch {
    let mut symbols = StringDictionaryBuilder::<Int32Type>::new();
    symbols.append_value("unused");
    bars.iter().for_each(|bar| symbols.append_value(&bar.symbol));
    rows_with(bars, Arc::new(symbols.finish().slice(1, bars.len())))
}

fn rows_with(bars: &[Bar], symbols: ArrayRef) -> RecordBatch {
    let frames = bars.iter().map(|bar| OPEN_MS + bar.minute * 60_000);
    let frames = TimestampMillisecondArray::from_iter_values(frames).with_timezone("Asia/Shanghai");
    let column =
        |value: fn(&Bar) -> Option<f64>| Arc::new(bars.iter().map(value).collect::<Float64Array>()) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable([
        ("symbol", symbols, false),
        ("frame", Arc::new(frames), false),
        ("open", column(|bar| Some(bar.close - 1.0)), false),
        ("high", column(|bar| Some(bar.close + 0.25)), false),
        ("low", column(|bar| Some(bar.close - 1.25)), false),
        ("close", column(|bar| Some(bar.close)), false),
        ("volume", column(|bar| Some(bar.close * 10.0)), false),
        ("money", column(|bar| bar.money), true),
        ("factor", column(|_| Some(1.0)), true),
        ("seq", Arc::new(UInt64Array::from_iter_values(bars.iter().map(|bar| bar.seq))), false),
    ])
    .unwrap()
}

/// A row that can be compared: symbol, frame, and the bits of every value (`None` for a null).
pub(crate) type Row = (String, i64, Vec<Option<u64>>);

pub(crate) fn contents(batch: &RecordBatch) -> Vec<Row> {
    let symbols = batch.column(0).as_string::<i32>();
    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>();
    let bits = |row: usize| {
        let columns = batch.columns()[2..9].iter();
        columns
            .map(|column| column.as_primitive::<Float64Type>())
            .map(|column| column.is_valid(row).then(|| column.value(row).to_bits()))
            .collect()
    };
    (0..batch.num_rows()).map(|row| (symbols.value(row).to_owned(), frames.value(row), bits(row))).collect()
}

/// The expected contents of a day after `bars` were received in this order: the last one of each
/// (symbol, frame), sorted.
pub(crate) fn expected(bars: &[Bar]) -> Vec<Row> {
    let all = contents(&rows(bars));
    let latest: std::collections::BTreeMap<_, _> =
        all.into_iter().map(|(symbol, frame, values)| ((symbol, frame), values)).collect();
    latest.into_iter().map(|((symbol, frame), values)| (symbol, frame, values)).collect()
}

/// The contents of the day; empty when it has none.
pub(crate) fn read(archive: &Archive, day: Date) -> Vec<Row> {
    let Some((meta, batch)) = archive.read(day).unwrap() else {
        return Vec::new();
    };
    assert_eq!(meta.rows, batch.num_rows() as u64);
    contents(&batch)
}
