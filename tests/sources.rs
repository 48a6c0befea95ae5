//! Two sources of the same bars on the command line: what is printed, kept, backed up and removed.

use std::fs;

use serde_json::Value;

use crate::support::bus::Bus;
use crate::support::market::{self, Bar};

/// A bus on which `feed-a` is above `feed-b`.
fn two_sources() -> Bus {
    let mut bus = Bus::init("XSHG");
    bus.configure("# priority = []", "priority = [\"feed-a\", \"feed-b\"]");
    bus.configure_small_ring();
    bus.start();
    bus
}

/// Three minutes of two symbols, with `more` in each volume.
fn bars(more: f64) -> Vec<Bar> {
    let mut bars = market::minutes(&["600000.XSHG", "000001.XSHE"], "2024-03-04T01:31:00Z", 3);
    bars.iter_mut().for_each(|bar| bar.volume += more);
    bars
}

fn publish(bus: &Bus, source: &str, bars: &[Bar]) -> crate::support::command::Finished {
    let csv = bus.write("bars.csv", market::csv(bars));
    bus.barbus("publish", [csv.to_str().expect("UTF-8"), "--source", source])
}

/// Promise 8: the second source is told what became of its bars, and its values are kept.
#[test]
fn conflicts_are_printed_and_kept() {
    let bus = two_sources();
    publish(&bus, "feed-a", &bars(0.0)).ok();
    let published = publish(&bus, "feed-b", &bars(1.0));
    assert!(published.status.success(), "{published}");
    let folder = bus.path().join("conflicts");
    let words = format!(
        "6 bars were not published, because a source of higher priority gave other values: for both see {}",
        folder.display()
    );
    assert!(published.stderr.contains(&words), "{published}");
    let table: Vec<Vec<&str>> = published.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(table[0][..6], ["rows", "accepted", "duplicate", "revised", "conflict", "quarantined"]);
    assert_eq!(table.last().expect("a row")[..6], ["6", "0", "0", "0", "6", "0"]);
    // Without a conflict the column is not there.
    let again = publish(&bus, "feed-b", &bars(0.0)).ok();
    assert!(again.starts_with("rows") && !again.contains("conflict"), "{again}");

    let stat = bus.barbus("stat", [] as [&str; 0]).ok();
    let lines: Vec<Vec<&str>> = stat.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(lines.contains(&vec!["conflicts", "6"]), "{stat}");
    assert!(stat.contains("feed-b: not connected, 12 rows, 6 duplicates, 6 conflicts"), "{stat}");
    let stat = bus.barbus("stat", ["--format", "json"]).json();
    assert_eq!((&stat["conflicts"], &stat["conflicts_unkept"]), (&6.into(), &0.into()));
    bus.barbus("stat", ["--check"]).ok();

    let files: Vec<_> = fs::read_dir(&folder).expect("it is there").map(|file| file.expect("a file").path()).collect();
    let file = files.iter().find(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    let text = fs::read_to_string(file.expect("a file of this date")).expect("ours");
    let kept: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(kept.len(), 6);
    for line in &kept {
        let volume = |bar: &str| line[bar]["volume"].as_f64().expect("a number");
        assert_eq!(volume("bar"), volume("standing") + 1.0, "{line}");
        for same in ["symbol", "frame", "open", "high", "low", "close", "money", "factor"] {
            assert_eq!(line["bar"].get(same), line["standing"].get(same), "{same} of {line}");
        }
    }
}

/// Files of conflicts are backed up and restored, and `quarantine.keep` removes old ones.
#[test]
fn files_of_conflicts_are_backed_up_and_removed() {
    let mut bus = two_sources();
    publish(&bus, "feed-a", &bars(0.0)).ok();
    publish(&bus, "feed-b", &bars(1.0)).ok();
    let backup = bus.beside("backup");
    bus.barbus("backup", [&backup]).ok();
    let restored = bus.beside("restored");
    let mut restore = crate::support::command::barbus();
    crate::support::command::finish(restore.arg("restore").arg(&backup).arg(&restored), None).ok();
    let conflicts = |bus: &std::path::Path| {
        let files = fs::read_dir(bus.join("conflicts")).expect("it is there").map(|file| file.expect("a file").path());
        let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "ndjson")).collect();
        files.sort();
        files
    };
    let [kept] = &conflicts(&bus.path())[..] else { panic!("one file") };
    let [copy] = &conflicts(&restored)[..] else { panic!("one file") };
    assert_eq!(fs::read(copy).expect("ours"), fs::read(kept).expect("ours"));

    bus.stop();
    let old = bus.path().join("conflicts/2024-03-04.ndjson");
    fs::write(&old, "{}\n").expect("ours");
    // The first key of this name is that of the archive.
    bus.configure("# keep = \"\"", "keep = \"400d\"");
    bus.configure("# keep = \"\"", "keep = \"30d\"");
    let look = bus.barbus("keep", ["--format", "json"]).json();
    let listed: Vec<&Value> = look["files"].as_array().expect("files").iter().map(|file| &file["kind"]).collect();
    assert_eq!(listed, ["conflicts"], "{look}");
    bus.start();
    crate::support::wait::until("the old file to go", || (!old.exists()).then_some(()));
    assert_eq!(conflicts(&bus.path()), std::slice::from_ref(kept));
}
