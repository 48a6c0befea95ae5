//! The command `growth`: how costs grow with readers, symbols, block, ring and day size.
//!
//! Every point is the median of several rounds, and every bar and row is verified.

mod block;
mod crowd;
mod day;
mod plot;
mod random_walk;
mod readers;
mod ring;
mod symbols;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use barbus::{Bus, InitOptions, Row, SymbolId};
use barbus_ring::{RingWriter, Spec, create};
use barbus_writer::Writer;
use nix::sys::time::{TimeSpec, TimeValLike};
use nix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

pub(crate) use crowd::{Task, attend};
use plot::Plot;

use barbus_bench_link::{pin, scratch, unpin};

/// Options of the command `growth`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Rounds; plots show medians with the lowest and the highest figure.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// File for the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Folder for the plots as SVG.
    #[arg(long)]
    plots: Option<PathBuf>,
    /// Only these parts.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Quantity>,
}

/// The quantity that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Quantity {
    /// Attached readers.
    Readers,
    /// Symbols on the bus.
    Symbols,
    /// Rows of a block.
    Block,
    /// Size of the ring.
    Ring,
    /// Bars of a day.
    Day,
}

/// A quantity, its empty plot, and the function that adds a round's figures to the plot.
type Part = (Quantity, fn() -> Plot, fn(&mut Plot, usize) -> anyhow::Result<()>);

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let parts: [Part; 5] = [
        (Quantity::Readers, readers::plot, readers::round),
        (Quantity::Symbols, symbols::plot, symbols::round),
        (Quantity::Block, block::plot, block::round),
        (Quantity::Ring, ring::plot, ring::round),
        (Quantity::Day, day::plot, day::round),
    ];
    let mut lines = Vec::new();
    for (quantity, plot, measure) in parts {
        if !arguments.only.is_empty() && !arguments.only.contains(&quantity) {
            continue;
        }
        let mut plot = plot();
        for round in 0..arguments.rounds.max(1) {
            let start = Instant::now();
            measure(&mut plot, round).with_context(|| format!("{quantity:?}"))?;
            eprintln!("{quantity:?}: round {} in {:.1} s", round + 1, start.elapsed().as_secs_f64());
        }
        print!("{}", plot.table());
        if let Some(folder) = &arguments.plots {
            std::fs::create_dir_all(folder)?;
            plot.draw(folder)?;
        }
        lines.extend(plot.lines());
    }
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&lines)?)?;
    }
    Ok(())
}

/// A bus with these sizes and a calendar that is always open.
fn bus(directory: &TempDir, ring_bytes: u64, symbols: u32) -> anyhow::Result<Bus> {
    let bus = Bus::init(&directory.path().join("bus"), &InitOptions { calendar: "24x7".into(), preset: None })?;
    let settings = bus.path().join("bus.toml");
    let mut text = std::fs::read_to_string(&settings)?;
    for (from, to) in [
        ("# size = \"256MB\"", format!("size = \"{ring_bytes}B\"")),
        ("# symbols = 8192", format!("symbols = {symbols}")),
    ] {
        ensure!(text.contains(from), "bus.toml has no {from}");
        text = text.replace(from, &to);
    }
    std::fs::write(&settings, text)?;
    Ok(Bus::open(bus.path())?)
}

/// Symbols of [`row`].
const SYMBOLS: usize = 4_096;
/// 2024-03-04 00:00 UTC.
const MIDNIGHT_MS: i64 = 1_709_510_400_000;
const MINUTE_MS: i64 = 60_000;

fn name(symbol: usize) -> String {
    format!("{symbol:06}.XSHE")
}

/// Row `i` of a day, identified by its values; up to 5.9 million rows are of one day.
#[inline]
fn row(i: u64) -> Row {
    let price = i as f64 + 0.5;
    Row {
        symbol: SymbolId((i % SYMBOLS as u64) as u32),
        frame_ms: MIDNIGHT_MS + (1 + i / SYMBOLS as u64) as i64 * MINUTE_MS,
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

/// Verifies that `rows` are those from number `from` on.
fn check(rows: &[Row], from: u64) -> anyhow::Result<()> {
    for (found, i) in rows.iter().zip(from..) {
        let wanted = row(i);
        let same = (found.seq, found.symbol, found.frame_ms, found.open, found.close, found.volume, found.optional)
            == (i, wanted.symbol, wanted.frame_ms, wanted.open, wanted.close, wanted.volume, wanted.optional);
        ensure!(same, "row {i} is {found:?}");
    }
    Ok(())
}

/// A ring with an open day and the symbols of [`row`].
fn ring_of(path: &Path, spec: Spec) -> anyhow::Result<RingWriter> {
    create(path, &spec)?;
    let mut writer = RingWriter::open(path)?;
    for symbol in 0..SYMBOLS {
        writer.intern(&name(symbol)).context("the symbols fit")?;
    }
    writer.begin_day(1);
    Ok(writer)
}

/// Opens the writer of a bus on core 0; its other threads may use the other cores.
fn writer_of(bus: &Bus) -> anyhow::Result<Writer> {
    unpin();
    let writer = Writer::open(bus)?;
    pin(0);
    Ok(writer)
}

/// Processor time of the measuring thread, which excludes other programs.
struct Worked(TimeSpec);

impl Worked {
    fn start() -> Self {
        Self(Self::now())
    }

    fn ns(&self) -> f64 {
        (Self::now() - self.0).num_nanoseconds() as f64
    }

    fn now() -> TimeSpec {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has the clock")
    }

    fn ns_each(&self, count: u64) -> f64 {
        self.ns() / count as f64
    }
}
