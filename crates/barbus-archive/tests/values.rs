//! Values of every kind, archived and read again: to the bit, in days of every length.
//!
//! How a column is encoded depends on its values and their number, so each kind is tried.
//! Promise 7: every bar of a closed day is in that day's file with the values that were received.

mod support;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Float32Array, Float64Array, RecordBatch, UInt64Array};
use arrow::array::{PrimitiveArray, TimestampMillisecondArray};
use arrow::datatypes::{ArrowPrimitiveType, Float32Type, Float64Type, Int32Type, TimestampMillisecondType};
use barbus_archive::Archive;
use barbus_bars::{BarSchema, PriceType};
use proptest::prelude::*;
use support::{CALENDAR, DAY, OPEN_MS};

/// A number without a pattern, from 1 to 2.
fn noise(row: usize) -> f64 {
    f64::from_bits((row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12 | 0x3ff0_0000_0000_0000)
}

fn odd(row: usize) -> f64 {
    let nan = |payload: u64| f64::from_bits(0x7ff8_0000_0000_0000 | payload);
    let all = [0.0, -0.0, nan(0), nan(7), -nan(1), f64::INFINITY, f64::NEG_INFINITY, -1.5, 5e-324, f64::MIN, f64::MAX];
    all[row % all.len()]
}

/// Ticks, lots, a constant, numbers of all kinds, values that repeat nearby, values that seldom
/// repeat, whole numbers that never do, and one other value among zeros.
const KINDS: [fn(usize) -> f64; 8] = [
    |row| (noise(row) * 1_000.0).floor() / 100.0,
    |row| (noise(row) * 500.0).floor() * 100.0,
    |_| 1.0,
    odd,
    |row| noise(row / 2),
    noise,
    |row| row as f64,
    |row| if row == 1 { f64::NAN } else { 0.0 },
];

/// Without nulls, with some, with long runs of them, with nothing else.
const NULLS: [fn(usize) -> bool; 4] = [|_| false, |row| row % 3 == 1, |row| row < 21_000, |_| true];

/// Rows already in the order of the file, `per_symbol` of each symbol, numbered one by one.
fn rows(count: usize, per_symbol: usize, prices: Vec<ArrayRef>, optional: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let symbols = (0..count).map(|row| format!("S{:06}", row / per_symbol));
    let symbols: Vec<String> = symbols.collect();
    let symbols: DictionaryArray<Int32Type> = symbols.iter().map(String::as_str).collect();
    let frames = (0..count).map(|row| OPEN_MS + (row % per_symbol) as i64 * 60_000);
    let frames = TimestampMillisecondArray::from_iter_values(frames).with_timezone("Asia/Shanghai");
    let names = ["open", "high", "low", "close", "volume"];
    let mut columns: Vec<(&str, ArrayRef)> = vec![("symbol", Arc::new(symbols)), ("frame", Arc::new(frames))];
    columns.extend(names.into_iter().zip(prices));
    columns.extend(optional);
    columns.push(("seq", Arc::new(UInt64Array::from_iter_values(0..count as u64))));
    RecordBatch::try_from_iter(columns).unwrap()
}

fn bits<T: ArrowPrimitiveType>(column: &dyn Array, bits: fn(T::Native) -> u64) -> Vec<Option<u64>> {
    column.as_primitive::<T>().iter().map(|value| value.map(bits)).collect()
}

fn column_bits(column: &dyn Array) -> Vec<Option<u64>> {
    match column.as_any().is::<PrimitiveArray<Float32Type>>() {
        true => bits::<Float32Type>(column, |value| u64::from(value.to_bits())),
        false => bits::<Float64Type>(column, f64::to_bits),
    }
}

/// Archives `rows` and reads them again.
fn check(schema: BarSchema, rows: &RecordBatch) {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open(dir.path().join("1m"), schema, CALENDAR).unwrap();
    let written = archive.write(DAY, rows, 1, rows.num_rows() as u64).unwrap();
    assert_eq!(written.rows, rows.num_rows() as u64);
    let (_, read) = archive.read(DAY).unwrap().unwrap();
    assert_eq!(read.num_rows(), rows.num_rows());
    let symbols = rows.column(0).as_dictionary::<Int32Type>();
    let symbols = symbols.downcast_dict::<arrow::array::StringArray>().unwrap();
    assert!(symbols.into_iter().eq(read.column(0).as_string::<i32>().iter()));
    let frames = |batch: &RecordBatch| batch.column(1).as_primitive::<TimestampMillisecondType>().values().clone();
    assert!(frames(rows) == frames(&read));
    for (i, field) in read.schema().fields().iter().enumerate().skip(2) {
        let meant = column_bits(rows.column_by_name(field.name()).unwrap());
        assert!(column_bits(read.column(i)) == meant, "{} of {} rows", field.name(), rows.num_rows());
    }
    assert!(archive.verify().unwrap().iter().all(|report| report.outcome.is_ok()));
}

fn numbers(count: usize, value: impl Fn(usize) -> f64) -> ArrayRef {
    Arc::new((0..count).map(value).collect::<Float64Array>())
}

/// Lengths around the limits at which the encoding changes.
#[test]
fn values_of_every_kind_are_kept_in_days_of_every_length() {
    for count in [1, 2, 63, 500, 9_999, 10_000, 70_001] {
        for shift in 0..KINDS.len() {
            let kind = |i: usize| KINDS[(shift + i) % KINDS.len()];
            let values = (0..5).map(|i| numbers(count, kind(i))).collect();
            let optional = ["money", "factor", "vwap"];
            let columns = optional.iter().enumerate().map(|(i, name)| {
                let null = NULLS[(shift + i) % NULLS.len()];
                let values = (0..count).map(|row| (!null(row)).then(|| kind(5 + i)(row)));
                (*name, Arc::new(values.collect::<Float64Array>()) as ArrayRef)
            });
            let schema = BarSchema::new("Asia/Shanghai", PriceType::Float64, optional).unwrap();
            check(schema, &rows(count, 240, values, columns.collect()));
        }
    }
}

#[test]
fn prices_of_32_bits_are_kept() {
    for count in [1, 5_000, 70_001] {
        for kind in KINDS {
            let prices = || Arc::new((0..count).map(|row| kind(row) as f32).collect::<Float32Array>()) as ArrayRef;
            let mut values = vec![prices(), prices(), prices(), prices()];
            values.push(numbers(count, kind));
            let schema = BarSchema::new("Asia/Shanghai", PriceType::Float32, Vec::<String>::new()).unwrap();
            check(schema, &rows(count, 240, values, Vec::new()));
        }
    }
}

/// Also more symbols than a dictionary may hold: the library continues without one.
#[test]
fn every_symbol_is_kept() {
    for (count, per_symbol) in [(70_001, 1), (70_001, 70_001), (30_000, 2)] {
        let values = (0..5).map(|_| numbers(count, noise)).collect();
        let schema = BarSchema::new("Asia/Shanghai", PriceType::Float64, Vec::<String>::new()).unwrap();
        check(schema, &rows(count, per_symbol, values, Vec::new()));
    }
}

/// Files of earlier versions are read. An earlier version encoded the pages of this one without the
/// library.
#[test]
fn a_file_of_an_earlier_version_is_read() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let schema = BarSchema::new("Asia/Shanghai", PriceType::Float64, ["money", "factor"]).unwrap();
    let archive = Archive::open_existing(data, schema, CALENDAR);
    let (meta, read) = archive.read(DAY).unwrap().unwrap();
    assert_eq!((meta.rows, meta.first_seq, meta.through_seq, meta.lineage, meta.part), (720, 0, 720, 77, 0));
    assert_eq!(meta.calendar, CALENDAR);
    let kinds = [KINDS[0], KINDS[3], KINDS[4], KINDS[5], KINDS[1]];
    for (i, kind) in kinds.into_iter().enumerate() {
        assert_eq!(column_bits(read.column(2 + i)), (0..720).map(|row| Some(kind(row).to_bits())).collect::<Vec<_>>());
    }
    let money = (0..720).map(|row| (row % 3 != 1).then(|| noise(row).to_bits()));
    assert_eq!(column_bits(read.column(7)), money.collect::<Vec<_>>());
    assert_eq!(column_bits(read.column(8)), vec![Some(1.0_f64.to_bits()); 720]);
    let symbols = read.column(0).as_string::<i32>();
    assert!((0..720).all(|row| symbols.value(row) == format!("S{:06}", row / 240)));
    let frames = read.column(1).as_primitive::<TimestampMillisecondType>();
    assert!((0..720).all(|row| frames.value(row) == OPEN_MS + (row % 240) as i64 * 60_000));
    assert!(archive.verify().unwrap().iter().all(|report| report.outcome.is_ok()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bits of a number and any nulls are read back.
    #[test]
    fn any_bits_are_kept(values in prop::collection::vec((any::<u64>(), any::<Option<u64>>()), 1..200)) {
        let count = values.len();
        let column = numbers(count, |row| f64::from_bits(values[row].0));
        let optional = values.iter().map(|(_, bits)| bits.map(f64::from_bits)).collect::<Float64Array>();
        let schema = BarSchema::new("Asia/Shanghai", PriceType::Float64, ["money"]).unwrap();
        check(schema, &rows(count, 17, vec![column; 5], vec![("money", Arc::new(optional))]));
    }
}
