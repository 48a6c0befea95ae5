//! Questions of a strategy over a full day: the newest bar of a symbol, and its last 240.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, ensure};
use barbus::{Bus, InitOptions, Reader, Row};
use barbus_writer::Writer;

use crate::batch::{BARS, MINUTES, SYMBOLS, minutes};
use crate::report::Report;
use barbus_bench_link::{pin, scratch};

/// Symbols of the small watch list.
const WATCHED: usize = 16;
const QUESTIONS: usize = 1_000_000;
const WINDOWS: usize = 50_000;

/// The symbols in an order that a prefetcher cannot predict.
fn shuffled(symbols: usize) -> impl Iterator<Item = usize> {
    let mut state = 1usize;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % symbols
    })
}

/// Nanoseconds per call, over `count` calls.
fn each(count: usize, symbols: usize, mut call: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    shuffled(symbols).take(count).for_each(&mut call);
    start.elapsed().as_nanos() as f64 / count as f64
}

pub(crate) fn round(report: &mut Report) -> anyhow::Result<()> {
    let directory = scratch()?;
    let bus = Bus::init(&directory.path().join("bus"), &InitOptions { calendar: "XSHG".into(), preset: None })?;
    let mut writer = Writer::open(&bus)?;
    for batch in minutes(0) {
        writer.publish(batch)?;
    }
    pin(0);
    let names: Vec<String> = (0..SYMBOLS).map(|i| format!("{i:06}.XSHE")).collect();
    let (mut reader, last) = first_answers(report, &bus, &names)?;

    // The limits: a plain copy of as many rows, from an array of the same size.
    let plain: Vec<Row> = vec![last; BARS];
    for (symbols, latest, window) in [
        (WATCHED, "latest of 16 symbols", "window(240) of 16 symbols"),
        (SYMBOLS, "latest of 5,000 symbols", "window(240) of 5,000 symbols"),
    ] {
        ask_latest(report, &mut reader, &plain, (symbols, latest), &names)?;
        ask_windows(report, &mut reader, &plain, (symbols, window), &names)?;
    }
    Ok(())
}

/// The first answer of a new reader, and the first window of each symbol.
fn first_answers(report: &mut Report, bus: &Bus, names: &[String]) -> anyhow::Result<(Reader, Row)> {
    let mut rows = Vec::new();
    let start = Instant::now();
    let mut reader = Reader::open(bus.path())?;
    let last = reader.latest(&names[0])?;
    report.add(
        "attach and first answer, 1.2 M bars",
        "Reader::latest",
        None,
        "ms",
        start.elapsed().as_secs_f64() * 1e3,
    );
    ensure!(last.is_some_and(|row| row.close == close(0, MINUTES - 1)), "{last:?}");
    let start = Instant::now();
    for (i, name) in names.iter().enumerate() {
        reader.window_into(name, MINUTES, &mut rows)?;
        let same = rows.iter().enumerate().all(|(minute, row)| row.close == close(i, minute));
        ensure!(rows.len() == MINUTES && same, "{name}: {} rows", rows.len());
    }
    let first = start.elapsed().as_secs_f64() * 1e6 / SYMBOLS as f64;
    report.add("window(240), asked first", "Reader::window_into", None, "µs", first);
    Ok((reader, last.context("no bar")?))
}

/// The reference of each question: a copy of as many rows.
const COPY: &str = "copy of as many rows";

/// `latest` of symbols in random order, beside a plain copy.
fn ask_latest(
    report: &mut Report,
    reader: &mut Reader,
    plain: &[Row],
    (symbols, measure): (usize, &str),
    names: &[String],
) -> anyhow::Result<()> {
    // Checksums of copies and answers; prices are halves of integers, so their sums are exact.
    let (mut copied, mut sum, mut wanted) = (0.0, 0.0, 0.0);
    let ns = each(QUESTIONS, symbols, |i| copied += black_box(plain[i * MINUTES]).close);
    report.add(measure, COPY, None, "ns", ns);
    ensure!(copied > 0.0, "nothing was copied");
    let ns = each(QUESTIONS, symbols, |i| match reader.latest(&names[i]) {
        Ok(Some(row)) => sum += black_box(row).close,
        other => panic!("{}: {other:?}", names[i]),
    });
    report.add(measure, "Reader::latest", Some(COPY), "ns", ns);
    each(QUESTIONS, symbols, |i| wanted += close(i, MINUTES - 1));
    ensure!(sum == wanted, "the sum of the newest prices is {sum}, not {wanted}");
    Ok(())
}

/// Windows of 240 bars of symbols in random order, beside a plain copy.
fn ask_windows(
    report: &mut Report,
    reader: &mut Reader,
    plain: &[Row],
    (symbols, measure): (usize, &str),
    names: &[String],
) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let (mut copied, mut sum, mut wanted) = (0.0, 0.0, 0.0);
    let us = each(WINDOWS, symbols, |i| {
        rows.clear();
        rows.extend_from_slice(&plain[i * MINUTES..(i + 1) * MINUTES]);
        copied += black_box(&rows)[MINUTES - 1].close;
    }) / 1e3;
    report.add(measure, COPY, None, "µs", us);
    ensure!(copied > 0.0, "nothing was copied");
    let us = each(WINDOWS, symbols, |i| {
        reader.window_into(&names[i], MINUTES, &mut rows).expect("asked before");
        sum += ends(black_box(&rows));
    }) / 1e3;
    report.add(measure, "Reader::window_into", Some(COPY), "µs", us);
    let us = each(WINDOWS, symbols, |i| {
        let rows = reader.window(&names[i], MINUTES).expect("asked before");
        sum += ends(black_box(&rows));
    }) / 1e3;
    report.add(measure, "Reader::window", Some(COPY), "µs", us);
    each(WINDOWS, symbols, |i| wanted += 2.0 * (close(i, 0) + close(i, MINUTES - 1)));
    ensure!(sum == wanted, "the sum of the prices of windows is {sum}, not {wanted}");
    Ok(())
}

/// The price of a symbol's bar.
fn close(symbol: usize, minute: usize) -> f64 {
    11.5 + symbol as f64 + minute as f64
}

/// The sum of the prices at both ends of a complete window.
#[inline(always)]
fn ends(rows: &[Row]) -> f64 {
    if rows.len() == MINUTES { rows[0].close + rows[MINUTES - 1].close } else { f64::NAN }
}
