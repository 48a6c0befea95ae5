//! Queries over a bus with archived days and an open one, by the program as a user runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use barbus::{Bus, InitOptions, Row};
use barbus_writer::Writer;

const MINUTE: i64 = 60_000;
/// 2024-07-01 09:30 in Shanghai, a Monday.
const OPEN: i64 = 1_719_797_400_000;
const SYMBOLS: [&str; 3] = ["000001.XSHE", "600000.XSHG", "688001.XSHG"];

/// Three days of 240 minutes, the last one open; the factor is the number of the day.
fn bus(folder: &Path) -> (Bus, Writer) {
    let options = InitOptions { calendar: "XSHG".into(), ..InitOptions::default() };
    let bus = Bus::init(&folder.join("bus"), &options).unwrap();
    let mut writer = Writer::open(&bus).unwrap();
    for day in 0..3 {
        for minute in (1..=120).chain(211..=330) {
            for symbol in SYMBOLS {
                let close = (day * 1_000 + minute) as f64;
                let mut row = Row {
                    symbol: writer.symbol(symbol).unwrap(),
                    frame_ms: OPEN + day * 86_400_000 + minute * MINUTE,
                    open: close,
                    high: close,
                    low: close,
                    close,
                    volume: 10.0,
                    ..Row::default()
                };
                (row.optional[1], row.present) = ((day + 1) as f64, 2);
                writer.push(&row).unwrap();
            }
        }
        if day < 2 {
            writer.close_day().unwrap();
            writer.flush().unwrap();
        }
    }
    (bus, writer)
}

fn run(bus: &Bus, query: &str, options: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_barbus-sql"));
    let output = command.arg(bus.path()).arg(query).args(options).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn csv(bus: &Bus, query: &str) -> Vec<String> {
    let (code, out, error) = run(bus, query, &["--format", "csv"]);
    assert_eq!(code, Some(0), "{query}: {error}");
    out.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn live_and_archived_bars_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let (bus, _writer) = bus(folder.path());
    assert_eq!(csv(&bus, "select count(*), count(distinct day), max(close) from bars"), ["2160,3,2330.0"]);
    assert_eq!(csv(&bus, "select count(*), min(day) from today"), ["720,2024-07-03"]);
    let last = "select symbol, frame, close from bars where symbol = '600000.XSHG' order by frame desc limit 1";
    assert_eq!(csv(&bus, last), ["600000.XSHG,2024-07-03T15:00:00+08:00,2330.0"]);
    assert_eq!(
        csv(&bus, "select count(*) from bars where symbol in ('600000.XSHG', '000001.XSHE') and day >= '2024-07-02'"),
        ["960"]
    );
    let times = "frame > '2024-07-01T10:00:00+08:00' and frame <= '2024-07-01T10:30:00+08:00'";
    assert_eq!(csv(&bus, &format!("select count(*) from bars where {times}")), ["90"]);
    assert_eq!(
        csv(&bus, "select count(*) from bars where day between '2024-07-01' and '2024-07-02' and close > 1000"),
        ["720"]
    );
    assert_eq!(csv(&bus, "select count(*) from bars where day > '2024-07-03'"), ["0"]);
}

#[test]
fn periods_and_adjusted_prices_are_functions() {
    let folder = tempfile::tempdir().unwrap();
    let (bus, _writer) = bus(folder.path());
    let hours = csv(
        &bus,
        "select bucket('1h', frame, symbol) as hour, last_value(close order by frame), count(*)
         from bars where symbol = '600000.XSHG' and day = '2024-07-01' group by hour order by hour",
    );
    let expected =
        ["10:30:00+08:00,60.0,60", "11:30:00+08:00,120.0,60", "14:00:00+08:00,270.0,60", "15:00:00+08:00,330.0,60"];
    assert_eq!(hours, expected.map(|line| format!("2024-07-01T{line}")));
    assert_eq!(csv(&bus, "select count(distinct bucket('5m', frame)) from today"), ["48"]);
    let first = "where symbol = '600000.XSHG' order by frame limit 1";
    assert_eq!(csv(&bus, &format!("select close, volume from adjusted('backward') {first}")), ["1.0,10.0"]);
    let forward = csv(&bus, &format!("select close * 3, volume from adjusted('forward') {first}"));
    assert_eq!(forward, ["1.0,30.0"]);
}

#[test]
fn conditions_decide_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (bus, _writer) = bus(folder.path());
    let plan = |query: &str| run(&bus, &format!("explain {query}"), &[]).1;
    let narrow = plan("select close from bars where symbol = '600000.XSHG' and day = '2024-07-01'");
    let scan = "symbols=[600000.XSHG], days=2024-07-01..2024-07-01";
    assert!(narrow.contains("BarsScan: columns=[") && narrow.contains(scan), "{narrow}");
    let bytes = |query: &str| -> u64 {
        let text = run(&bus, &format!("explain analyze {query}"), &[]).1;
        let at = text.find("bytes_read=").unwrap_or_else(|| panic!("{text}")) + "bytes_read=".len();
        let number: String =
            text[at..].chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect();
        let unit = text[at + number.len()..].trim_start();
        (number.parse::<f64>().unwrap() * if unit.starts_with('K') { 1e3 } else { 1.0 }) as u64
    };
    let (all, one) = (bytes("select * from bars"), bytes("select * from bars where day = '2024-07-01'"));
    assert!(one < all && bytes("select * from today") == 0, "{one} of {all}");
}

#[test]
fn every_format_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (bus, _writer) = bus(folder.path());
    let (code, out, _) =
        run(&bus, "select symbol, close from today order by frame, symbol limit 1", &["--format", "json"]);
    assert_eq!((code, out.as_str()), (Some(0), "{\"symbol\":\"000001.XSHE\",\"close\":2001.0}\n"));
    let (_, table, _) = run(&bus, "select close from today limit 1", &[]);
    assert!(table.contains("| close  |"), "{table}");
    for name in ["a.parquet", "a.arrow", "a.csv"] {
        let file: PathBuf = folder.path().join(name);
        let (code, _, error) = run(&bus, "select * from bars", &["-o", file.to_str().unwrap()]);
        assert_eq!((code, error.as_str()), (Some(0), ""), "{name}");
        assert!(file.metadata().unwrap().len() > 1_000, "{name}");
    }
    let (code, _, error) =
        run(&bus, "select * from bars order by close, symbol, frame", &["--memory", "100kB", "--format", "csv"]);
    assert_ne!(code, Some(101), "{error}");
}

#[test]
fn wrong_queries_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (bus, _writer) = bus(folder.path());
    let refused = |query: &str, words: &str| {
        let (code, _, error) = run(&bus, query, &[]);
        assert!(code == Some(1) && error.starts_with("barbus: ") && error.contains(words), "{query}: {code:?} {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    };
    refused("select vwap from bars", "vwap");
    refused("selec", "selec");
    refused("select * from bars where symbol = '600000.XSHE'", "no symbol \"600000.XSHE\"");
    refused("select bucket('7h', frame) from bars", "write 1m to 240m");
    refused("select * from adjusted('both')", "forward, backward or none");
}

#[test]
fn readers_and_the_quarantine_are_tables() {
    let folder = tempfile::tempdir().unwrap();
    let (bus, mut writer) = bus(folder.path());
    let mut reader = barbus::Reader::open(bus.path()).unwrap().name("strategy");
    reader.poll().unwrap();
    assert_eq!(csv(&bus, "select name, state, lag_bars from readers"), ["strategy,live,0"]);
    let symbol = writer.symbol(SYMBOLS[0]).unwrap();
    let bad = Row {
        symbol,
        frame_ms: OPEN + 3 * 86_400_000 + MINUTE,
        open: 9.0,
        high: 1.0,
        low: 1.0,
        close: 1.0,
        ..Row::default()
    };
    writer.push(&bad).unwrap();
    assert_eq!(csv(&bus, "select code, count(*) from quarantine group by code"), ["high-low,1"]);
}
