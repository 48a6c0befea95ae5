//! Rings that are written while the reader follows them.

use std::path::Path;

use anyhow::Context;
use barbus::{Bus, InitOptions, Row};
use barbus_writer::Writer;
use serde_json::{Value, json};

use super::lines::compare;
use super::{Case, Outcome, ReaderCommand};

/// 2024-03-04 00:00 UTC.
const MIDNIGHT_MS: i64 = 1_709_510_400_000;
const MINUTE_MS: i64 = 60_000;
const SYMBOLS: [&str; 3] = ["600000.XSHG", "000001.XSHE", "比亚迪"];
/// Minutes of each day of the second case.
const MINUTES: i64 = 1_400;
/// The ring has some thousand rows, so it has overwritten some after these days.
const MOST_DAYS: i64 = 50;

pub(super) fn cases() -> Vec<Case> {
    let follows = |reader: &ReaderCommand, folder: &Path| follows(reader, folder);
    let is_lapped = |reader: &ReaderCommand, folder: &Path| is_lapped(reader, folder);
    vec![
        Case { name: "follows a ring that is written".to_owned(), run: Box::new(follows) },
        Case { name: "counts the bars that were overwritten".to_owned(), run: Box::new(is_lapped) },
    ]
}

/// A bus with a small ring, and its writer.
fn bus(folder: &Path) -> anyhow::Result<(Bus, Writer)> {
    let path = folder.join("bus");
    Bus::init(&path, &InitOptions { calendar: "24x7".into(), preset: None })?;
    let file = path.join("bus.toml");
    let mut text = std::fs::read_to_string(&file)?;
    for (from, to) in [
        ("# size = \"256MB\"", "size = \"1MB\""),
        ("# rows_per_block = 16384", "rows_per_block = 64"),
        ("# symbols = 8192", "symbols = 256"),
        ("# tip_rows = 8192", "tip_rows = 64"),
    ] {
        text = text.replacen(from, to, 1);
    }
    std::fs::write(&file, text)?;
    let bus = Bus::open(&path)?;
    let writer = Writer::open(&bus)?;
    Ok((bus, writer))
}

/// Writes a bar, and returns the line of it.
fn push(writer: &mut Writer, symbol: &str, minute: i64, close: f64, seq: u64, revision: u8) -> anyhow::Result<Value> {
    let frame_ms = MIDNIGHT_MS + minute * MINUTE_MS;
    let has_money = minute % 3 != 0;
    let row = Row {
        symbol: writer.symbol(symbol)?,
        frame_ms,
        open: close,
        high: close + 0.5,
        low: close - 0.1,
        close,
        volume: 100.0,
        optional: [if has_money { 1e9 / 7.0 } else { 0.0 }, 1.0, 0.0, 0.0, 0.0, 0.0],
        present: if has_money { 3 } else { 2 },
        ..Row::default()
    };
    writer.push(&row)?;
    Ok(json!({
        "symbol": symbol, "frame_ms": frame_ms, "open": close, "high": close + 0.5, "low": close - 0.1,
        "close": close, "volume": 100.0, "money": has_money.then_some(1e9 / 7.0), "factor": 1.0,
        "seq": seq, "received_ns": "*", "revision": revision,
    }))
}

/// New symbols, blocks, a correction, and the close of the day, each while the reader waits.
fn follows(reader: &ReaderCommand, folder: &Path) -> anyhow::Result<Outcome> {
    let (bus, mut writer) = bus(folder)?;
    let mut expected = vec![push(&mut writer, SYMBOLS[0], 1, 1.25, 0, 0)?];
    let mut process = reader.start(&bus.ring(), &["--from", "oldest", "--until-close", "1"])?;
    let mut taken = Vec::new();
    let mut take = |process: &mut super::reader_process::ReaderProcess, count: usize| {
        taken.extend((0..count).map_while(|_| process.next_line()));
        taken.len()
    };
    // The first line, and the first bar.
    if take(&mut process, 2) < 2 {
        return Ok(Err(format!("it did not print the bars that were there: {}", process.finish().end)));
    }
    for seq in 1..600u64 {
        let (minute, symbol) = (seq as i64 / 3 + 2, SYMBOLS[seq as usize % 3]);
        expected.push(push(&mut writer, symbol, minute, seq as f64 / 4.0 + 1.0, seq, 0)?);
        // It is at the newest bar from time to time, and never so far behind as to be lapped.
        if seq % 100 == 0 && take(&mut process, 100) < seq as usize + 2 {
            return Ok(Err(format!("bars are missing before number {seq}: {}", process.finish().end)));
        }
    }
    expected.push(push(&mut writer, SYMBOLS[0], 1, 7.5, 600, 1)?);
    let day = writer.close_day().context("a day was open")?;
    expected.push(json!({"event": "day_closed", "day": day.to_string()}));
    let mut printed = process.finish();
    let parse = |text: &String| serde_json::from_str(text).map_err(|error| format!("{error} in {text:?}"));
    let first: Result<Vec<Value>, String> = taken.iter().map(parse).collect();
    printed.lines = first.and_then(|first| Ok([first, printed.lines?].concat()));
    Ok(compare(&printed, &expected))
}

/// A reader that starts at a bar which was overwritten.
fn is_lapped(reader: &ReaderCommand, folder: &Path) -> anyhow::Result<Outcome> {
    let (bus, mut writer) = bus(folder)?;
    let mut lines = Vec::new();
    for day in 0..MOST_DAYS {
        for seq in day * MINUTES..(day + 1) * MINUTES {
            let minute = day * 1_440 + seq % MINUTES + 1;
            lines.push(push(&mut writer, SYMBOLS[0], minute, seq as f64 / 4.0 + 1.0, seq as u64, 0)?);
        }
        writer.close_day().context("a day was open")?;
        writer.flush()?;
        // Rows of a day in the archive may be overwritten.
        let closed = MIDNIGHT_MS + day * 1_440 * MINUTE_MS;
        let closed = jiff::Timestamp::from_millisecond(closed)?.to_zoned(jiff::tz::TimeZone::UTC).date();
        lines.push(json!({"event": "day_closed", "day": closed.to_string()}));
        if writer.ring().status().oldest_seq > 0 {
            break;
        }
    }
    let oldest = writer.ring().status().oldest_seq;
    let kept = lines.iter().position(|line| line["seq"] == oldest).context("the oldest bar is in the ring")?;
    anyhow::ensure!(oldest > 0, "nothing was overwritten");
    let missed = json!({"event": "lapped", "missed": oldest});
    let expected: Vec<Value> = std::iter::once(missed).chain(lines[kept..].iter().cloned()).collect();
    Ok(compare(&reader.run(&bus.ring(), &["--from", "0", "--once"])?, &expected))
}
