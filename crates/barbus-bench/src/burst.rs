//! The command `burst`: 5,000 bars of a minute until each of 16 strategies has the complete minute.

use std::path::PathBuf;

use anyhow::ensure;
use barbus_bench_link::{BURST, BurstAbout, STRATEGIES, burst_about, burst_measure};

use crate::report::Report;
use crate::{own, peers};

/// The system to whose time the others are compared.
const OWN: &str = "barbus";

/// Options of the command `burst`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Rounds; the medians are reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Minutes of a round.
    #[arg(long, default_value_t = 200)]
    minutes: u64,
    /// Only systems with one of these words in their names; `barbus,Unix` builds no peers.
    #[arg(long, value_delimiter = ',')]
    systems: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let own = own::bursts::all();
    let mut systems: Vec<(PathBuf, BurstAbout)> =
        own.iter().map(|system| (program.clone(), burst_about(system.as_ref()))).collect();
    let mut skipped = Vec::new();
    let is_own = |word: &String| systems.iter().any(|(_, about)| about.name.contains(word.as_str()));
    if arguments.systems.is_empty() || !arguments.systems.iter().all(is_own) {
        systems.extend(peers::bursts(&mut skipped));
    }
    systems.retain(|(_, about)| {
        let is_wanted = |word: &String| about.name.contains(word.as_str());
        let wanted = arguments.systems.is_empty() || arguments.systems.iter().any(is_wanted);
        if let Some(why) = about.missing.as_ref().filter(|_| wanted) {
            skipped.push(format!("{}: {why}", about.name));
        }
        wanted && about.missing.is_none()
    });
    let (mut report, mut failures) = (Report::default(), Vec::new());
    for round in 1..=arguments.rounds.max(1) {
        eprintln!("round {round} of {}", arguments.rounds.max(1));
        systems.retain(|(program, about)| match burst_measure(program, &about.name, arguments.minutes.max(1)) {
            Ok(times) => {
                for (quantile, ns) in times.named().into_iter().take(2) {
                    let measure = format!("{BURST} bars to {STRATEGIES} strategies, {quantile}");
                    report.add(&measure, &about.name, Some(OWN), "ms", ns / 1e6);
                }
                true
            }
            Err(error) => {
                failures.push(format!("{error:#}"));
                false
            }
        });
    }
    print!("{}", report.table());
    systems.iter().for_each(|(_, about)| println!("{}: {}", about.name, about.settings));
    skipped.iter().for_each(|what| println!("skipped: {what}"));
    failures.iter().for_each(|what| eprintln!("FAILED: {what}"));
    ensure!(failures.is_empty(), "{} of the systems failed", failures.len());
    Ok(())
}
