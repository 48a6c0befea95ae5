//! Questions over an archive of 60 days of 1,000 symbols, beside polars, DuckDB and pyarrow
//! datasets over the same files.
//!
//! The bars are those of a real set under other names and with other prices. Every system has
//! answered each question once before it is measured, so that files and footers are in memory; the
//! first answer of a new process is measured apart.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
    UInt64Array,
};
use arrow::datatypes::Int32Type;
use barbus::{BarsQuery, Bus, Date, InitOptions, Interval};
use barbus_archive::Archive;
use barbus_writer::Writer;

use crate::python::Script;
use crate::report::Report;

const SYMBOLS: usize = 1_000;
const DAYS: usize = 60;
const MINUTES: usize = 240;
/// The set that lends its bars: 2 symbols, 10 days.
const SET: &str = "ashare_zillionare_202203.csv.gz";
const FIRST_DAY: Date = Date::constant(2024, 1, 2);
/// Questions for one symbol that a round asks.
const ASKED: usize = 5;
const SYSTEMS: [(&str, &str); 3] = [("polars", "polars"), ("duckdb", "DuckDB"), ("pyarrow", "pyarrow dataset")];
/// The best of the others in a round.
const BEST: &str = "best of the others";

/// A minute of the real set without its symbol and date.
type Minute = [f64; 7];

pub(crate) fn rounds(report: &mut Report, rounds: usize, data: &Path) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let bus = Bus::init(&directory.path().join("bus"), &InitOptions { calendar: "XSHG".into(), preset: None })?;
    let begun = Instant::now();
    let last_day = fill(&bus, &minutes(&data.join(SET))?)?;
    eprintln!("{DAYS} days of {SYMBOLS} symbols written in {:.0} s", begun.elapsed().as_secs_f64());
    // The ring is there, and has no bar.
    drop(Writer::open(&bus)?);
    let (mut others, versions) = Script::start(include_str!("history.py"))?;
    eprintln!("{versions}");
    others.ask(&["open", bus.archive().to_str().context("names are UTF-8")?])?;
    for round in 0..=rounds {
        // The first round brings files and code into memory.
        let mut unused = Report::default();
        round_of(if round == 0 { &mut unused } else { &mut *report }, &bus, &mut others, last_day, round)?;
    }
    Ok(())
}

fn name(symbol: usize) -> String {
    format!("{:06}.XSHE", symbol * 7)
}

/// The minutes of the real set, by symbol and day, 240 each.
fn minutes(file: &Path) -> anyhow::Result<Vec<Vec<Minute>>> {
    let file = File::open(file).with_context(|| file.display().to_string())?;
    let mut days: Vec<(String, Vec<Minute>)> = Vec::new();
    for line in BufReader::new(flate2::read::GzDecoder::new(file)).lines().skip(1) {
        let line = line?;
        let fields: Vec<&str> = line.split(',').collect();
        let key = format!("{} {}", fields[0], &fields[1][..10]);
        let mut values = Minute::default();
        for (value, field) in values.iter_mut().zip(&fields[2..]) {
            *value = field.parse()?;
        }
        match days.last_mut() {
            Some((known, minutes)) if *known == key => minutes.push(values),
            _ => days.push((key, vec![values])),
        }
    }
    ensure!(days.iter().all(|(_, minutes)| minutes.len() == MINUTES), "every day has {MINUTES} minutes");
    Ok(days.into_iter().map(|(_, minutes)| minutes).collect())
}

/// Writes the days; returns the last one.
fn fill(bus: &Bus, real: &[Vec<Minute>]) -> anyhow::Result<Date> {
    let settings = bus.settings();
    let archive = Archive::open(bus.archive(), settings.schema.clone(), settings.calendar.name())?;
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..SYMBOLS).map(name)));
    let days = settings.calendar.trading_days(FIRST_DAY, Date::constant(2024, 12, 31)).take(DAYS);
    let mut last = FIRST_DAY;
    for (number, day) in days.enumerate() {
        let frames = settings.calendar.minutes(day);
        let keys = Int32Array::from_iter_values((0..SYMBOLS * MINUTES).map(|row| (row / MINUTES) as i32));
        let frames =
            TimestampMillisecondArray::from_iter_values((0..SYMBOLS * MINUTES).map(|row| frames[row % MINUTES]));
        let value = |column: usize, row: usize| {
            let (symbol, minute) = (row / MINUTES, row % MINUTES);
            let value = real[(symbol + number) % real.len()][minute][column];
            // Other symbols have other prices, in ticks of a hundredth as the real ones.
            if column < 4 { ((value * (1.0 + symbol as f64 / 300.0)) * 100.0).round() / 100.0 } else { value }
        };
        let column = |column: usize| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values((0..SYMBOLS * MINUTES).map(|row| value(column, row))))
        };
        let mut columns: Vec<(String, ArrayRef)> = vec![
            ("symbol".into(), Arc::new(DictionaryArray::<Int32Type>::try_new(keys, names.clone())?)),
            ("frame".into(), Arc::new(frames.with_timezone(settings.schema.zone()))),
        ];
        for (number, name) in settings.schema.column_names().skip(2).enumerate() {
            columns.push((name.to_owned(), column(number)));
        }
        let rows = (SYMBOLS * MINUTES) as u64;
        columns.push(("seq".into(), Arc::new(UInt64Array::from_iter_values(0..rows))));
        archive.write(day, &RecordBatch::try_from_iter(columns)?, 1, rows)?;
        last = day;
    }
    Ok(last)
}

/// Asks a question once; returns milliseconds.
fn ask(query: BarsQuery, rows: usize) -> anyhow::Result<f64> {
    let start = Instant::now();
    let answer = query.collect()?;
    let ms = start.elapsed().as_secs_f64() * 1_000.0;
    ensure!(answer.rows() == rows, "{} rows, not {rows}", answer.rows());
    Ok(ms)
}

fn round_of(report: &mut Report, bus: &Bus, others: &mut Script, last: Date, round: usize) -> anyhow::Result<()> {
    let three = bus.archived_days()?[DAYS - 3];
    let symbols: Vec<String> = (0..ASKED).map(|i| name((i * 211 + round * 37) % SYMBOLS)).collect();
    let of_symbol = |from: Date, days: usize| -> anyhow::Result<f64> {
        let mut sum = 0.0;
        for symbol in &symbols {
            sum += ask(bus.bars().symbols([symbol]).from(from), days * MINUTES)?;
        }
        Ok(sum / ASKED as f64)
    };
    let day = || bus.bars().from(last);
    let five: Interval = "5m".parse()?;
    let measures = [
        ("one symbol, 60 days", of_symbol(FIRST_DAY, DAYS)?, format!("symbol {DAYS}"), DAYS * MINUTES),
        ("one symbol, 3 days", of_symbol(three, 3)?, "symbol 3".into(), 3 * MINUTES),
        ("all symbols, last day", ask(day(), SYMBOLS * MINUTES)?, "day".into(), SYMBOLS * MINUTES),
        ("5-minute bars of a day", ask(day().interval(five), SYMBOLS * 48)?, "five".into(), SYMBOLS * 48),
        ("last bar of all symbols", ask(bus.bars().last(1), SYMBOLS)?, "last".into(), SYMBOLS),
    ];
    for (measure, ours, what, rows) in measures {
        let mut best = f64::INFINITY;
        for (command, system) in SYSTEMS {
            let mut sum = 0.0;
            let asked = if what.starts_with("symbol") { ASKED } else { 1 };
            for symbol in symbols.iter().take(asked) {
                let mut words = vec!["ask", command];
                match what.strip_prefix("symbol ") {
                    Some(days) => words.extend(["symbol", symbol, days]),
                    None => words.push(&what),
                }
                let answer = others.ask(&words)?;
                let (seconds, found) = answer.split_once(' ').context("seconds and rows")?;
                ensure!(found.parse::<usize>()? == rows, "{system}: {found} rows, not {rows}: {measure}");
                sum += seconds.parse::<f64>()? * 1_000.0;
            }
            let ms = sum / asked as f64;
            best = best.min(ms);
            report.add(measure, system, Some(BEST), "ms", ms);
        }
        report.add(measure, BEST, None, "ms", best);
        report.add(measure, "barbus", Some(BEST), "ms", ours);
    }
    report.add("first answer of a process, 3 days", "barbus bars", None, "ms", cold(bus, three, &symbols[0])?);
    Ok(())
}

/// The command line, from its start to its end, in milliseconds.
fn cold(bus: &Bus, from: Date, symbol: &str) -> anyhow::Result<f64> {
    let start = Instant::now();
    let output = Command::new(std::env::current_exe()?)
        .args(["barbus", "bars", bus.path().to_str().context("names are UTF-8")?, symbol])
        .args(["--from", &from.to_string(), "--format", "csv"])
        .output()?;
    let ms = start.elapsed().as_secs_f64() * 1_000.0;
    let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    ensure!(output.status.success() && lines == 3 * MINUTES + 1, "{lines} lines");
    Ok(ms)
}
