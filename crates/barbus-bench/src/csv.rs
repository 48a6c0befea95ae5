//! Reads a year of real bars from gzip CSV into memory and onto the bus; the decompressor is the
//! baseline.
//!
//! `barbus publish` decompresses on a thread of its own.
//! Parsing the decompressed text is therefore also measured separately: the slower of the two
//! stages limits the speed.

use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use barbus_bars::BarSchema;
use flate2::bufread::MultiGzDecoder;

use crate::ingest::{FILE, on_a_bus};
use crate::report::Report;

const MEASURE: &str = "a year of gzip CSV";
const LIMIT: &str = "unpacked, nothing else";
/// Bytes unpacked by one read, here and in `barbus publish`.
const BLOCK_BYTES: usize = 256 * 1024;

pub(crate) fn round(report: &mut Report, data: &Path) -> anyhow::Result<()> {
    let file = data.join(FILE);
    let packed = std::fs::read(&file).with_context(|| file.display().to_string())?;
    let unpack = || MultiGzDecoder::new(BufReader::with_capacity(BLOCK_BYTES, Cursor::new(packed.clone())));
    let mut text = Vec::new();
    unpack().read_to_end(&mut text)?;

    let mut reader = unpack();
    let (mut block, mut bytes) = (vec![0; BLOCK_BYTES], 0);
    let start = Instant::now();
    loop {
        match reader.read(&mut block)? {
            0 => break,
            more => bytes += more,
        }
    }
    report.add(MEASURE, LIMIT, None, "ms", ms(start));
    ensure!(bytes == text.len(), "{bytes} bytes unpacked of {}", text.len());

    let schema = BarSchema::in_zone("America/New_York")?;
    let inputs = [
        ("barbus: its text to bars in memory", "year.csv", text.clone()),
        ("barbus: to bars in memory", "year.csv.gz", packed.clone()),
    ];
    for (system, name, bytes) in inputs {
        let start = Instant::now();
        let content = barbus_files::read_input(name, Cursor::new(bytes), None, &schema);
        report.add(MEASURE, system, Some(LIMIT), "ms", ms(start));
        ensure!(content.failure.is_none() && content.rejects.num_rows() == 0, "{name}: {:?}", content.failure);
        check(std::str::from_utf8(&text)?, &content.bars).with_context(|| name.to_owned())?;
    }

    on_a_bus(data, |_, file, run| {
        let start = Instant::now();
        run(&["publish", file, "--label", "start"])?;
        report.add(MEASURE, "barbus publish, to its end", Some(LIMIT), "ms", ms(start));
        Ok(())
    })
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Compares the bars with every field of every line, parsed by the standard library and jiff.
fn check(text: &str, bars: &RecordBatch) -> anyhow::Result<()> {
    let symbols = bars.column(0).as_dictionary::<Int32Type>();
    let names = symbols.values().as_string::<i32>();
    let frames = bars.column(1).as_primitive::<TimestampMillisecondType>();
    let mut lines = text.lines();
    ensure!(lines.next() == Some("symbol,frame,open,high,low,close,volume,money,factor"), "an unexpected header");
    let mut count = 0;
    for (row, line) in lines.enumerate() {
        ensure!(row < bars.num_rows(), "bars are missing from line {} on", row + 2);
        let mut fields = line.split(',');
        let mut next = || fields.next().context("a field is missing");
        let symbol = next()?;
        let frame: jiff::Timestamp = next()?.parse()?;
        let found = (names.value(symbols.keys().value(row) as usize), frames.value(row));
        ensure!(found == (symbol, frame.as_millisecond()), "{line} became {found:?}");
        for column in 2..bars.num_columns() {
            let text = next()?;
            let column = bars.column(column).as_primitive::<Float64Type>();
            let value = column.is_valid(row).then(|| column.value(row).to_bits());
            let expected = if text.is_empty() { None } else { Some(text.parse::<f64>()?.to_bits()) };
            ensure!(value == expected, "{line}: {text} became {value:?}");
        }
        count += 1;
    }
    ensure!(count == bars.num_rows(), "{} bars of {count} lines", bars.num_rows());
    Ok(())
}
