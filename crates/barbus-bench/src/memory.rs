//! The memory of a hundred readers.

use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, ensure};
use barbus::{Bus, InitOptions};
use barbus_bench_link::scratch;
use barbus_writer::Writer;

use crate::reader::{ReaderJob, Readers};
use crate::report::Report;
use crate::restart;

/// Readers.
const CROWD: usize = 100;

/// Measures the memory of processes that have read a full ring of the default size.
pub(crate) fn round(report: &mut Report) -> anyhow::Result<()> {
    let directory = scratch()?;
    let bus = Bus::init(&directory.path().join("bus"), &InitOptions { calendar: "24x7".into(), preset: None })?;
    let mut writer = Writer::open(&bus)?;
    let blocks = u64::from(barbus::stat(&bus)?.blocks);
    // One block stays free, because a full ring would spill.
    let minutes = (blocks - 1) * u64::from(bus.settings().rows_per_block) / restart::SYMBOLS as u64;
    for minute in 0..minutes {
        writer.publish(restart::minute(minute as i64))?;
    }
    drop(writer);
    let bars = minutes * restart::SYMBOLS as u64;
    let path = bus.path().to_owned();
    let mut readers = Readers::start((0..CROWD).map(|_| ReaderJob::Stay { bus: path.clone(), bars }))?;
    for (child, _) in &mut readers.0 {
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("it was piped")?).read_line(&mut line)?;
        ensure!(line.trim() == bars.to_string(), "a reader has not read every bar");
    }
    let ring = std::fs::metadata(bus.ring())?.len() as f64 / 1e6;
    let (mut shared, mut private) = (0.0, Vec::new());
    for (child, _) in &readers.0 {
        let memory = Mapped::of(child.id(), &bus.ring())?;
        shared += memory.ring_pss_mb;
        private.push(memory.private_mb);
    }
    private.sort_by(f64::total_cmp);
    let measure = "memory of 100 readers of a full ring";
    report.add(measure, "the ring's file", None, "MB", ring);
    report.add(measure, "the ring in all of them (PSS)", Some("the ring's file"), "MB", shared);
    let measure = "private memory of each of 100 readers";
    report.add(measure, "goal", None, "MB", 2.0);
    report.add(measure, "median", Some("goal"), "MB", private[private.len() / 2]);
    report.add(measure, "largest", Some("goal"), "MB", private[private.len() - 1]);
    Ok(())
}

/// The memory of a process, as the kernel reports it.
struct Mapped {
    /// Its share of the ring's pages.
    ring_pss_mb: f64,
    /// Private memory.
    private_mb: f64,
}

impl Mapped {
    fn of(pid: u32, ring: &Path) -> anyhow::Result<Self> {
        let ring = ring.to_str().context("the path is UTF-8")?;
        let (mut of_ring, mut ring_pss_mb, mut private_mb) = (false, 0.0, 0.0);
        for line in std::fs::read_to_string(format!("/proc/{pid}/smaps"))?.lines() {
            let mut words = line.split_whitespace();
            let (key, value) =
                (words.next().unwrap_or_default(), words.next().and_then(|value| value.parse::<f64>().ok()));
            match (key, value.map(|kb| kb * 1024.0 / 1e6)) {
                ("Pss:", Some(mb)) if of_ring => ring_pss_mb += mb,
                ("Private_Clean:" | "Private_Dirty:", Some(mb)) => private_mb += mb,
                // The first line of a mapping has the addresses and the path.
                (key, _) if !key.ends_with(':') => of_ring = line.ends_with(ring),
                _ => {}
            }
        }
        Ok(Self { ring_pss_mb, private_mb })
    }
}
