//! The daemon's work on disks, and its producers by source.

use barbus::protocol::{SourceStat, Stat, TaskStat};
use jiff::Timestamp;

use super::sheet::Sheet;

/// Sources with metrics of their own.
const MOST_SOURCES: usize = 200;

/// Adds the figures of the bus `name`.
pub(super) fn describe(sheet: &mut Sheet, name: &str, stat: &Stat) {
    if let Some(version) = &stat.version {
        let help = "The version of the daemon.";
        sheet.gauge("barbus_daemon_build_info", help, &[("bus", name), ("version", version)], 1.0);
    }
    for (task, done) in [("flush", stat.flushes), ("sync", stat.syncs)] {
        if let Some(done) = done {
            describe_task(sheet, &[("bus", name), ("task", task)], done);
        }
    }
    for (source, rows) in stat.sources.iter().take(MOST_SOURCES) {
        describe_source(sheet, name, source, rows);
    }
}

fn describe_task(sheet: &mut Sheet, labels: &[(&str, &str)], task: TaskStat) {
    let help = "Tries since the daemon started: flushes write day files and parts, syncs write the ring to disk.";
    for (outcome, tries) in [("done", task.done), ("failed", task.failed)] {
        let [bus, kind] = [labels[0], labels[1]];
        sheet.counter("barbus_task_tries", help, &[bus, kind, ("outcome", outcome)], tries);
    }
    sheet.counter_s("barbus_task_seconds", "How long these tries took together.", labels, task.total_s);
    sheet.gauge("barbus_task_last_seconds", "How long the last one took.", labels, task.last_s);
    sheet.gauge("barbus_task_longest_seconds", "How long the longest one took.", labels, task.max_s);
}

fn describe_source(sheet: &mut Sheet, bus: &str, source: &str, stat: &SourceStat) {
    let labels = [("bus", bus), ("source", source)];
    sheet.gauge("barbus_source_streams", "Open streams of the source.", &labels, stat.connected as f64);
    let outcomes = [
        ("accepted", stat.accepted),
        ("duplicate", stat.duplicates),
        ("revised", stat.revised),
        ("conflict", stat.conflicts),
        ("quarantined", stat.quarantined),
        ("refused", stat.refused),
    ];
    let help = "Rows of the source since the daemon started, by what became of them.";
    for (outcome, rows) in outcomes {
        sheet.counter("barbus_source_rows", help, &[labels[0], labels[1], ("outcome", outcome)], rows);
    }
    let now_ms = Timestamp::now().as_millisecond();
    let age = |time: Option<Timestamp>| time.map(|time| (now_ms - time.as_millisecond()) as f64 / 1000.0);
    let help = "Time since the end of the newest bar of the last batch of the source.";
    sheet.gauge("barbus_source_last_bar_age_seconds", help, &labels, age(stat.last_frame));
    let help = "Time since the last batch of the source was handled.";
    sheet.gauge("barbus_source_last_batch_age_seconds", help, &labels, age(stat.last_received));
}
