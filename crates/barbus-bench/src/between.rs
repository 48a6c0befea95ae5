//! Between two processes: one bar one way, and as many as go through, barbus and its peers in turn.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::ensure;
use barbus_bench_link::{About, Bar, Figures, Measure, about, measure, pin, unpin};

use crate::own;
use crate::report::Report;

/// Bars that the plain copy moves about: as much as the ring holds.
const COPIED: usize = 1 << 22;
const COPY: &str = "memcpy of the bytes";

/// A system, and the program that has it.
pub(crate) struct System {
    pub(crate) program: PathBuf,
    pub(crate) about: About,
}

/// barbus itself and the limits, in this program.
pub(crate) fn own() -> anyhow::Result<Vec<System>> {
    let program = std::env::current_exe()?;
    Ok(own::peers().iter().map(|peer| System { program: program.clone(), about: about(peer.as_ref()) }).collect())
}

/// Every system of `systems` once. One that fails is taken out of them: why is returned.
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
    // The distance between two cores of a virtual machine changes from one second to the next: the limit is measured beside each system.
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
                // Nobody is woken by a word of memory.
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

/// M bars/s of a plain copy, on one core, from memory that lies about to as much of it.
fn copy() -> anyhow::Result<f64> {
    pin(0);
    let source: Vec<Bar> = (0..COPIED as u64).map(Bar::number).collect();
    // Written once before: a copy, not the kernel's first touch of its pages.
    let mut copy = black_box(vec![Bar::default(); COPIED]);
    copy.copy_from_slice(black_box(&source));
    let start = Instant::now();
    copy.copy_from_slice(black_box(&source));
    let seconds = start.elapsed().as_secs_f64();
    unpin();
    ensure!(copy == source, "not copied");
    Ok(COPIED as f64 / seconds / 1e6)
}
