//! The hot paths: each prepares its data, runs the counted operations and verifies the results.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::Int32Type;
use barbus::{Bus, Event, InitOptions, Reader, Row, Start, SymbolId};
use barbus_bench_link::scratch;
use barbus_ring::{Polled, Ring, RingReader, RingWriter, Spec, create};
use barbus_writer::{Pushed, Writer};
use tempfile::TempDir;

use crate::c_interface;
use crate::valgrind::counted_work;

/// A counted path.
pub(crate) struct HotPath {
    pub(crate) name: &'static str,
    /// How many operations were counted.
    pub(crate) run: fn() -> anyhow::Result<usize>,
}

/// All paths in the order of the record. For batches an operation is a row.
pub(crate) const PATHS: &[HotPath] = &[
    HotPath { name: "RingWriter::push", run: ring_push },
    HotPath { name: "RingWriter::append, 128 rows, a row", run: ring_append },
    HotPath { name: "RingReader::poll, at the tip", run: ring_poll },
    HotPath { name: "RingReader::poll, nothing new", run: ring_poll_idle },
    HotPath { name: "RingReader::poll, catching up, a row", run: ring_catch_up },
    HotPath { name: "Ring::attach, RingReader::new", run: ring_attach },
    HotPath { name: "Writer::push", run: library_push },
    HotPath { name: "Writer::publish, 5,000 rows, a row", run: library_publish },
    HotPath { name: "Reader::open, today", run: library_open },
    HotPath { name: "Reader::poll, at the tip", run: library_poll },
    HotPath { name: "Reader::poll, nothing new", run: library_poll_idle },
    HotPath { name: "barbus_poll, at the tip", run: c_interface::poll },
    HotPath { name: "barbus_poll, nothing new", run: c_interface::poll_idle },
    HotPath { name: "Reader::poll, catching up, a row", run: library_catch_up },
    HotPath { name: "Reader::latest, first, a row of the ring", run: first_question },
    HotPath { name: "Reader::latest", run: latest },
    HotPath { name: "barbus_latest", run: c_interface::latest },
    HotPath { name: "Reader::window, 240", run: window },
    HotPath { name: "Reader::window_into, 240", run: window_into },
    HotPath { name: "barbus_window, 240", run: c_interface::window },
];

/// Paths that may need at most this many times the instructions of another one.
pub(crate) const RATIOS: &[(&str, &str, f64)] = &[
    ("barbus_poll, nothing new", "Reader::poll, nothing new", 1.2),
    ("barbus_poll, at the tip", "Reader::poll, at the tip", 1.2),
];

const SYMBOLS: usize = 1_000;
/// 2024-03-04 00:00 UTC.
const MIDNIGHT_MS: i64 = 1_709_510_400_000;
const MINUTE_MS: i64 = 60_000;
/// Rows of the ring; the tip has a part of them.
const ROWS: usize = 60_000;
pub(crate) const OPERATIONS: usize = 20_000;

pub(crate) fn name(symbol: usize) -> String {
    format!("{symbol:06}.XSHE")
}

/// Row `i` of a day.
pub(crate) fn row(i: usize) -> Row {
    let price = i as f64 + 0.5;
    Row {
        symbol: SymbolId((i % SYMBOLS) as u32),
        frame_ms: MIDNIGHT_MS + (1 + i / SYMBOLS) as i64 * MINUTE_MS,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: i as f64,
        optional: [price * 2.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        present: 3,
        ..Row::default()
    }
}

fn check(row: &Row, i: usize) -> anyhow::Result<()> {
    let wanted = self::row(i);
    let same = (row.seq, row.symbol, row.frame_ms, row.close, row.volume, row.optional)
        == (i as u64, wanted.symbol, wanted.frame_ms, wanted.close, wanted.volume, wanted.optional);
    ensure!(same, "row {i} is {row:?}");
    Ok(())
}

/// A ring with symbols, an open day and an open first block.
fn ring(path: &Path) -> anyhow::Result<RingWriter> {
    create(path, &Spec { blocks: 8, ..Spec::default() })?;
    let mut writer = RingWriter::open(path)?;
    for symbol in 0..SYMBOLS {
        writer.intern(&name(symbol)).context("no room for the symbols")?;
    }
    writer.begin_day(1);
    writer.push(&row(0))?;
    Ok(writer)
}

/// The same with `count` rows.
fn filled_ring(path: &Path, rows: usize) -> anyhow::Result<RingWriter> {
    let mut writer = ring(path)?;
    for i in 1..rows {
        writer.push(&row(i))?;
    }
    Ok(writer)
}

/// Reads all rows from the oldest on.
fn check_all(path: &Path, count: usize) -> anyhow::Result<()> {
    let ring = Ring::attach(path)?;
    let mut ring_reader = RingReader::new(&ring, barbus_ring::RingStart::Oldest)?;
    let mut rows = Vec::new();
    while let Polled::Rows(_) = ring_reader.poll(&ring, &mut rows, count) {}
    ensure!(rows.len() == count, "{} rows of {count}", rows.len());
    rows.iter().enumerate().try_for_each(|(i, row)| check(row, i))
}

fn ring_push() -> anyhow::Result<usize> {
    let directory = scratch()?;
    let path = directory.path().join("ring");
    let mut writer = ring(&path)?;
    for i in 1..=OPERATIONS {
        let row = row(i);
        counted_work(|| writer.push(&row))?;
    }
    check_all(&path, OPERATIONS + 1)?;
    Ok(OPERATIONS)
}

fn ring_append() -> anyhow::Result<usize> {
    const RUN: usize = 128;
    let directory = scratch()?;
    let path = directory.path().join("ring");
    let mut writer = ring(&path)?;
    let mut next = 1;
    while next <= OPERATIONS {
        let mut rows: Vec<Row> = (next..next + RUN).map(row).collect();
        let mut done = 0;
        while done < RUN {
            let room = writer.reserve_rows()?.min(RUN - done);
            counted_work(|| writer.append(&mut rows[done..done + room]));
            done += room;
        }
        next += RUN;
    }
    check_all(&path, next)?;
    Ok(next - 1)
}

fn ring_poll() -> anyhow::Result<usize> {
    let directory = scratch()?;
    let path = directory.path().join("ring");
    let mut writer = ring(&path)?;
    let ring = Ring::attach(&path)?;
    let mut ring_reader = RingReader::new(&ring, barbus_ring::RingStart::Live)?;
    let mut rows = Vec::with_capacity(16);
    for i in 1..=OPERATIONS {
        writer.push(&row(i))?;
        rows.clear();
        let polled = counted_work(|| ring_reader.poll(&ring, &mut rows, 16));
        ensure!(polled == Polled::Rows(1), "{polled:?}");
        check(&rows[0], i)?;
    }
    Ok(OPERATIONS)
}

fn ring_poll_idle() -> anyhow::Result<usize> {
    let directory = scratch()?;
    let path = directory.path().join("ring");
    let _writer = ring(&path)?;
    let ring = Ring::attach(&path)?;
    let mut ring_reader = RingReader::new(&ring, barbus_ring::RingStart::Live)?;
    let mut rows = Vec::with_capacity(16);
    for _ in 0..OPERATIONS {
        let polled = counted_work(|| ring_reader.poll(&ring, &mut rows, 16));
        ensure!(polled == Polled::Empty, "{polled:?}");
    }
    Ok(OPERATIONS)
}

fn ring_catch_up() -> anyhow::Result<usize> {
    const POLL: usize = 1_024;
    let directory = scratch()?;
    let path = directory.path().join("ring");
    let writer = filled_ring(&path, ROWS)?;
    let ring = Ring::attach(&path)?;
    let mut ring_reader = RingReader::new(&ring, barbus_ring::RingStart::Oldest)?;
    let mut rows = Vec::with_capacity(POLL);
    let mut next = 0;
    // Read up to the beginning of the tip, so that all rows come from the columns.
    while next + POLL + writer.ring().geometry().tip_rows as usize <= ROWS {
        rows.clear();
        let polled = counted_work(|| ring_reader.poll(&ring, &mut rows, POLL));
        ensure!(polled == Polled::Rows(rows.len()) && !rows.is_empty(), "{polled:?}");
        rows.iter().enumerate().try_for_each(|(i, row)| check(row, next + i))?;
        next += rows.len();
    }
    Ok(next)
}

fn ring_attach() -> anyhow::Result<usize> {
    const TIMES: usize = 100;
    let directory = scratch()?;
    let path = directory.path().join("ring");
    let _writer = filled_ring(&path, ROWS)?;
    for _ in 0..TIMES {
        let (_ring, ring_reader) = counted_work(|| -> anyhow::Result<_> {
            let ring = Ring::attach(&path)?;
            let ring_reader = RingReader::new(&ring, barbus_ring::RingStart::Today)?;
            Ok((ring, ring_reader))
        })?;
        ensure!(ring_reader.position().seq == 0, "{ring_reader:?}");
    }
    Ok(TIMES)
}

/// A bus with known symbols, and its writer.
pub(crate) fn bus(directory: &TempDir) -> anyhow::Result<(Bus, Writer)> {
    let bus = Bus::init(&directory.path().join("bus"), &InitOptions { calendar: "24x7".into(), preset: None })?;
    let mut writer = Writer::open(&bus)?;
    for symbol in 0..SYMBOLS {
        writer.symbol(&name(symbol))?;
    }
    writer.push(&row(0))?;
    Ok((bus, writer))
}

/// The same with `count` bars of one day.
fn filled_bus(directory: &TempDir, rows: usize) -> anyhow::Result<(Bus, Writer)> {
    let (bus, mut writer) = bus(directory)?;
    for i in 1..rows {
        writer.push(&row(i))?;
    }
    Ok((bus, writer))
}

fn library_push() -> anyhow::Result<usize> {
    let directory = scratch()?;
    let (_bus, mut writer) = bus(&directory)?;
    for i in 1..=OPERATIONS {
        let row = row(i);
        let pushed = counted_work(|| writer.push(&row))?;
        ensure!(pushed == Pushed::Accepted(i as u64), "{pushed:?}");
    }
    Ok(OPERATIONS)
}

/// A minute of `symbols` symbols, in the types that most producers send.
fn minute(minute: i64, symbols: usize) -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..symbols).map(name)));
    let keys = Int32Array::from_iter_values(0..symbols as i32);
    let frames = TimestampMillisecondArray::from(vec![MIDNIGHT_MS + minute * MINUTE_MS; symbols]);
    let prices = |more: f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..symbols).map(|symbol| symbol as f64 + minute as f64 + more)))
    };
    RecordBatch::try_from_iter([
        ("symbol", Arc::new(DictionaryArray::<Int32Type>::new(keys, names)) as ArrayRef),
        ("frame", Arc::new(frames.with_timezone("UTC"))),
        ("open", prices(1.0)),
        ("high", prices(2.0)),
        ("low", prices(0.5)),
        ("close", prices(1.5)),
        ("volume", prices(1_000.0)),
        ("money", prices(10_000.0)),
        ("factor", prices(1.0)),
    ])
    .expect("columns of one length")
}

fn library_publish() -> anyhow::Result<usize> {
    const BATCH: usize = 5_000;
    const BATCHES: usize = 8;
    let directory = scratch()?;
    let (_bus, mut writer) = bus(&directory)?;
    // The symbols' first bars.
    writer.publish(minute(2, BATCH))?;
    for i in 0..BATCHES {
        let batch = minute(3 + i as i64, BATCH);
        // The batch outlives the call, so that freeing its memory is not counted.
        let ack = counted_work(|| writer.publish(batch.clone()))?;
        ensure!(ack.accepted == BATCH as u64, "{ack:?}");
    }
    Ok(BATCH * BATCHES)
}

fn library_open() -> anyhow::Result<usize> {
    const TIMES: usize = 20;
    let directory = scratch()?;
    let (bus, _writer) = filled_bus(&directory, ROWS)?;
    for _ in 0..TIMES {
        let reader = counted_work(|| Reader::open(bus.path())?.start_at(Start::Today))?;
        ensure!(reader.position() == 0, "{reader:?}");
    }
    Ok(TIMES)
}

fn library_poll() -> anyhow::Result<usize> {
    let directory = scratch()?;
    let (bus, mut writer) = bus(&directory)?;
    let mut reader = Reader::open(bus.path())?.start_at(Start::Oldest)?;
    reader.poll()?;
    for i in 1..=OPERATIONS {
        writer.push(&row(i))?;
        let event = counted_work(|| reader.poll())?;
        match event {
            Some(Event::Bars(bars)) if bars.len() == 1 => check(&bars.rows()[0], i)?,
            other => anyhow::bail!("{other:?}"),
        }
    }
    Ok(OPERATIONS)
}

fn library_poll_idle() -> anyhow::Result<usize> {
    let directory = scratch()?;
    let (bus, _writer) = bus(&directory)?;
    let mut reader = Reader::open(bus.path())?;
    reader.poll()?;
    for _ in 0..OPERATIONS {
        let event = counted_work(|| reader.poll())?;
        ensure!(event.is_none(), "{event:?}");
    }
    Ok(OPERATIONS)
}

fn library_catch_up() -> anyhow::Result<usize> {
    let directory = scratch()?;
    let (bus, writer) = filled_bus(&directory, ROWS)?;
    let mut reader = Reader::open(bus.path())?.start_at(Start::Oldest)?;
    let to = ROWS - writer.ring().geometry().tip_rows as usize - 1_024;
    let mut next = 0;
    while next < to {
        let event = counted_work(|| reader.poll())?;
        let Some(Event::Bars(bars)) = event else { anyhow::bail!("{event:?}") };
        bars.rows().iter().enumerate().try_for_each(|(i, row)| check(row, next + i))?;
        next += bars.len();
    }
    Ok(next)
}

fn first_question() -> anyhow::Result<usize> {
    let directory = scratch()?;
    let (bus, _writer) = filled_bus(&directory, ROWS)?;
    let mut reader = Reader::open(bus.path())?;
    let last = counted_work(|| reader.latest(&name(0)))?;
    check(&last.context("no bar")?, ROWS - SYMBOLS)?;
    Ok(ROWS)
}

/// A reader with cached windows of 240 bars for a few symbols.
pub(crate) fn asked(directory: &TempDir, count: usize) -> anyhow::Result<(Writer, Reader, Vec<String>)> {
    const MINUTES: i64 = 250;
    const FEW: usize = 100;
    let (bus, mut writer) = bus(directory)?;
    for i in 0..MINUTES {
        writer.publish(minute(2 + i, FEW))?;
    }
    let mut reader = Reader::open(bus.path())?;
    let names: Vec<String> = (0..FEW).map(name).collect();
    for name in &names {
        ensure!(reader.window(name, count)?.len() == count, "{name} has too few bars");
    }
    Ok((writer, reader, names))
}

fn latest() -> anyhow::Result<usize> {
    let directory = scratch()?;
    let (_writer, mut reader, names) = asked(&directory, 1)?;
    for i in 0..OPERATIONS {
        let symbol = i * 7 % names.len();
        let last = counted_work(|| reader.latest(&names[symbol]))?;
        ensure!(last.is_some_and(|row| row.close == symbol as f64 + 251.0 + 1.5), "{last:?}");
    }
    Ok(OPERATIONS)
}

fn window() -> anyhow::Result<usize> {
    const TIMES: usize = 2_000;
    let directory = scratch()?;
    let (_writer, mut reader, names) = asked(&directory, 240)?;
    for i in 0..TIMES {
        let rows = counted_work(|| reader.window(&names[i % names.len()], 240))?;
        ensure!(rows.len() == 240 && rows[239].close == (i % names.len()) as f64 + 251.0 + 1.5, "{rows:?}");
    }
    Ok(TIMES)
}

fn window_into() -> anyhow::Result<usize> {
    const TIMES: usize = 2_000;
    let directory = scratch()?;
    let (_writer, mut reader, names) = asked(&directory, 240)?;
    let mut rows = Vec::with_capacity(240);
    for i in 0..TIMES {
        counted_work(|| reader.window_into(&names[i % names.len()], 240, &mut rows))?;
        ensure!(rows.len() == 240 && rows[239].close == (i % names.len()) as f64 + 251.0 + 1.5, "{rows:?}");
    }
    Ok(TIMES)
}
