//! Batches on one core: through the library, through the ring alone, and as a plain copy.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::Int32Type;
use barbus::{Bus, Event, InitOptions, Reader, Row, Start, SymbolId};
use barbus_ring::{Polled, Ring, RingReader, RingWriter, Spec, create};
use barbus_writer::Writer;

use crate::filling::{append_all, persist};
use crate::report::Report;
use barbus_bench_link::{pin, scratch, unpin};

pub(crate) const SYMBOLS: usize = 5_000;
pub(crate) const MINUTES: usize = 240;
pub(crate) const BARS: usize = SYMBOLS * MINUTES;
/// 2024-07-04 09:30 in Shanghai.
const OPEN_MS: i64 = 1_720_056_600_000;
/// The last published day, in weekdays after the first.
const LAST_DAY: i64 = 4;
const MEASURE: &str = "bars published in batches";
const LIMIT: &str = "memcpy of the bytes";

/// The minutes of the day that is `day` weekdays after the first.
pub(crate) fn minutes(day: i64) -> Vec<RecordBatch> {
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..SYMBOLS).map(|i| format!("{i:06}.XSHE"))));
    (1..=MINUTES as i64)
        .map(|minute| {
            let keys = Int32Array::from_iter_values(0..SYMBOLS as i32);
            let symbol = DictionaryArray::<Int32Type>::new(keys, Arc::clone(&names));
            let frame = vec![OPEN_MS + 86_400_000 * day + 60_000 * minute; SYMBOLS];
            let number = |x: f64| -> ArrayRef {
                Arc::new(Float64Array::from_iter_values((0..SYMBOLS).map(|i| x + i as f64 + minute as f64)))
            };
            RecordBatch::try_from_iter([
                ("symbol", Arc::new(symbol) as ArrayRef),
                ("frame", Arc::new(TimestampMillisecondArray::from(frame).with_timezone("Asia/Shanghai"))),
                ("open", number(10.0)),
                ("high", number(11.0)),
                ("low", number(9.0)),
                ("close", number(10.5)),
                ("volume", number(1_000.0)),
                ("money", number(10_000.0)),
                ("factor", number(1.0)),
            ])
            .expect("columns of one length")
        })
        .collect()
}

fn bars_per_second(start: Instant) -> f64 {
    BARS as f64 / start.elapsed().as_secs_f64() / 1e6
}

pub(crate) fn round(report: &mut Report) -> anyhow::Result<()> {
    pin(0);
    let directory = scratch()?;
    copy(report)?;
    ring(report, directory.path())?;
    library(report, directory.path())
}

/// The limit: a plain copy of the bytes of the columns.
fn copy(report: &mut Report) -> anyhow::Result<()> {
    let source = vec![1u8; BARS * 85];
    // The target is written once before, so that no page fault is measured.
    let mut copy = std::hint::black_box(vec![2u8; BARS * 85]);
    let start = Instant::now();
    copy.copy_from_slice(std::hint::black_box(&source));
    report.add(MEASURE, LIMIT, None, "M bars/s", bars_per_second(start));
    ensure!(copy[copy.len() - 1] == 1, "not copied");
    Ok(())
}

/// Single rows and batches through the ring alone.
fn ring(report: &mut Report, directory: &Path) -> anyhow::Result<()> {
    let path = directory.join("ring");
    create(&path, &Spec { blocks: 80, ..Spec::default() })?;
    let mut writer = RingWriter::open(&path)?;
    let symbols: Vec<SymbolId> =
        (0..SYMBOLS).map(|i| writer.intern(&format!("{i:06}.XSHE"))).collect::<Result<_, _>>().context("they fit")?;
    writer.begin_day(1);
    for (name, run) in [
        ("barbus ring, one by one, first touch", 1),
        ("barbus ring, one by one", 1),
        ("barbus ring, in runs of 128", 128),
    ] {
        let mut rows = Vec::with_capacity(run);
        let start = Instant::now();
        for i in 0..BARS {
            rows.push(row(&symbols, i));
            if run == 1 {
                writer.push(&rows[0])?;
                rows.clear();
            } else if rows.len() == run || i + 1 == BARS {
                append_all(&mut writer, &mut rows)?;
                rows.clear();
            }
        }
        report.add(MEASURE, name, Some(LIMIT), "M bars/s", bars_per_second(start));
        let first = writer.ring().status().next_seq - BARS as u64;
        check_ring(&Ring::attach(&path)?, first, |i| row(&symbols, i)).context(name)?;
        // The blocks count as archived, so the next run reuses pages that are in memory.
        persist(&writer)?;
    }
    Ok(())
}

/// Batches through the library, and reading them by copy.
fn library(report: &mut Report, directory: &Path) -> anyhow::Result<()> {
    let bus = Bus::init(&directory.join("bus"), &InitOptions { calendar: "XSHG".into(), preset: None })?;
    let settings = bus.path().join("bus.toml");
    let text = std::fs::read_to_string(&settings)?.replace("# size = \"256MB\"", "size = \"128MB\"");
    std::fs::write(&settings, text)?;
    let bus = Bus::open(bus.path())?;
    // This thread has one core; the writer's other threads may use the other.
    unpin();
    let mut writer = Writer::open(&bus)?;
    pin(0);
    for (day, name) in [(0, Some("barbus library, first touch")), (1, None), (LAST_DAY, Some("barbus library"))] {
        let batches = minutes(day);
        let start = Instant::now();
        let mut accepted = 0;
        for batch in &batches {
            // The batch outlives the call, so that freeing its memory is not measured.
            accepted += writer.publish(batch.clone())?.accepted;
        }
        if let Some(name) = name {
            report.add(MEASURE, name, Some(LIMIT), "M bars/s", bars_per_second(start));
        }
        ensure!(accepted == BARS as u64, "{accepted} of {BARS} bars accepted");
        // The flush of a day is not measured here.
        if day < LAST_DAY {
            writer.close_day();
            writer.flush()?;
        }
    }

    // One timed pass, and one that verifies each bar; both sums must be equal.
    let start = Instant::now();
    let sum = read_all(&bus, |_, _| Ok(()))?;
    report.add("catching up by copy", "barbus library", None, "M bars/s", bars_per_second(start));
    let checked = read_all(&bus, check_bar)?;
    ensure!(sum == checked, "the sum is {sum}, not {checked}");
    Ok(())
}

/// Bar `i` of the ring.
#[inline(always)]
fn row(symbols: &[SymbolId], i: usize) -> Row {
    let price = i as f64;
    Row {
        symbol: symbols[i % SYMBOLS],
        frame_ms: OPEN_MS + (i / SYMBOLS) as i64 * 60_000,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: price,
        optional: [price, 1.0, 0.0, 0.0, 0.0, 0.0],
        present: 3,
        ..Row::default()
    }
}

/// Reads a day's bars from number `first` on and verifies each.
fn check_ring(ring: &Ring, first: u64, wanted: impl Fn(usize) -> Row) -> anyhow::Result<()> {
    let mut ring_reader = RingReader::new(ring, barbus_ring::RingStart::Seq(first))?;
    let mut rows = Vec::new();
    let mut next = 0;
    while next < BARS {
        rows.clear();
        let polled = ring_reader.poll(ring, &mut rows, 1_024);
        ensure!(matches!(polled, Polled::Rows(_)), "{polled:?} instead of bar {next}");
        for found in &rows {
            let wanted = Row { seq: first + next as u64, received_ns: found.received_ns, ..wanted(next) };
            ensure!(*found == wanted, "bar {next} arrived as {found:?}");
            next += 1;
        }
    }
    Ok(())
}

/// Reads the last day and returns the sum of its prices.
fn read_all(bus: &Bus, look: impl Fn(usize, &Row) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut reader = Reader::open(bus.path())?.start_at(Start::Today)?;
    let (mut read, mut sum) = (0, 0.0);
    while let Some(event) = reader.poll()? {
        if let Event::Bars(bars) = event {
            for row in bars.rows() {
                look(read, row)?;
                read += 1;
                sum += row.close;
            }
        }
    }
    ensure!(read == BARS, "{read} of {BARS} bars read");
    Ok(sum)
}

/// Whether a row is bar `i` of the last day of [`minutes`].
fn check_bar(i: usize, row: &Row) -> anyhow::Result<()> {
    let (symbol, minute) = (i % SYMBOLS, 1 + i / SYMBOLS);
    let numbers = [10.0, 11.0, 9.0, 10.5, 1_000.0, 10_000.0, 1.0].map(|x| x + symbol as f64 + minute as f64);
    let found = [row.open, row.high, row.low, row.close, row.volume, row.optional[0], row.optional[1]];
    let frame_ms = OPEN_MS + 86_400_000 * LAST_DAY + 60_000 * minute as i64;
    let same = (row.symbol.0 as usize, row.frame_ms, row.present, found) == (symbol, frame_ms, 3, numbers);
    ensure!(same, "bar {i} arrived as {row:?}");
    Ok(())
}
