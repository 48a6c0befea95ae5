//! Time from the daemon's start to its first acknowledgement, with a full ring of one open day.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use barbus::protocol::Ack;
use barbus::{Bus, Publisher};
use nix::sys::signal::Signal;

use crate::command_line::{self, Daemon};
use crate::report::Report;

pub(crate) const SYMBOLS: usize = 5_000;
/// 2024-03-04 00:00 UTC.
const MIDNIGHT_MS: i64 = 1_709_510_400_000;
const MINUTE_MS: i64 = 60_000;
const MEASURE: &str = "start to first ack, full 256 MB ring";

/// Fills a ring of the default size with one day.
/// Then it restarts the daemon in each way, `rounds` times.
pub(crate) fn rounds(report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("bus");
    command_line::init(&path)?;
    let bus = Bus::open(&path)?;
    let mut daemon = Daemon::start(&bus)?;
    let mut publisher = connect(&bus, &mut daemon)?;
    publisher.send(&minute(0))?;
    let stat = barbus::stat(&bus)?;
    // Two blocks stay free, because a full ring would spill.
    let rows = (u64::from(stat.blocks) - 2) * u64::from(bus.settings().rows_per_block);
    let mut next = 1;
    while (next + 1) * SYMBOLS as u64 <= rows {
        publisher.queue(&minute(next as i64))?;
        next += 1;
    }
    publisher.finish()?;
    let mut next = next as i64;
    let bars = barbus::stat(&bus)?.bars;
    eprintln!("{bars} bars of one day in {} blocks", stat.blocks);
    for _ in 0..rounds {
        for (signal, known, system) in [
            (Signal::SIGTERM, false, "after SIGTERM, a new bar"),
            (Signal::SIGKILL, false, "after kill -9, a new bar"),
            (Signal::SIGKILL, true, "after kill -9, a duplicate"),
        ] {
            daemon.end(signal)?;
            let bar = if known { minute(next / 2) } else { minute(next) }.slice(0, 1);
            let begun = Instant::now();
            daemon = Daemon::start(&bus)?;
            let ack = connect(&bus, &mut daemon)?.send(&bar)?;
            let ms = begun.elapsed().as_secs_f64() * 1_000.0;
            let expected = Ack { rows: 1, accepted: u64::from(!known), duplicate: u64::from(known), ..ack };
            ensure!(ack == expected, "{system}: {ack:?}");
            next += i64::from(!known);
            report.add(MEASURE, system, None, "ms", ms);
        }
    }
    daemon.end(Signal::SIGKILL)
}

fn connect(bus: &Bus, daemon: &mut Daemon) -> anyhow::Result<Publisher> {
    daemon.until_it_listens(bus, Duration::from_micros(200))?;
    Ok(Publisher::connect(bus)?)
}

/// A bar of every symbol.
pub(crate) fn minute(number: i64) -> RecordBatch {
    bars_of_minute(number, SYMBOLS)
}

/// A bar of each of the first symbols.
pub(crate) fn bars_of_minute(number: i64, count: usize) -> RecordBatch {
    let symbols = StringArray::from_iter_values((0..count).map(|symbol| format!("{symbol:06}.XSHE")));
    let frames = TimestampMillisecondArray::from(vec![MIDNIGHT_MS + (number + 1) * MINUTE_MS; count]);
    let prices = |more: f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..count).map(|symbol| (symbol as i64 + number) as f64 + more)))
    };
    let columns = [
        ("symbol", Arc::new(symbols) as ArrayRef),
        ("frame", Arc::new(frames.with_timezone("UTC"))),
        ("open", prices(1.25)),
        ("high", prices(2.0)),
        ("low", prices(1.0)),
        ("close", prices(1.5)),
        ("volume", prices(100.0)),
        ("money", prices(1_000.0)),
        ("factor", prices(1.0)),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}
