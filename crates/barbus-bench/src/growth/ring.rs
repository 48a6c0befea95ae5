//! Growth with the size of the ring: publishing, attaching, first answer, restart.

use std::time::Instant;

use anyhow::{Context, ensure};
use barbus::{Reader, Start};
use barbus_ring::{Polled, Ring, RingReader, Spec};
use barbus_writer::Pushed;

use super::plot::{Panel, Plot};
use super::random_walk::RandomWalk;
use super::{Worked, bus, name, pin, ring_of, row, scratch, writer_of};
use crate::filling::persist;

const SIZES: [(u64, &str); 5] = [(8, "8 M"), (32, "32 M"), (128, "128 M"), (512, "512 M"), (1_024, "1 G")];
const SYMBOLS: usize = 10_000;
const COUNT: u64 = 400_000;

pub(super) fn plot() -> Plot {
    Plot {
        name: "ring",
        title: "Cost against the size of the ring (full of one open day)",
        x: "size of the ring file, bytes",
        ticks: SIZES.iter().map(|&(size, label)| (size as f64, label)).collect(),
        panels: vec![
            Panel::new("a bar published, wrapping", "ns", false),
            Panel::new("attach", "µs", true),
            Panel::new("first answer, restart", "ms", true),
        ],
    }
}

pub(super) fn round(plot: &mut Plot, _: usize) -> anyhow::Result<()> {
    for (size, _) in SIZES {
        going_round(plot, size)?;
        full(plot, size)?;
    }
    Ok(())
}

/// The ring without a bus; every page has been written before.
fn going_round(plot: &mut Plot, megabytes: u64) -> anyhow::Result<()> {
    let directory = scratch()?;
    let path = directory.path().join("ring");
    pin(0);
    let mut writer = ring_of(&path, Spec::default().with_file_bytes(megabytes << 20))?;
    let geometry = writer.ring().geometry().clone();
    let lap = u64::from(geometry.rows_per_block) * u64::from(geometry.slots - 3);
    let mut next = 0;
    let push = |writer: &mut barbus_ring::RingWriter, count: u64, next: &mut u64| -> anyhow::Result<()> {
        for i in *next..*next + count {
            writer.push(&row(i))?;
        }
        *next += count;
        Ok(())
    };
    while next < u64::from(geometry.rows_per_block) * u64::from(geometry.slots) {
        push(&mut writer, lap / 2, &mut next)?;
        persist(&writer)?;
    }
    let (mut took, mut done) = (0.0, 0);
    while done < COUNT {
        let part = COUNT.min(lap / 2);
        let worked = Worked::start();
        push(&mut writer, part, &mut next)?;
        took += worked.ns();
        done += part;
        // The cost of archiving is not measured here.
        persist(&writer)?;
    }
    plot.add(0, "RingWriter::push", megabytes as f64, took / done as f64);
    let ring = Ring::attach(&path)?;
    let mut ring_reader = RingReader::new(&ring, barbus_ring::RingStart::Seq(next - 1_000))?;
    let mut rows = Vec::new();
    while let Polled::Rows(_) = ring_reader.poll(&ring, &mut rows, 1_000) {}
    ensure!(rows.len() == 1_000, "{} rows", rows.len());
    super::check(&rows, next - 1_000)
}

/// A bus whose ring is filled by one open day except for two blocks.
fn full(plot: &mut Plot, megabytes: u64) -> anyhow::Result<()> {
    let x = megabytes as f64;
    // The ring is on disk, as by default: a ring on tmpfs is spilled and reloaded at a restart.
    let directory = tempfile::tempdir()?;
    let bus = bus(&directory, megabytes << 20, 16_384)?;
    let mut writer = writer_of(&bus)?;
    let geometry = writer.ring().geometry();
    let room = u64::from(geometry.rows_per_block) * u64::from(geometry.slots - 2);
    let mut market = RandomWalk::new(SYMBOLS);
    let mut bars = 0;
    while bars + SYMBOLS as u64 <= room {
        bars += writer.publish(market.next_minute())?.accepted;
    }

    // A file that is still being written back is slower to map, so it is synced first.
    std::fs::File::open(bus.ring())?.sync_all()?;
    const TIMES: u64 = 50;
    let worked = Worked::start();
    for _ in 0..TIMES {
        let ring = Ring::attach(&bus.ring())?;
        let ring_reader = RingReader::new(&ring, barbus_ring::RingStart::Today)?;
        ensure!(ring_reader.position().seq == 0, "{ring_reader:?}");
    }
    plot.add(1, "Ring::attach, RingReader::new", x, worked.ns_each(TIMES) / 1e3);
    let worked = Worked::start();
    for _ in 0..TIMES {
        let reader = Reader::open(bus.path())?.start_at(Start::Today)?;
        ensure!(reader.position() == 0, "{reader:?}");
    }
    plot.add(1, "Reader::open, from today", x, worked.ns_each(TIMES) / 1e3);

    let worked = Worked::start();
    let last = Reader::open(bus.path())?.latest(&name(SYMBOLS - 1))?.context("no bar")?;
    plot.add(2, "Reader::open, latest", x, worked.ns() / 1e6);
    ensure!((last.close, last.frame_ms) == (market.close(SYMBOLS - 1), market.frame_ms()), "{last:?}");

    drop(writer);
    super::unpin();
    let start = Instant::now();
    let mut writer = barbus_writer::Writer::open(&bus)?;
    let pushed = writer.push(&barbus::Row { frame_ms: market.frame_ms() + 60_000, ..last })?;
    plot.add(2, "restart, a new bar", x, start.elapsed().as_secs_f64() * 1e3);
    ensure!(pushed == Pushed::Accepted(bars), "{pushed:?} behind {bars} bars");
    let start = Instant::now();
    let pushed = writer.push(&last)?;
    plot.add(2, "then a duplicate", x, start.elapsed().as_secs_f64() * 1e3);
    ensure!(pushed == Pushed::Duplicate, "{pushed:?}");
    Ok(())
}
