//! Casts of producers' batches: every type of every column, names, labels, zones, and the faults of
//! rows.

use std::sync::Arc;

use arrow::array::builder::StringDictionaryBuilder;
use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Date64Array, Decimal128Array, Float64Array, Int64Array, NullArray,
    RecordBatch, StringArray,
};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::datatypes::{Int8Type, Int32Type, UInt64Type};
use barbus_bars::{BarBatch, BarSchema, CastError, CastOptions, ColumnMap, Fault, Label, PriceType, Rules};
use jiff::tz::TimeZone;
use proptest::prelude::*;

/// 2024-03-01T09:31:00Z.
const FRAME: i64 = 1_709_285_460_000;

fn utf8(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from_iter(values.iter().copied()))
}

fn f64s(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values.iter().copied()))
}

fn schema() -> BarSchema {
    BarSchema::in_zone("Asia/Shanghai").unwrap()
}

/// Columns of `rows` valid bars; those in `other` replace or follow them.
fn batch(rows: usize, other: &[(&str, ArrayRef)]) -> RecordBatch {
    let frames: Vec<i64> = (0..rows as i64).map(|i| FRAME + i * 60_000).collect();
    let frames = arrow::array::TimestampMillisecondArray::from(frames).with_timezone("UTC");
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("symbol", utf8(&vec![Some("A"); rows])),
        ("frame", Arc::new(frames)),
        ("open", f64s(&vec![10.0; rows])),
        ("high", f64s(&vec![12.0; rows])),
        ("low", f64s(&vec![9.0; rows])),
        ("close", f64s(&vec![11.0; rows])),
        ("volume", f64s(&vec![100.0; rows])),
    ];
    for (name, column) in other {
        match columns.iter_mut().find(|(n, _)| n == name) {
            Some(place) => place.1 = column.clone(),
            None => columns.push((name, column.clone())),
        }
    }
    RecordBatch::try_from_iter(columns).unwrap()
}

fn cast(batch: &RecordBatch) -> BarBatch {
    BarBatch::cast(batch, &schema(), &CastOptions::default()).unwrap()
}

fn error(batch: &RecordBatch) -> String {
    BarBatch::cast(batch, &schema(), &CastOptions::default()).unwrap_err().to_string()
}

fn code(bars: &BarBatch, row: usize) -> &str {
    bars.fault(row).map_or("valid", Fault::code)
}

#[test]
fn symbols_of_every_string_type() {
    let plain = utf8(&[Some("600000.XSHG"), Some("A"), Some("600000.XSHG"), None, Some("")]);
    let dictionary = |key: DataType, value: DataType| DataType::Dictionary(Box::new(key), Box::new(value));
    let types = [
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        dictionary(DataType::Int32, DataType::Utf8),
        dictionary(DataType::Int8, DataType::Utf8),
        dictionary(DataType::UInt32, DataType::LargeUtf8),
        dictionary(DataType::Int64, DataType::Utf8View),
    ];
    for data_type in types {
        let column = arrow_cast(&plain, &data_type).unwrap();
        let bars = cast(&batch(5, &[("symbol", column)]));
        let symbols: Vec<Option<&str>> = (0..5).map(|row| bars.symbol(row)).collect();
        let expected = [Some("600000.XSHG"), Some("A"), Some("600000.XSHG"), None, None];
        assert_eq!(symbols, expected, "{data_type}");
        assert_eq!(bars.symbol_keys()[3..], [-1, -1], "{data_type}");
        let codes: Vec<&str> = bars.faults().iter().map(|(_, fault)| fault.code()).collect();
        assert_eq!(codes, ["missing-value", "empty-symbol"], "{data_type}");
    }
}

#[test]
fn symbols_at_their_longest() {
    let (fits, long) = ("x".repeat(64), "é".repeat(33));
    let bars = cast(&batch(2, &[("symbol", utf8(&[Some(&fits), Some(&long)]))]));
    assert_eq!(bars.symbol(0), Some(&fits[..]));
    assert_eq!(bars.fault(1), Some(&Fault::LongSymbol));
    // A dictionary with an invalid value that no row uses: no row has a fault.
    let mut builder = StringDictionaryBuilder::<Int8Type>::new();
    builder.append_value(&long);
    builder.append_value("B");
    let column: ArrayRef = Arc::new(builder.finish().slice(1, 1));
    let bars = cast(&batch(1, &[("symbol", column)]));
    assert_eq!((bars.symbol(0), bars.faults().len()), (Some("B"), 0));
}

#[test]
fn frames_of_every_type_that_carries_an_instant() {
    let ms: ArrayRef = Arc::new(Int64Array::from(vec![FRAME, FRAME + 60_000]));
    let stamp = |unit, zone: &str| DataType::Timestamp(unit, Some(zone.into()));
    let base = arrow_cast(&ms, &stamp(TimeUnit::Millisecond, "UTC")).unwrap();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        for zone in ["UTC", "+08:00", "Asia/Shanghai", "America/New_York"] {
            // Only the name of the zone changes, not the instant.
            let column = arrow_cast(&base, &stamp(unit, "UTC")).unwrap();
            let data = column.to_data().into_builder().data_type(stamp(unit, zone)).build().unwrap();
            columns.push(arrow::array::make_array(data));
        }
    }
    for scale in [1000.0, 1.0, 0.001, 0.000001] {
        let epoch = |add: i64| ((FRAME + add) as f64 / scale).round() as i64;
        columns.push(Arc::new(Int64Array::from(vec![epoch(0), epoch(60_000)])));
    }
    columns.push(Arc::new(arrow::array::UInt32Array::from(vec![1_709_285_460, 1_709_285_520])));
    for texts in [
        ["2024-03-01T09:31:00Z", "2024-03-01T09:32:00Z"],
        ["2024-03-01 17:31:00+08:00", "2024-03-01 04:32:00.000-0500"],
        ["1709285460", "1709285520000"],
    ] {
        let column = utf8(&texts.map(Some));
        columns.push(arrow_cast(&column, &DataType::LargeUtf8).unwrap());
        columns.push(arrow_cast(&column, &DataType::Utf8View).unwrap());
        let keys = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
        columns.push(arrow_cast(&column, &keys).unwrap());
        columns.push(column);
    }
    for column in columns {
        let bars = cast(&batch(2, &[("frame", column.clone())]));
        assert_eq!(bars.frames_ms(), [FRAME, FRAME + 60_000], "{column:?}");
        assert!(bars.faults().is_empty(), "{column:?}");
    }
}

#[test]
fn frames_that_are_a_wall_clock() {
    // 17:31 on a clock in Shanghai, 09:31 on a clock in London in winter.
    let in_shanghai = FRAME + 8 * 3_600_000;
    let naive = |ms: i64, unit| {
        let ms: ArrayRef = Arc::new(Int64Array::from(vec![ms]));
        let ms = arrow_cast(&ms, &DataType::Timestamp(TimeUnit::Millisecond, None)).unwrap();
        arrow_cast(&ms, &DataType::Timestamp(unit, None)).unwrap()
    };
    for at in [
        [Some("2024-03-01 17:31"), Some("2024-03-01 09:31")],
        [Some("2024/3/1 17:31:00"), Some("2024/3/1 9:31")],
        [Some("202403011731"), Some("202403010931")],
        [Some("20240301173100"), Some("20240301093100")],
    ] {
        let bars = cast(&batch(1, &[("frame", utf8(&at[..1]))]));
        assert_eq!(bars.frames_ms(), [FRAME], "{at:?}");
        let london = CastOptions { zone: TimeZone::get("Europe/London").ok(), ..CastOptions::default() };
        let bars = BarBatch::cast(&batch(1, &[("frame", utf8(&at[1..]))]), &schema(), &london).unwrap();
        assert_eq!(bars.frames_ms(), [FRAME], "{at:?}");
    }
    let columns: [ArrayRef; 7] = [
        naive(in_shanghai, TimeUnit::Second),
        naive(in_shanghai, TimeUnit::Millisecond),
        naive(in_shanghai, TimeUnit::Microsecond),
        naive(in_shanghai, TimeUnit::Nanosecond),
        Arc::new(Date64Array::from(vec![in_shanghai])),
        Arc::new(Int64Array::from(vec![202_403_011_731])),
        Arc::new(Int64Array::from(vec![20_240_301_173_100])),
    ];
    for column in columns {
        let bars = cast(&batch(1, &[("frame", column.clone())]));
        assert_eq!(bars.frames_ms(), [FRAME], "{column:?}");
    }
    // A date alone means its midnight.
    let midnight = [1_709_222_400_000];
    let bars = cast(&batch(1, &[("frame", Arc::new(Date32Array::from(vec![19_783])))]));
    assert_eq!(bars.frames_ms(), midnight);
    assert_eq!(cast(&batch(1, &[("frame", utf8(&[Some("20240301")]))])).frames_ms(), midnight);
}

#[test]
fn wall_clocks_at_a_change_of_offset() {
    let schema = BarSchema::in_zone("America/New_York").unwrap();
    let texts = ["2024-03-10 01:59", "2024-03-10 02:30", "2024-03-10 03:00", "2024-11-03 01:30"];
    let source = batch(4, &[("frame", utf8(&texts.map(Some)))]);
    let bars = BarBatch::cast(&source, &schema, &CastOptions::default()).unwrap();
    assert_eq!(bars.frames_ms()[2] - bars.frames_ms()[0], 60_000, "the clock skips an hour");
    assert_eq!(
        bars.faults(),
        [(1, Fault::Unparseable { column: "frame".to_owned(), text: "2024-03-10 02:30".to_owned() })]
    );
    assert_eq!(bars.frames_ms()[3], 1_730_611_800_000, "the first of two 01:30");
}

#[test]
fn a_start_label_is_shifted_to_the_end() {
    let start = CastOptions { label: Some(Label::Start), ..CastOptions::default() };
    let plain = batch(2, &[]);
    let naive = batch(2, &[("frame", utf8(&[Some("2024-03-01 17:31"), Some("2024-03-01 17:32")]))]);
    for source in [plain, naive] {
        let bars = BarBatch::cast(&source, &schema(), &start).unwrap();
        assert_eq!(bars.frames_ms(), [FRAME + 60_000, FRAME + 120_000]);
    }
    let five = CastOptions { interval_ms: 300_000, ..start };
    let source = batch(2, &[("frame", utf8(&[Some("2024-03-01 17:30"), Some("2024-03-01 17:31")]))]);
    let bars = BarBatch::cast(&source, &schema(), &five).unwrap();
    assert_eq!(bars.frames_ms()[0], FRAME - 60_000 + 300_000);
    assert_eq!(bars.faults(), [(1, Fault::OffInterval)]);
    let never = CastOptions { interval_ms: 0, ..CastOptions::default() };
    let err = BarBatch::cast(&batch(1, &[]), &schema(), &never).unwrap_err();
    assert_eq!(err.to_string(), "the bar interval is 0 ms: give one above zero");
}

// Promise 9: a time at which no bar can end is a fault; it is neither rounded nor dropped.
#[test]
fn times_at_which_no_bar_ends() {
    let cases = [
        (Some("2024-03-01T09:31:01Z"), "off-interval"),
        (Some("2024-03-01T09:31:00.001Z"), "off-interval"),
        (Some("2024-03-01T09:31:00.0000001Z"), "off-interval"),
        (Some("1709285460000001"), "off-interval"),
        (Some("2024-02-30 09:31"), "unparseable"),
        (Some("word"), "unparseable"),
        (Some("9999-12-31 00:00"), "unparseable"),
        (Some("-60"), "unparseable"),
        (Some("99999999999999999999"), "unparseable"),
        (Some("  "), "missing-value"),
        (None, "missing-value"),
    ];
    for (text, expected) in cases {
        let bars = cast(&batch(1, &[("frame", utf8(&[text]))]));
        assert_eq!(code(&bars, 0), expected, "{text:?}");
    }
    for odd in [i64::MIN, -1, i64::MAX] {
        for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
            for zone in [None, Some("UTC".into())] {
                let column: ArrayRef = Arc::new(Int64Array::from(vec![odd]));
                let column = arrow_cast(&column, &DataType::Timestamp(unit, None)).unwrap();
                let data = column.to_data().into_builder();
                let data = data.data_type(DataType::Timestamp(unit, zone)).build().unwrap();
                let bars = cast(&batch(1, &[("frame", arrow::array::make_array(data))]));
                assert_ne!(code(&bars, 0), "valid", "{odd} {unit:?}");
                assert_eq!(bars.frames_ms(), [i64::MIN]);
            }
        }
        let bars = cast(&batch(1, &[("frame", Arc::new(Int64Array::from(vec![odd])))]));
        assert_ne!(code(&bars, 0), "valid", "{odd}");
    }
}

#[test]
fn numbers_of_every_type() {
    let whole = f64s(&[10.0, 11.0]);
    let integers = [
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
        DataType::Utf8,
    ];
    for data_type in integers {
        let column = arrow_cast(&whole, &data_type).unwrap();
        let bars = cast(&batch(2, &[("open", column)]));
        assert_eq!(bars.open(), [10.0, 11.0], "{data_type}");
        assert!(bars.faults().is_empty(), "{data_type}");
    }
    let texts = utf8(&[Some("9.27"), Some(" 1.135e1 ")]);
    let decimals: ArrayRef =
        Arc::new(Decimal128Array::from(vec![92_700, 113_500]).with_precision_and_scale(18, 4).unwrap());
    let keys = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let fractions = [
        texts.clone(),
        arrow_cast(&texts, &DataType::LargeUtf8).unwrap(),
        arrow_cast(&texts, &DataType::Utf8View).unwrap(),
        arrow_cast(&texts, &keys).unwrap(),
        arrow_cast(&decimals, &DataType::Decimal32(9, 4)).unwrap(),
        arrow_cast(&decimals, &DataType::Decimal64(18, 4)).unwrap(),
        arrow_cast(&decimals, &DataType::Decimal256(60, 30)).unwrap(),
        arrow_cast(&decimals, &DataType::Decimal128(38, 30)).unwrap(),
        decimals,
    ];
    for column in fractions {
        // Bit for bit the double nearest to the text.
        let bars = cast(&batch(2, &[("open", column.clone())]));
        assert_eq!(bars.open(), [9.27, 11.35], "{}", column.data_type());
    }
    let single = arrow_cast(&f64s(&[9.27]), &DataType::Float32).unwrap();
    assert_eq!(cast(&batch(1, &[("open", single)])).open(), [f64::from(9.27f32)]);
}

// Promise 9: the declared precision of a decimal may be wrong; the values count.
#[test]
fn decimals_wider_than_their_declared_precision_keep_all_digits() {
    let wide = |unscaled: i128, precision, scale| -> ArrayRef {
        let column = Decimal128Array::from(vec![unscaled]).with_data_type(DataType::Decimal128(precision, scale));
        Arc::new(column)
    };
    let cases = [
        (wide(90_071_992_547_409_931, 5, 2), 900_719_925_474_099.2),
        (wide(123_456_789_012_345_678_901, 4, 10), 12_345_678_901.234_568),
        (wide(-123_456_789_012_345_678_901, 4, 19), -12.345_678_901_234_568),
        (wide(i128::MIN, 1, 127), -1.701_411_834_604_692_3e-89),
        (wide(i128::MAX, 38, -128), 1.701_411_834_604_692_3e166),
    ];
    for (column, value) in cases {
        let bars = cast(&batch(1, &[("volume", column.clone())]));
        assert_eq!(bars.volume(), [value], "{}", column.data_type());
    }
}

#[test]
fn prices_of_a_float32_schema_are_rounded_once() {
    let source = batch(1, &[("open", f64s(&[9.27])), ("volume", f64s(&[0.1])), ("money", f64s(&[0.1]))]);
    let bars = BarBatch::cast(&source, &BarSchema::zillionare(), &CastOptions::default()).unwrap();
    assert_eq!(bars.open(), [f64::from(9.27f32)]);
    assert_eq!((bars.volume(), bars.optional(0).value(0)), (&[0.1][..], 0.1), "only prices are rounded");
    let huge = BarSchema::new("UTC", PriceType::Float32, [] as [&str; 0]).unwrap();
    let source = batch(1, &[("high", f64s(&[1e300]))]);
    let bars = BarBatch::cast(&source, &huge, &CastOptions::default()).unwrap();
    assert_eq!(code(&bars, 0), "not-finite", "beyond the largest f32");
}

// Promise 9: each invalid bar has its reason, and the valid ones between them continue.
#[test]
fn every_rule_has_its_fault() {
    let one = |name: &str, value: f64| batch(1, &[(name, f64s(&[value]))]);
    let text = |name: &str, value: Option<&str>| batch(1, &[(name, utf8(&[value]))]);
    let cases = [
        (one("open", f64::NAN), "not-finite", "open is not a finite number"),
        (one("high", f64::INFINITY), "not-finite", "high is not a finite number"),
        (one("volume", f64::INFINITY), "not-finite", "volume is not a finite number"),
        (one("volume", f64::NAN), "not-finite", "volume is not a finite number"),
        (one("money", f64::NAN), "not-finite", "money is not a finite number"),
        (text("factor", Some("inf")), "not-finite", "factor is not a finite number"),
        (one("volume", -0.5), "negative-volume", "volume is negative"),
        (one("high", 10.9), "high-low", "high is below open or close, or low is above one of them"),
        (one("low", 10.1), "high-low", "high is below open or close, or low is above one of them"),
        (text("close", Some("eleven")), "unparseable", "cannot read \"eleven\" as close"),
        (text("money", Some("1,5")), "unparseable", "cannot read \"1,5\" as money"),
        (text("volume", None), "missing-value", "volume is missing"),
        (text("volume", Some("")), "missing-value", "volume is missing"),
        (batch(1, &[("low", Arc::new(NullArray::new(1)))]), "missing-value", "low is missing"),
        (batch(1, &[("frame", Arc::new(NullArray::new(1)))]), "missing-value", "frame is missing"),
    ];
    for (source, expected, sentence) in cases {
        let bars = cast(&source);
        assert_eq!(code(&bars, 0), expected, "{sentence}");
        assert_eq!(bars.faults()[0].1.to_string(), sentence);
        assert_eq!(bars.to_record_batch(&[0]).num_rows(), 0, "an invalid row is not sent");
    }
    for (name, value) in [("volume", 0.0), ("volume", -0.0), ("low", -40.32), ("money", -1.0), ("factor", 0.0)] {
        assert!(cast(&one(name, value)).faults().is_empty(), "{name} {value}");
    }
    let negative = ["open", "high", "low", "close"].map(|name| (name, f64s(&[-37.63])));
    assert!(cast(&batch(1, &negative)).faults().is_empty(), "oil in April 2020");
    let lenient = CastOptions { rules: Rules { high_low: false }, ..CastOptions::default() };
    let bars = BarBatch::cast(&one("close", f64::INFINITY), &schema(), &lenient).unwrap();
    assert_eq!(code(&bars, 0), "not-finite");
    let bars = BarBatch::cast(&one("high", 1.0), &schema(), &lenient).unwrap();
    assert!(bars.faults().is_empty());
}

#[test]
fn a_row_has_the_first_fault_and_the_others_none() {
    let source = batch(
        4,
        &[
            ("symbol", utf8(&[Some("A"), None, Some("B"), Some("C")])),
            ("open", utf8(&[Some("10"), Some("x"), Some("y"), Some("10")])),
            ("volume", f64s(&[1.0, -1.0, -1.0, 1.0])),
        ],
    );
    let bars = cast(&source);
    let codes: Vec<(usize, &str)> = bars.faults().iter().map(|(row, fault)| (*row, fault.code())).collect();
    assert_eq!(codes, [(1, "missing-value"), (2, "unparseable")], "the first fault of each row, ascending");
    assert_eq!(bars.valid_rows(), [0, 3]);
    assert!(bars.open()[1].is_nan());
}

#[test]
fn optional_columns_may_be_null_absent_or_present() {
    let money: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.5), None]));
    let bars = cast(&batch(2, &[("amount", money)]));
    assert!(bars.faults().is_empty());
    assert_eq!(bars.optional(0).iter().collect::<Vec<_>>(), [Some(1.5), None]);
    assert_eq!(bars.optional(1).null_count(), 2, "the batch has no factor");
    let text = cast(&batch(2, &[("money", utf8(&[Some(" "), Some("2")]))]));
    assert_eq!(text.optional(0).iter().collect::<Vec<_>>(), [None, Some(2.0)]);
    let vwap = BarSchema::new("UTC", PriceType::Float64, ["VWAP"]).unwrap();
    let bars = BarBatch::cast(&batch(1, &[("vwap", f64s(&[3.0]))]), &vwap, &CastOptions::default()).unwrap();
    assert_eq!(bars.optional(0).value(0), 3.0);
}

#[test]
fn whole_batches_that_cannot_be_cast() {
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    let cases = [
        ("symbol", f64s(&[600_000.0]), "column symbol has type Float64, which cannot be read as text"),
        ("frame", f64s(&[1.7e9]), "column frame has type Float64, which cannot be read as a time"),
        ("open", flags.clone(), "column open has type Boolean, which cannot be read as a number"),
        ("money", flags, "column money has type Boolean, which cannot be read as a number"),
        ("time", utf8(&[None]), ""),
    ];
    for (name, column, message) in cases {
        let source = batch(1, &[(name, column)]);
        if message.is_empty() {
            assert!(cast(&source).faults().is_empty(), "the column's own name wins over {name}");
        } else {
            assert_eq!(error(&source), message);
        }
    }
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![7]));
    let keys = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Int64));
    let message = error(&batch(1, &[("symbol", arrow_cast(&numbers, &keys).unwrap())]));
    assert!(message.contains("cannot be read as text"), "{message}");

    let no_close = batch(1, &[]).project(&[0, 1, 2, 3, 4, 6]).unwrap();
    let err = BarBatch::cast(&no_close, &schema(), &CastOptions::default()).unwrap_err();
    assert!(matches!(&err, CastError::MissingColumn { column, .. } if column == "close"), "{err}");
    assert_eq!(err.to_string(), "no column for close among symbol, frame, open, high, low, volume");
}

#[test]
fn vendor_names_and_an_explicit_map() {
    let source = batch(1, &[]);
    let renamed = |names: [&str; 7]| {
        let columns = names.into_iter().zip(source.columns().iter().cloned());
        RecordBatch::try_from_iter(columns).unwrap()
    };
    for names in [
        ["ts_code", "trade_time", "open", "high", "low", "close", "vol"],
        ["order_book_id", "datetime", "Open", "High", "Low", "Close", "Volume"],
        ["s", "t", "o", "h", "l", "c", "v"],
        ["Ticker", "Bar Time", "open_price", "high_price", "low_price", "close_price", "qty"],
    ] {
        let bars = cast(&renamed(names));
        assert_eq!((bars.symbol(0), bars.frames_ms(), bars.close()), (Some("A"), &[FRAME][..], &[11.0][..]));
    }
    // Promise 9: a name that states the start, or an end in the last second, is obeyed.
    let starts = cast(&renamed(["s", "Open Time", "o", "h", "l", "c", "v"]));
    assert_eq!(starts.frames_ms(), [FRAME + 60_000]);
    let given = CastOptions { label: Some(Label::End), ..CastOptions::default() };
    let starts = renamed(["s", "window_start", "o", "h", "l", "c", "v"]);
    assert_eq!(BarBatch::cast(&starts, &schema(), &given).unwrap().frames_ms(), [FRAME]);
    let closes = Arc::new(Int64Array::from(vec![FRAME - 1])) as ArrayRef;
    assert_eq!(cast(&batch(1, &[("frame", closes.clone())])).frames_ms(), [FRAME - 1]);
    let names = ["s", "close_time", "o", "h", "l", "c", "v"].into_iter();
    let columns = [source.columns()[0].clone(), closes].into_iter().chain(source.columns()[2..].iter().cloned());
    let closes = RecordBatch::try_from_iter(names.zip(columns)).unwrap();
    assert_eq!(cast(&closes).frames_ms(), [FRAME]);
    let odd = renamed(["Wer", "Wann", "o", "h", "l", "c", "v"]);
    let map = ColumnMap::parse("symbol=Wer, frame=wann").unwrap();
    let bars = BarBatch::cast(&odd, &schema(), &CastOptions { map, ..CastOptions::default() }).unwrap();
    assert_eq!(bars.symbol(0), Some("A"));
}

#[test]
fn canonical_input_is_neither_copied_nor_changed() {
    let money: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None, Some(3.0)]));
    let symbols = utf8(&[Some("B"), Some("A"), Some("B")]);
    let frames = utf8(&[Some("2024-03-01T09:33Z"), Some("2024-03-01T09:32Z"), Some("2024-03-01T09:32Z")]);
    let first = cast(&batch(3, &[("money", money), ("symbol", symbols), ("frame", frames)]));
    let wire = first.to_record_batch(&[0, 1, 2]);
    assert_eq!(wire.schema(), schema().wire_schema());

    let again = cast(&wire);
    assert_eq!(again.open().as_ptr(), wire.column(2).to_data().buffers()[0].typed_data::<f64>().as_ptr());
    assert_eq!(again.frames_ms().as_ptr(), wire.column(1).to_data().buffers()[0].typed_data::<i64>().as_ptr());
    assert_eq!(again.symbol_keys().as_ptr(), wire.column(0).to_data().buffers()[0].typed_data::<i32>().as_ptr());
    assert_eq!(again.to_record_batch(&[0, 1, 2]), wire);

    assert_eq!(again.feed_order(), [1, 2, 0], "stable within a minute");
    let sorted = again.to_record_batch(&again.feed_order());
    assert_eq!(sorted.column(7).as_any().downcast_ref::<Float64Array>().unwrap().value(1), 3.0);
    assert!(sorted.column(7).is_null(0));
    // A slice has an offset, which every column must keep.
    let sliced = cast(&wire.slice(1, 2));
    assert_eq!((sliced.symbol(0), sliced.frames_ms()), (Some("A"), &[FRAME + 60_000; 2][..]));
    assert!(sliced.optional(0).is_null(0));
    assert!(cast(&wire.slice(0, 0)).is_empty());
}

#[test]
fn batches_are_joined_under_one_dictionary() {
    let bad = cast(&batch(2, &[("symbol", utf8(&[Some("B"), None]))]));
    let good = cast(&batch(2, &[("symbol", utf8(&[Some("A"), Some("B")])), ("money", f64s(&[1.0, 2.0]))]));
    let all = BarBatch::concat(&[good, bad]).unwrap();
    let symbols: Vec<Option<&str>> = (0..4).map(|row| all.symbol(row)).collect();
    assert_eq!(symbols, [Some("A"), Some("B"), Some("B"), None]);
    assert_eq!(all.symbols().len(), 2);
    assert_eq!(all.faults().iter().map(|(row, _)| *row).collect::<Vec<_>>(), [3]);
    assert_eq!(all.optional(0).iter().collect::<Vec<_>>(), [Some(1.0), Some(2.0), None, None]);
    assert!(BarBatch::concat(&[]).is_none());
}

/// A key of a dictionary may be null, and a value too.
#[test]
fn null_keys_and_null_values_of_a_dictionary() {
    let keys = arrow::array::PrimitiveArray::<Int32Type>::from(vec![Some(0), None, Some(1)]);
    let values = utf8(&[Some("A"), None]);
    let column: ArrayRef = Arc::new(arrow::array::DictionaryArray::new(keys, values.clone()));
    let bars = cast(&batch(3, &[("symbol", column)]));
    assert_eq!(bars.symbol_keys(), [0, -1, -1]);
    assert_eq!(bars.faults().len(), 2);
    let keys = arrow::array::PrimitiveArray::<UInt64Type>::from(vec![Some(1)]);
    let column: ArrayRef = Arc::new(arrow::array::DictionaryArray::new(keys, values));
    assert_eq!(code(&cast(&batch(1, &[("symbol", column)])), 0), "missing-value");
}

/// Values that lose digits are taken, and the batch says so.
#[test]
fn values_of_too_many_digits_are_noted() {
    let rounded = |name: &str, column: ArrayRef| cast(&batch(1, &[(name, column)])).rounded().map(str::to_owned);
    let exact = (1_i64 << 53) as f64;
    assert_eq!(rounded("volume", f64s(&[exact])), None);
    assert_eq!(rounded("volume", f64s(&[exact + 2.0])).as_deref(), Some("volume"));
    assert_eq!(rounded("volume", Arc::new(Int64Array::from(vec![(1 << 53) + 1]))), None, "rounded to 2^53");
    assert_eq!(rounded("money", Arc::new(Int64Array::from(vec![i64::MAX]))).as_deref(), Some("money"));
    assert_eq!(rounded("money", utf8(&[Some("12345678901234.567")])), None);
    assert_eq!(rounded("money", utf8(&[Some("12345678901234.5678")])).as_deref(), Some("money"));
    let decimal = |unscaled: i128| {
        Arc::new(Decimal128Array::from(vec![unscaled]).with_precision_and_scale(38, 4).unwrap()) as ArrayRef
    };
    assert_eq!(rounded("money", decimal(99_999_999_999_999_999)), None);
    assert_eq!(rounded("money", decimal(100_000_000_000_000_000)).as_deref(), Some("money"));
}

/// A dictionary of one long text with many rows: the text is not copied for each row, which would
/// take 64 GB here, and it is not searched for a number.
#[test]
fn a_long_text_of_a_dictionary_is_not_multiplied() {
    const ROWS: usize = 65_536;
    let long: ArrayRef = Arc::new(StringArray::from(vec![" ".repeat(1 << 20)]));
    for value in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
        let keys = arrow::array::Int32Array::from(vec![0; ROWS]);
        let values = arrow_cast(&long, &value).unwrap();
        let column: ArrayRef = Arc::new(arrow::array::DictionaryArray::new(keys, values));
        for name in ["symbol", "frame", "open", "money"] {
            let bars = cast(&batch(ROWS, &[(name, column.clone())]));
            assert_eq!(bars.faults().len(), ROWS, "{name} {value}");
            assert_eq!(code(&bars, 0), if name == "symbol" { "long-symbol" } else { "unparseable" });
        }
    }
}

proptest! {
    /// Each row, whatever its text, is a bar or has a fault.
    #[test]
    fn any_text_anywhere_is_read_or_a_fault(texts in prop::collection::vec(".{0,24}", 7), frame in "[0-9TZ :+./-]{0,25}") {
        let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
        for (name, text) in ["symbol", "open", "high", "low", "close", "volume", "money"].into_iter().zip(&texts) {
            columns.push((name, utf8(&[Some(text)])));
        }
        columns.push(("frame", utf8(&[Some(&frame)])));
        let bars = cast(&batch(1, &columns));
        let sent = bars.to_record_batch(&[0]).num_rows();
        prop_assert_eq!(sent + bars.faults().len(), 1);
    }

    /// A price that is written as text and read again has the same bits.
    #[test]
    fn text_round_trips(value in -1e9..1e9f64, minute in 0..100_000_000_i64) {
        let frame = jiff::Timestamp::from_millisecond(minute * 60_000).unwrap().to_string();
        let text = value.to_string();
        let same = ["open", "high", "low", "close"].map(|name| (name, utf8(&[Some(&text)])));
        let bars = cast(&batch(1, &[&same[..], &[("frame", utf8(&[Some(&frame)]))]].concat()));
        prop_assert!(bars.faults().is_empty());
        prop_assert_eq!(bars.open()[0].to_bits(), value.to_bits());
        prop_assert_eq!(bars.frames_ms()[0], minute * 60_000);
    }
}
