//! `barbus bars`: live and archived bars as one sequence (promise 14).
//!
//! The intervals of the real sets are compared with bars that an independent script makes; these
//! tests need `BARBUS_DATA` and report that they are skipped without it.

use std::path::PathBuf;

use crate::support::bus::Bus;
use crate::support::data::{self, Market};
use crate::support::python;

const INTERVALS: [&str; 16] =
    ["2m", "3m", "5m", "7m", "10m", "15m", "30m", "45m", "1h", "90m", "2h", "3h", "4h", "1d", "1w", "1M"];

#[test]
fn intervals_of_mainland_stocks() {
    compare_intervals(&data::XSHG);
}

#[test]
fn intervals_of_us_stocks_with_extended_hours() {
    compare_intervals(&data::XNYS);
}

#[test]
fn intervals_of_crypto_around_the_clock() {
    compare_intervals(&data::CRYPTO);
}

/// The newest day is in the ring, the others are archived.
fn compare_intervals(market: &Market) {
    let Some(folder) = data::folder() else { return };
    let bus = Bus::running(market.calendar);
    let files: Vec<PathBuf> = market.sources.iter().map(|source| folder.join(source.name)).collect();
    for (file, source) in files.iter().zip(market.sources) {
        bus.publish(file, &["--label", source.label]);
    }
    let answers = bus.path().join("answers");
    std::fs::create_dir(&answers).unwrap();
    for interval in INTERVALS {
        let file = answers.join(format!("{interval}.csv"));
        bus.barbus("bars", ["--interval", interval, "-o", file.to_str().unwrap()]).ok();
    }
    let mut arguments: Vec<String> =
        ["--market", market.calendar, "--label", market.sources[0].label, "--answers"].map(str::to_owned).to_vec();
    arguments.push(answers.display().to_string());
    arguments.push("--files".to_owned());
    arguments.extend(files.iter().map(|file| file.display().to_string()));
    let found = python::run("intervals.py", arguments).ok();
    assert_eq!(found.lines().filter(|line| line.ends_with(" 0 differences")).count(), INTERVALS.len());
}

/// Two days of one symbol, the second open.
fn two_days() -> Bus {
    let bus = Bus::running("XSHG");
    let mut text = String::from("symbol,frame,open,high,low,close,volume\n");
    for day in ["2024-07-04", "2024-07-05"] {
        for minute in 31..=59 {
            let close = if day == "2024-07-04" { minute } else { 100 + minute };
            text.push_str(&format!("600000.XSHG,{day} 09:{minute},{close},{close},{close},{close},100\n"));
        }
    }
    let file = bus.path().join("bars.csv");
    std::fs::write(&file, text).unwrap();
    bus.publish(&file, &["--trust"]);
    bus
}

#[test]
fn every_format_has_the_same_bars() {
    let bus = two_days();
    let csv = bus.barbus("bars", ["600000.XSHG", "--last", "30", "--format", "csv"]).ok();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "symbol,frame,open,high,low,close,volume,money,factor,day");
    assert_eq!(lines[1], "600000.XSHG,2024-07-04T09:59:00+08:00,59,59,59,59,100,,,2024-07-04");
    assert_eq!(lines.len(), 31);
    let five = bus.barbus("bars", ["--interval", "5m", "--columns", "close,bars,complete", "--format", "json"]).ok();
    let last: serde_json::Value = serde_json::from_str(five.lines().last().unwrap()).unwrap();
    let expected = serde_json::json!({
        "symbol": "600000.XSHG", "frame": "2024-07-05T10:00:00+08:00", "close": 159.0, "bars": 4, "complete": false,
    });
    assert_eq!(last, expected);
    let table = bus.barbus("bars", ["--last", "1"]).ok();
    assert!(table.contains("600000.XSHG  2024-07-05 09:59"), "{table}");
    let script = "
import sys, duckdb, polars, pyarrow.parquet as pq, pyarrow.ipc, pandas
folder = sys.argv[1]
tables = [pq.read_table(f'{folder}/a.parquet'), pyarrow.ipc.open_file(f'{folder}/a.arrow').read_all()]
for table in tables:
    assert table.num_rows == 58 and table['close'].to_pylist()[-1] == 159.0, table
assert polars.read_parquet(f'{folder}/a.parquet').equals(polars.read_ipc(f'{folder}/a.arrow'))
assert duckdb.sql(f\"select count(*), max(close), count(distinct day) from '{folder}/a.parquet'\").fetchall() == [(58, 159.0, 2)]
assert list(pandas.read_csv(f'{folder}/a.csv').columns)[:7] == ['symbol', 'frame', 'open', 'high', 'low', 'close', 'volume']
";
    for name in ["a.parquet", "a.arrow", "a.csv"] {
        bus.barbus("bars", ["-o", bus.path().join(name).to_str().unwrap()]).ok();
    }
    let folder = bus.path().display().to_string();
    let mut command = std::process::Command::new(python::interpreter());
    command.args(["-c", script, &folder]);
    crate::support::command::finish(&mut command, None).ok();
}

#[test]
fn questions_that_cannot_be_answered_are_refused() {
    let bus = two_days();
    let refused = |arguments: &[&str], words: &[&str]| bus.barbus("bars", arguments).fails(1, words);
    refused(&["600000.XSHE"], &["no symbol \"600000.XSHE\"", "600000.XSHG"]);
    refused(&["--from", "2024-07-05", "--to", "2024-07-04"], &["begins after its end"]);
    refused(&["--columns", "vwap"], &["no column \"vwap\"", "open, high"]);
    refused(&["--from", "yesterday"], &["neither a day nor a time"]);
    refused(&["-o", "x.txtx"], &["unknown ending"]);
    bus.barbus("bars", ["--interval", "7h"]).fails(2, &["write 1m to 240m"]);
    bus.barbus("bars", ["--adjust", "both"]).fails(2, &["forward, backward or none"]);
    // A file that could not be written as a whole is not there.
    let file = bus.path().join("none.parquet");
    refused(&["600000.XSHE", "-o", file.to_str().unwrap()], &["no symbol"]);
    assert!(!file.exists());
}

#[test]
fn a_shortfall_is_said_and_the_answer_is_given() {
    let bus = two_days();
    let short = bus.barbus("bars", ["600000.XSHG", "--last", "100", "--format", "csv"]);
    assert!(short.stderr.contains("600000.XSHG: 58 of 100 bars"), "{}", short.stderr);
    assert_eq!(short.ok().lines().count(), 59);
    let all = bus.barbus("latest", ["--format", "csv"]).ok();
    assert!(all.lines().nth(1).unwrap().starts_with("600000.XSHG,2024-07-05T09:59:00+08:00,159"), "{all}");
}

#[test]
fn tail_prints_bars_of_an_interval_and_starts_where_it_was_asked() {
    let bus = two_days();
    let from = ["--from", "2024-07-04", "--until-close", "--format", "csv"];
    let five = bus.barbus("tail", from.iter().chain(&["--interval", "5m"]));
    assert!(five.stderr.contains("\"day_closed\""), "{}", five.stderr);
    let out = five.ok();
    let lines: Vec<&str> = out.lines().skip(1).collect();
    assert_eq!(lines.len(), 6, "{out}");
    assert!(lines[0].starts_with("600000.XSHG,2024-07-04T09:35:00+08:00,31,35,31,35,500,"), "{out}");
    assert!(lines[5].starts_with("600000.XSHG,2024-07-04T10:00:00+08:00,56,59,56,59,400,"), "{out}");
    let minutes = bus.barbus("tail", from.iter().chain(&["--on-gap", "error"])).ok();
    assert_eq!(minutes.lines().count(), 30);
    bus.barbus("tail", ["--grace", "3"]).fails(1, &["--by minute"]);
}
