//! What a strategy asks of a reader: the newest bar of a symbol, and its last 240, over a full day in the ring.

use std::hint::black_box;
use std::time::Instant;

use anyhow::ensure;
use barbus::{Bus, InitOptions, Reader, Row, Writer};

use crate::batch::{BARS, MINUTES, SYMBOLS, minutes};
use crate::report::Report;
use barbus_bench_link::pin;

/// Symbols of the small watch list.
const WATCHED: usize = 16;
const QUESTIONS: usize = 1_000_000;
const WINDOWS: usize = 50_000;

/// A symbol after the other, in an order that no prefetcher knows.
fn shuffled(symbols: usize) -> impl Iterator<Item = usize> {
    let mut state = 1usize;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % symbols
    })
}

/// Nanoseconds for each of `count` calls.
fn each(count: usize, symbols: usize, mut call: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    shuffled(symbols).take(count).for_each(&mut call);
    start.elapsed().as_nanos() as f64 / count as f64
}

pub(crate) fn round(report: &mut Report) -> anyhow::Result<()> {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let bus = Bus::init(&directory.path().join("bus"), &InitOptions { calendar: "XSHG".into(), preset: None })?;
    let mut writer = Writer::open(&bus)?;
    for batch in minutes(0) {
        writer.publish(batch)?;
    }
    pin(0);
    let names: Vec<String> = (0..SYMBOLS).map(|i| format!("{i:06}.XSHE")).collect();
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
    ensure!(last.is_some_and(|row| row.close == 10.5 + MINUTES as f64), "{last:?}");
    let start = Instant::now();
    for (i, name) in names.iter().enumerate() {
        reader.window_into(name, MINUTES, &mut rows)?;
        ensure!(rows.len() == MINUTES && rows[0].close == 11.5 + i as f64, "{name}: {} rows", rows.len());
    }
    let first = start.elapsed().as_secs_f64() * 1e6 / SYMBOLS as f64;
    report.add("window(240), asked first", "Reader::window_into", None, "µs", first);

    // The limits: a copy of as many rows, from memory of which as much lies about.
    let plain: Vec<Row> = vec![last.expect("looked at above"); BARS];
    for (symbols, latest, window) in [
        (WATCHED, "latest of 16 symbols", "window(240) of 16 symbols"),
        (SYMBOLS, "latest of 5,000 symbols", "window(240) of 5,000 symbols"),
    ] {
        let copy = "copy of as many rows";
        let mut sum = 0.0;
        let ns = each(QUESTIONS, symbols, |i| sum += black_box(plain[i * MINUTES]).close);
        report.add(latest, copy, None, "ns", ns);
        let ns = each(QUESTIONS, symbols, |i| match reader.latest(&names[i]) {
            Ok(Some(row)) => sum += black_box(row).close,
            other => panic!("{}: {other:?}", names[i]),
        });
        report.add(latest, "Reader::latest", Some(copy), "ns", ns);
        let us = each(WINDOWS, symbols, |i| {
            rows.clear();
            rows.extend_from_slice(&plain[i * MINUTES..(i + 1) * MINUTES]);
            sum += black_box(&rows)[MINUTES - 1].close;
        }) / 1e3;
        report.add(window, copy, None, "µs", us);
        let us = each(WINDOWS, symbols, |i| {
            reader.window_into(&names[i], MINUTES, &mut rows).expect("asked before");
            sum += black_box(&rows)[MINUTES - 1].close;
        }) / 1e3;
        report.add(window, "Reader::window_into", Some(copy), "µs", us);
        let us = each(WINDOWS, symbols, |i| {
            let rows = reader.window(&names[i], MINUTES).expect("asked before");
            sum += black_box(&rows)[MINUTES - 1].close;
        }) / 1e3;
        report.add(window, "Reader::window", Some(copy), "µs", us);
        ensure!(sum > 0.0, "no prices");
    }
    Ok(())
}
