//! Growth with the rows of a block: publishing and catching up.

use anyhow::ensure;
use barbus::Row;
use barbus_ring::{Polled, Ring, RingReader, RingStart, Spec};

use super::plot::{Panel, Plot};
use super::{Worked, pin, ring_of, row, scratch};
use crate::filling::{append_all, persist};

const ROWS: [(u32, &str); 7] =
    [(64, "64"), (256, "256"), (1_024, "1 k"), (4_096, "4 k"), (16_384, "16 k"), (65_536, "64 k"), (262_144, "256 k")];
/// Rows of the ring for every block size.
const RING: u64 = 1 << 19;

pub(super) fn plot() -> Plot {
    Plot {
        name: "block",
        title: "Cost against the rows of a block (a ring of 524,288 rows)",
        x: "rows of a block",
        ticks: ROWS.iter().map(|&(rows, label)| (f64::from(rows), label)).collect(),
        panels: vec![Panel::new("a bar published", "ns", true), Panel::new("a bar read, catching up", "ns", false)],
    }
}

pub(super) fn round(plot: &mut Plot, _: usize) -> anyhow::Result<()> {
    pin(0);
    for (rows_per_block, _) in ROWS {
        let x = f64::from(rows_per_block);
        let directory = scratch()?;
        let path = directory.path().join("ring");
        let blocks = (RING / u64::from(rows_per_block)) as u32;
        // Some blocks cannot be reused yet, so the ring has room for them.
        let mut writer = ring_of(&path, Spec { blocks: blocks + 4, rows_per_block, ..Spec::default() })?;
        let count = RING / 2;
        // One pass over the ring first, so that no page fault is measured.
        let mut first = 0;
        while first < u64::from(blocks + 4) * x as u64 {
            for i in first..first + count {
                writer.push(&row(i))?;
            }
            persist(&writer)?;
            first += count;
        }
        let worked = Worked::start();
        for i in first..first + count {
            writer.push(&row(i))?;
        }
        plot.add(0, "RingWriter::push, one by one", x, worked.ns_each(count));
        persist(&writer)?;

        first += count;
        let mut rows: Vec<Row> = Vec::with_capacity(128);
        let worked = Worked::start();
        for run in (first..first + count).step_by(128) {
            rows.clear();
            rows.extend((run..run + 128).map(row));
            append_all(&mut writer, &mut rows)?;
        }
        plot.add(0, "RingWriter::append, runs of 128", x, worked.ns_each(count));

        let ring = Ring::attach(&path)?;
        let mut ring_reader = RingReader::new(&ring, RingStart::Oldest)?;
        let mut next = ring_reader.position().seq;
        let oldest = next;
        let end = writer.next_seq() - u64::from(ring.geometry().tip_rows);
        let mut took = 0.0;
        while next < end {
            rows.clear();
            let worked = Worked::start();
            let polled = ring_reader.poll(&ring, &mut rows, 1_024);
            took += worked.ns();
            ensure!(matches!(polled, Polled::Rows(_)), "{polled:?}");
            super::check(&rows, next)?;
            next += rows.len() as u64;
        }
        ensure!(next - oldest > RING / 2, "only {} rows were left to read", next - oldest);
        plot.add(1, "RingReader::poll", x, took / (next - oldest) as f64);
    }
    Ok(())
}
