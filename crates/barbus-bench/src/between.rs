//! Latency and throughput between two processes, for barbus and its peers in turn.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::ensure;
use barbus_bench_link::{About, Bar, Figures, Measure, about, measure, pin, unpin};

use crate::own;
use crate::report::Report;

/// Bars of the plain copy: as many as the ring holds.
const COPIED: usize = 1 << 22;
const COPY: &str = "memcpy of the bytes";

/// A system and the program that contains it.
pub(crate) struct System {
    pub(crate) program: PathBuf,
    pub(crate) about: About,
}

/// barbus and the limits, which this program contains.
pub(crate) fn own() -> anyhow::Result<Vec<System>> {
    let program = std::env::current_exe()?;
    Ok(own::peers().iter().map(|peer| System { program: program.clone(), about: about(peer.as_ref()) }).collect())
}

/// Measures each of `systems` once. A failing one is removed, and its error is returned.
pub(crate) fn round(report: &mut Report, systems: &mut Vec<System>, what: Measure) -> anyhow::Result<Vec<String>> {
    if matches!(what, Measure::OneByOne | Measure::Batches) {
        report.add(title(what), COPY, None, "M bars/s", copy()?);
    }
    let program = std::env::current_exe()?;
    let mut failures = Vec::new();
    systems.retain(|system| {
        let measured = if system.about.measures.contains(&what) { one(report, &program, system, what) } else { Ok(()) };
        failures.extend(measured.as_ref().err().map(|error| format!("{error:#}")));
        measured.is_ok()
    });
    Ok(failures)
}

fn one(report: &mut Report, program: &Path, system: &System, what: Measure) -> anyhow::Result<()> {
    let name = &system.about.name;
    // The distance of two virtual cores changes within seconds.
    // Therefore the limit is measured again beside each system.
    let limit = match what == Measure::OneWay && name != own::LIMIT {
        true => Some(measure(program, own::LIMIT, what)?),
        false => None,
    };
    match (measure(&system.program, name, what)?, limit) {
        (Figures::OneWay(own), Some(Figures::OneWay(limit))) => {
            for ((quantile, ns), (_, limit)) in own.named().into_iter().zip(limit.named()) {
                report.add_beside(&format!("{}, {quantile}", title(what)), name, limit, "ns", ns);
            }
        }
        (Figures::OneWay(own), _) => {
            for (quantile, ns) in own.named() {
                // A word of memory wakes no process, so the socket is the reference.
                report.add(&format!("{}, {quantile}", title(what)), name, Some("Unix socket"), "ns", ns);
            }
        }
        (Figures::Rate { per_second, .. }, _) => {
            report.add(title(what), name, Some(COPY), "M bars/s", per_second / 1e6)
        }
    }
    Ok(())
}

fn title(what: Measure) -> &'static str {
    match what {
        Measure::OneWay => "one bar, one way",
        Measure::OneWayAsleep => "one bar, one way, asleep",
        Measure::OneByOne => "bars one by one, with a reader",
        Measure::Batches => "bars in batches of 128, with a reader",
    }
}

/// Million bars per second of a plain copy of memory on one core.
fn copy() -> anyhow::Result<f64> {
    pin(0);
    let source: Vec<Bar> = (0..COPIED as u64).map(Bar::number).collect();
    // The target is written once before, so that no page fault is measured.
    let mut copy = black_box(vec![Bar::default(); COPIED]);
    copy.copy_from_slice(black_box(&source));
    let start = Instant::now();
    copy.copy_from_slice(black_box(&source));
    let seconds = start.elapsed().as_secs_f64();
    unpin();
    ensure!(copy == source, "not copied");
    Ok(COPIED as f64 / seconds / 1e6)
}
