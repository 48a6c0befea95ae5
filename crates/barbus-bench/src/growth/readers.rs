//! Growth with the number of readers: publishing, wakes, memory.

use std::time::Duration;

use anyhow::ensure;
use barbus_ring::Spec;
use barbus_writer::{Pushed, Writer};

use super::crowd::{Crowd, Task};
use super::plot::{Panel, Plot};
use super::{SYMBOLS, Worked, bus, name, pin, ring_of, row, scratch, writer_of};
use crate::filling::persist;

const COUNTS: [(usize, &str); 6] = [(0, "0"), (1, "1"), (4, "4"), (16, "16"), (64, "64"), (256, "256")];
/// Bars for one point.
const BURST: u64 = 100_000;
/// Bars for one point where each bar wakes all readers.
const WAKING: u64 = 15;

pub(super) fn plot() -> Plot {
    Plot {
        name: "readers",
        title: "Cost against the number of readers",
        x: "reader processes",
        ticks: COUNTS.iter().map(|&(count, label)| (count as f64, label)).collect(),
        panels: vec![
            Panel::new("a bar published, readers poll", "ns", false),
            Panel::new("a bar published, readers asleep", "µs", true),
            Panel::new("memory (PSS), ring of 256 MB", "MB", false),
        ],
    }
}

pub(super) fn round(plot: &mut Plot, round: usize) -> anyhow::Result<()> {
    alone(plot)?;
    with_library(plot)?;
    // The memory is equal in every round.
    if round == 0 { memory(plot) } else { Ok(()) }
}

/// The ring without a bus.
fn alone(plot: &mut Plot) -> anyhow::Result<()> {
    let directory = scratch()?;
    let path = directory.path().join("ring");
    pin(0);
    let mut writer = ring_of(&path, Spec { blocks: 16, ..Spec::default() })?;
    let mut next = 0;
    // One pass without readers first, so that no page fault is measured.
    while next < 16 * 16_384 {
        writer.push(&row(next))?;
        next += 1;
    }
    for (count, _) in COUNTS {
        persist(&writer)?;
        let mut crowd = Crowd::start(count, Task::PollRing, &path, next, next + BURST)?;
        let worked = Worked::start();
        for i in next..next + BURST {
            writer.push(&row(i))?;
        }
        plot.add(0, "RingWriter::push", count as f64, worked.ns_each(BURST));
        crowd.read(0)?;
        next += BURST;
    }
    Ok(())
}

fn with_library(plot: &mut Plot) -> anyhow::Result<()> {
    let directory = scratch()?;
    let bus = bus(&directory, 128_000_000, 8_192)?;
    let mut writer = writer_of(&bus)?;
    (0..SYMBOLS).try_for_each(|symbol| writer.symbol(&name(symbol)).map(drop))?;
    writer.set_wakes(false);
    let push = |writer: &mut Writer, i: u64| -> anyhow::Result<()> {
        let pushed = writer.push(&row(i))?;
        ensure!(pushed == Pushed::Accepted(i), "bar {i}: {pushed:?}");
        Ok(())
    };
    let mut next = 0;
    for _ in 0..BURST {
        push(&mut writer, next)?;
        next += 1;
    }
    for (count, _) in COUNTS {
        let mut crowd = Crowd::start(count, Task::Poll, bus.path(), next, next + BURST)?;
        let worked = Worked::start();
        for i in next..next + BURST {
            push(&mut writer, i)?;
        }
        plot.add(0, "Writer::push", count as f64, worked.ns_each(BURST));
        crowd.read(0)?;
        next += BURST;
    }
    writer.set_wakes(true);
    for (count, _) in COUNTS {
        let mut crowd = Crowd::start(count, Task::Sleep, bus.path(), next, next + WAKING)?;
        let mut pushes: Vec<f64> = Vec::new();
        for i in next..next + WAKING {
            // All readers sleep again.
            std::thread::sleep(Duration::from_millis(4) + Duration::from_micros(150) * count as u32);
            let worked = Worked::start();
            push(&mut writer, i)?;
            pushes.push(worked.ns() / 1e3);
        }
        crowd.read(0)?;
        pushes.sort_by(f64::total_cmp);
        plot.add(1, "Writer::push, which wakes all", count as f64, pushes[pushes.len() / 2]);
        next += WAKING;
    }
    Ok(())
}

fn memory(plot: &mut Plot) -> anyhow::Result<()> {
    let directory = scratch()?;
    let bus = bus(&directory, 256_000_000, 8_192)?;
    let mut writer = writer_of(&bus)?;
    (0..SYMBOLS).try_for_each(|symbol| writer.symbol(&name(symbol)).map(drop))?;
    writer.set_wakes(false);
    let geometry = writer.ring().geometry();
    let rows = u64::from(geometry.slots - 2) * u64::from(geometry.rows_per_block);
    for i in 0..rows {
        writer.push(&row(i))?;
    }
    let path = bus.path().to_owned();
    // The writer's index is not part of the readers' memory.
    drop(writer);
    super::unpin();
    let mut crowd = Crowd::start(0, Task::Stay, &path, 0, rows)?;
    let (without, _) = crowd.memory()?;
    for (count, known) in COUNTS.iter().skip(1).map(|&(count, _)| count).zip(COUNTS.map(|(count, _)| count)) {
        crowd.grow(count, Task::Stay, &path, 0, rows)?;
        crowd.read(known)?;
        let (all, shared) = crowd.memory()?;
        plot.add(2, "all readers together", count as f64, (all - without) as f64 / 1e6);
        plot.add(2, "of it the ring", count as f64, shared as f64 / 1e6);
    }
    Ok(())
}
