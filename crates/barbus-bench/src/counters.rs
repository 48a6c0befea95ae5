//! Instructions and memory accesses of one bar, counted by valgrind's cachegrind.
//!
//! cachegrind simulates a processor, so the counts need no hardware counters.
//! Each end runs alone, the receiver after the sender, so cache traffic between cores is excluded.
//! Creating and verifying a bar is included, for all systems alike.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use barbus_bench_link::{Job, Measure, Role, prepare, scratch};

use crate::between::System;
use crate::report::Report;

/// Bars of a short and of a long run; their difference excludes start and end.
const BARS: [u64; 2] = [20_000, 60_000];
/// Rings whose sender does not wait for a receiver, so that each end can run alone.
const SYSTEMS: [&str; 3] = ["barbus ring", "ringfire", "bcast"];

/// cachegrind's events and their names here; a line counts if it misses the first cache.
const EVENTS: [(&str, &[&str]); 4] =
    [("instructions", &["Ir"]), ("loads", &["Dr"]), ("stores", &["Dw"]), ("lines fetched", &["D1mr", "D1mw"])];

/// The simulated caches, the same on every machine: 32 KB, and 1 MB behind it.
const D1: &str = "--D1=32768,8,64";
const LL: &str = "--LL=1048576,8,64";

/// Counts each system once; returns the reason if counting is not possible.
pub(crate) fn round(report: &mut Report, systems: &[System]) -> anyhow::Result<Option<String>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(Some("counters: valgrind is not installed".into()));
    }
    for system in systems.iter().filter(|system| SYSTEMS.contains(&system.about.name.as_str())) {
        for measure in [Measure::OneByOne, Measure::Batches] {
            if !system.about.measures.contains(&measure) {
                continue;
            }
            let sent = difference(system, measure, false)?;
            let both = difference(system, measure, true)?;
            let how = if measure == Measure::Batches { "batches of 128" } else { "one by one" };
            for (((what, _), sent), both) in EVENTS.iter().zip(sent).zip(both) {
                let title = |end: &str| format!("counted for a bar, {how}, {end}: {what}");
                report.add(&title("sender"), &system.about.name, None, "", sent);
                report.add(&title("receiver"), &system.about.name, None, "", both - sent);
            }
        }
    }
    Ok(None)
}

/// Events of one bar.
fn difference(system: &System, measure: Measure, reads: bool) -> anyhow::Result<Vec<f64>> {
    let [few, many] = BARS.map(|bars| {
        let name = system.about.name.clone();
        count(&system.program, name, measure, Role::Both { bars, reads }).with_context(|| system.about.name.clone())
    });
    let bars = (BARS[1] - BARS[0]) as f64;
    Ok(few?.into_iter().zip(many?).map(|(few, many)| (many - few) / bars).collect())
}

fn count(program: &Path, peer: String, measure: Measure, role: Role) -> anyhow::Result<Vec<f64>> {
    let directory = scratch()?;
    prepare(directory.path())?;
    let out = directory.path().join("cachegrind.out");
    let job = Job { peer, measure, role, directory: directory.path().to_owned() };
    let mut child = Command::new("valgrind")
        .args(["--quiet", "--tool=cachegrind", "--cache-sim=yes", D1, LL])
        .arg(format!("--cachegrind-out-file={}", out.display()))
        // Warnings about this machine's caches are irrelevant.
        .arg(format!("--log-file={}", directory.path().join("valgrind.log").display()))
        .arg(program)
        .args(["side", &serde_json::to_string(&job)?])
        // The process ends when its standard input is closed.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("cannot run valgrind")?;
    let input = child.stdin.take();
    ensure!(child.wait()?.success(), "its process failed under valgrind");
    drop(input);
    let text = std::fs::read_to_string(&out)?;
    let words = |head: &str| text.lines().find_map(|line| line.strip_prefix(head)).map(str::split_whitespace);
    let (names, sums) = words("events: ").zip(words("summary: ")).context("no summary in cachegrind's output")?;
    let sums: Vec<(&str, f64)> = names.zip(sums.map_while(|sum| sum.parse().ok())).collect();
    let sum_of = |wanted: &[&str]| sums.iter().filter(|(name, _)| wanted.contains(name)).map(|(_, sum)| sum).sum();
    let found: Vec<f64> = EVENTS.iter().map(|(_, wanted)| sum_of(wanted)).collect();
    ensure!(found.iter().all(|sum| *sum > 0.0), "cachegrind counted nothing: {sums:?}");
    Ok(found)
}
