//! Reads files of bars of several kinds into memory, beside pandas.
//!
//! barbus recognizes each file, parses its times and numbers, and checks every row.
//! pandas is told the format. It is measured twice: as it reads by itself, which leaves times as
//! text or numbers, and with times that it parses, which is the same work.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use barbus_bars::BarSchema;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use crate::market::{Market, Numbers};
use crate::python::Script;
use crate::report::Report;

const SYMBOLS: usize = 1_250;
const MINUTES: usize = 400;
/// 2024-01-01 00:00 UTC, the start of the first bar.
const START_S: i64 = 1_704_067_200;

/// A kind of file: what it is called here, its name, how pandas reads it, and who writes it.
struct Kind {
    measure: &'static str,
    name: &'static str,
    pandas: &'static str,
    /// How pandas reads it and parses its times; `None` where it is slower without.
    with_times: Option<&'static str>,
    write: fn(&mut dyn Write, &[Numbers]) -> std::io::Result<()>,
}

const KINDS: [Kind; 6] = [
    Kind { measure: "CSV with a header", name: "bars.csv", pandas: "csv", with_times: Some("csv-times"), write: csv },
    Kind { measure: "the same, gzip", name: "bars.csv.gz", pandas: "csv", with_times: Some("csv-times"), write: gzip },
    Kind {
        measure: "Binance klines",
        name: "BTCUSDT-1m-2024.csv",
        pandas: "headerless",
        with_times: Some("headerless-times"),
        write: klines,
    },
    Kind {
        measure: "MetaTrader 5 export",
        name: "EURUSD_M1_20240101_20241213.csv",
        pandas: "tabs",
        with_times: Some("tabs-times"),
        write: mt5,
    },
    Kind { measure: "a JSON object a line", name: "bars.ndjson", pandas: "lines", with_times: None, write: ndjson },
    Kind { measure: "a JSON document", name: "bars.json", pandas: "json", with_times: None, write: json },
];

/// Writes a file of each kind, reads it with both, and adds megabytes a second of text.
pub(crate) fn rounds(report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let market = Market::new(SYMBOLS, MINUTES);
    let bars: Vec<Numbers> = (0..MINUTES).flat_map(|minute| market.numbers(minute)).copied().collect();
    let (mut pandas, versions) = Script::start(include_str!("files.py"))?;
    eprintln!("{versions}, {} bars", bars.len());
    let schema = BarSchema::in_zone("UTC")?;
    let mut files = Vec::new();
    for kind in &KINDS {
        files.push((kind, written(directory.path(), kind, &bars)?));
    }
    for round in 0..=rounds {
        // The first round brings files and code into memory.
        let mut unused = Report::default();
        let report = if round == 0 { &mut unused } else { &mut *report };
        for (kind, (path, text_bytes)) in &files {
            let path_text = path.to_str().context("names are UTF-8")?;
            let rate = |seconds: f64| *text_bytes as f64 / 1e6 / seconds;
            let mut by_pandas = |way: &str| -> anyhow::Result<f64> {
                let answer = pandas.ask(&[way, path_text])?;
                let (seconds, rows) = answer.split_once(' ').context("two numbers")?;
                ensure!(rows.parse::<usize>()? == bars.len(), "{}: pandas: {rows} rows", kind.name);
                Ok(rate(seconds.parse()?))
            };
            let limit = by_pandas(kind.pandas)?;
            report.add(kind.measure, "pandas", None, "MB/s", limit);
            if let Some(way) = kind.with_times {
                report.add_beside(kind.measure, "pandas, times parsed", limit, "MB/s", by_pandas(way)?);
            }
            let begun = Instant::now();
            let content = barbus_files::read_input(path_text, File::open(path)?, None, &schema);
            let seconds = begun.elapsed().as_secs_f64();
            ensure!(content.failure.is_none(), "{}: {:?}", kind.name, content.failure);
            ensure!(content.bars.num_rows() == bars.len(), "{}: {} bars", kind.name, content.bars.num_rows());
            report.add_beside(kind.measure, "barbus", limit, "MB/s", rate(seconds));
        }
    }
    Ok(())
}

/// Writes a file; returns its path and the bytes of its text.
fn written(directory: &Path, kind: &Kind, bars: &[Numbers]) -> anyhow::Result<(PathBuf, u64)> {
    let path = directory.join(kind.name);
    let mut file = BufWriter::new(File::create(&path)?);
    (kind.write)(&mut file, bars)?;
    file.flush()?;
    let text_bytes = match kind.name.strip_suffix(".gz") {
        Some(unpacked) => std::fs::metadata(directory.join(unpacked))?.len(),
        None => std::fs::metadata(&path)?.len(),
    };
    Ok((path, text_bytes))
}

fn starts(bars: &[Numbers]) -> impl Iterator<Item = (i64, &Numbers)> {
    bars.iter().enumerate().map(|(minute, numbers)| (START_S + 60 * minute as i64, numbers))
}

fn time(seconds: i64, format: &str) -> String {
    Timestamp::from_second(seconds).expect("a year of this century").strftime(format).to_string()
}

fn csv(to: &mut dyn Write, bars: &[Numbers]) -> std::io::Result<()> {
    writeln!(to, "symbol,frame,open,high,low,close,volume")?;
    for (start, [open, high, low, close, volume, ..]) in starts(bars) {
        let frame = time(start + 60, "%Y-%m-%d %H:%M:%S");
        writeln!(to, "600000.XSHG,{frame},{open},{high},{low},{close},{volume}")?;
    }
    Ok(())
}

fn gzip(to: &mut dyn Write, bars: &[Numbers]) -> std::io::Result<()> {
    let mut packed = GzEncoder::new(to, Compression::default());
    csv(&mut packed, bars)?;
    packed.finish().map(drop)
}

fn klines(to: &mut dyn Write, bars: &[Numbers]) -> std::io::Result<()> {
    for (start, [open, high, low, close, volume, money, _]) in starts(bars) {
        let (start, end) = (start * 1_000, start * 1_000 + 59_999);
        writeln!(
            to,
            "{start},{open:.8},{high:.8},{low:.8},{close:.8},{volume:.8},{end},{money:.8},7,{volume:.8},{money:.8},0"
        )?;
    }
    Ok(())
}

fn mt5(to: &mut dyn Write, bars: &[Numbers]) -> std::io::Result<()> {
    writeln!(to, "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>")?;
    for (start, [open, high, low, close, volume, ..]) in starts(bars) {
        let time = time(start, "%Y.%m.%d\t%H:%M:%S");
        writeln!(to, "{time}\t{open}\t{high}\t{low}\t{close}\t{volume}\t{volume}\t3")?;
    }
    Ok(())
}

fn ndjson(to: &mut dyn Write, bars: &[Numbers]) -> std::io::Result<()> {
    starts(bars).try_for_each(|(start, numbers)| writeln!(to, "{}", object(start, numbers)))
}

fn json(to: &mut dyn Write, bars: &[Numbers]) -> std::io::Result<()> {
    write!(to, "[")?;
    for (number, (start, numbers)) in starts(bars).enumerate() {
        write!(to, "{}{}", if number == 0 { "" } else { "," }, object(start, numbers))?;
    }
    write!(to, "]")
}

fn object(start: i64, [open, high, low, close, volume, ..]: &Numbers) -> String {
    let frame = time(start + 60, "%Y-%m-%dT%H:%M:%SZ");
    format!(
        r#"{{"symbol":"600000.XSHG","frame":"{frame}","open":{open},"high":{high},"low":{low},"close":{close},"volume":{volume}}}"#
    )
}
