//! The ring's protocol under loom: every interleaving of its threads, up to a bound of preemptions.
//!
//! loom also returns every stale value that a load may find. The code is the ring's own, over
//! [`memory::ModelMemory`]. Each scenario is a ring in a certain state and two or three threads
//! that take one or two steps each. It lists the allowed outcomes: each of them must occur, and no
//! other.
//!
//! Then the protocol is broken, one fence, release store or order of steps at a time, and some
//! scenario must fail. If none does, the fence is not needed, or no scenario tests it.
//!
//! `BARBUS_MODEL_PREEMPTIONS` sets the bound (2 by default).

mod blocks;
mod columns;
mod days;
mod durable;
mod memory;
mod publish;
mod reuse;
mod scenario;
mod symbols;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use scenario::{Scenario, explore};
use words::{ProtocolStep, Sabotage, with_sabotage};

/// Every scenario. A number in `BARBUS_MODEL_BROKEN` is an index into this list.
fn scenarios() -> Vec<&'static Scenario> {
    let groups = [
        publish::SCENARIOS,
        columns::SCENARIOS,
        blocks::SCENARIOS,
        days::SCENARIOS,
        symbols::SCENARIOS,
        reuse::SCENARIOS,
        durable::SCENARIOS,
    ];
    groups.into_iter().flatten().collect()
}

/// Promises 2 and 3: under every interleaving a scenario finds an allowed outcome, and each of them
/// occurs.
#[test]
fn the_protocol_holds() {
    for scenario in scenarios() {
        let ((outcomes, interleavings), ..) = with_sabotage(None, || explore(scenario));
        println!("{interleavings:>8} interleavings: {}", scenario.name);
        assert_eq!(outcomes, allowed(scenario), "{}", scenario.name);
    }
}

fn allowed(scenario: &Scenario) -> BTreeSet<String> {
    scenario.outcomes.iter().map(|&outcome| outcome.to_owned()).collect()
}

/// Steps of which the first must be done before the second, and why.
const ORDERS: &[(ProtocolStep, ProtocolStep, &str)] = &[
    (ProtocolStep::Claim, ProtocolStep::TipWord, "a tip slot is claimed before it is overwritten"),
    (ProtocolStep::TipWord, ProtocolStep::Stamp, "the stamp is the commit of a row in the tip"),
    (ProtocolStep::Column, ProtocolStep::Cursor, "the cursor is the commit of a row in the columns"),
    (ProtocolStep::Column, ProtocolStep::Length, "the Arrow lengths count rows that are stored"),
    (ProtocolStep::State, ProtocolStep::Number, "a block is sealed before the next one is opened"),
    (ProtocolStep::Number, ProtocolStep::Column, "a slot is marked before it is overwritten"),
    (ProtocolStep::Number, ProtocolStep::Unclaim, "a slot is marked before its lock is released"),
    (ProtocolStep::FirstSeq, ProtocolStep::Number, "the block number makes a header valid"),
    (ProtocolStep::Stamp, ProtocolStep::Superseded, "a ring is superseded after its last row"),
    (
        ProtocolStep::DurableBefore,
        ProtocolStep::Durable,
        "a cursor that the disk may hold is kept while another is synced",
    ),
];

const NOT_NOTICED: &str = "no scenario failed";

/// Runs one scenario with the protocol broken as `BARBUS_MODEL_BROKEN` specifies. It runs in a
/// process of its own, because a broken protocol may end it in any way.
#[test]
fn broken() {
    let Ok(text) = std::env::var("BARBUS_MODEL_BROKEN") else { return };
    let (scenario, sabotage) = text.split_once('/').expect("scenario/sabotage");
    let scenario = scenarios()[scenario.parse::<usize>().expect("a number")];
    let sabotage = parse_sabotage(sabotage);
    let ((outcomes, _), ..) = with_sabotage(Some(sabotage), || explore(scenario));
    assert_eq!(outcomes, allowed(scenario), "{}", scenario.name);
    println!("{NOT_NOTICED}");
}

fn parse_sabotage(name: &str) -> Sabotage {
    if let Some((file, line)) = name.split_once(':') {
        return Sabotage::Weaken((file.to_owned().leak(), line.parse().expect("a line")));
    }
    let order = ORDERS.iter().find(|(first, second, _)| format!("{first:?}-{second:?}") == name);
    order.map(|&(first, second, _)| Sabotage::Delay(first, second)).expect("a known order")
}

/// Whether scenario `index` fails with the protocol broken.
fn notices(index: usize, sabotage: &str) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "loom::broken", "--nocapture"])
        .env("BARBUS_MODEL_BROKEN", format!("{index}/{sabotage}"))
        .env("BARBUS_MODEL_PREEMPTIONS", "2")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let noticed = !String::from_utf8_lossy(&output.stdout).contains(NOT_NOTICED);
    assert_eq!(noticed, !output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    noticed
}

/// Whether the comment at a place contains "loom cannot show": loom performs the loads of a thread
/// in their order, so no scenario fails if a load is overtaken by another thread's later store.
fn is_beyond_model(place: &str) -> bool {
    let Some((file, line)) = place.split_once(':') else { return false };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let text = std::fs::read_to_string(path).expect("a source file of this crate");
    let line: usize = line.parse().expect("a line");
    text.lines().take(line).skip(line.saturating_sub(4)).any(|line| line.contains("loom cannot show"))
}

/// Promise 3: every fence, release store and order of steps is needed. Without it a scenario fails.
#[test]
fn every_fence_and_every_order_is_needed() {
    let scenarios = scenarios();
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut steps: Vec<BTreeSet<ProtocolStep>> = Vec::new();
    let mut interleavings = Vec::new();
    for (index, scenario) in scenarios.iter().enumerate() {
        let ((_, count), sites, found) = with_sabotage(None, || explore(scenario));
        interleavings.push(count);
        for (file, line) in sites {
            places.entry(format!("{file}:{line}")).or_default().push(index);
        }
        steps.push(found);
    }
    for (first, second, _) in ORDERS {
        let having = (0..steps.len()).filter(|&index| steps[index].contains(first) && steps[index].contains(second));
        places.insert(format!("{first:?}-{second:?}"), having.collect());
    }
    let mut unnoticed = Vec::new();
    for (place, candidates) in &mut places {
        // The fastest scenario first.
        candidates.sort_by_key(|&index| interleavings[index]);
        match candidates.iter().find(|&&index| notices(index, place)) {
            Some(&index) => println!("without {place}: {}", scenarios[index].name),
            None if is_beyond_model(place) => println!("without {place}: beyond the model"),
            None => unnoticed.push(place.clone()),
        }
    }
    assert!(unnoticed.is_empty(), "no scenario fails without {unnoticed:#?}");
}
