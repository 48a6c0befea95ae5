//! Publishes batches and prints the outcome, for `barbus publish` and `barbus replay`.

use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

use barbus::protocol::Ack;
use barbus::{Bus, Pace, Publisher};
use jiff::tz::TimeZone;
use serde_json::json;

use super::errors::{AlreadyPrinted, print_error};
use super::meter::Meter;
use super::report_format::ReportFormat;
use super::stdout::stdout;
use crate::output::cell::Cell;
use crate::output::table::{Layout, Sheet};
use crate::output::{colour_wanted, format};
use crate::publish::{Batch, Sent, send};

/// How long a publisher tries to reconnect after the daemon has ended.
pub(in crate::commands) const RECONNECT_FOR: Duration = Duration::from_secs(30);

/// A shorter wait for room in the ring is normal while a day is archived.
const WAIT_SHOWN: Duration = Duration::from_secs(1);

/// What is said of a column with rounded values.
pub(in crate::commands) const ROUNDED: &str = "values have more digits than a 64-bit float holds: they were rounded";

/// Sends all `batches` to the daemon of `bus` and prints the outcome.
pub(in crate::commands) fn publish<E: Display>(
    batches: impl Iterator<Item = Result<Batch, E>>,
    publisher: Publisher,
    pace: Pace,
    meter: Meter,
    report: ReportFormat,
    bus: &Bus,
) -> anyhow::Result<()> {
    let start = Instant::now();
    // The display and the pace need the acknowledgement of each batch before the next one.
    let each = pace != Pace::Max || meter.is_shown();
    let sent = send(batches, publisher, each, |ack| meter.acked(ack));
    meter.end();
    let Sent { ack, failures, rounded } = sent?;
    failures.iter().for_each(print_error);
    if let Some(column) = rounded {
        print_error(format_args!("{column}: {ROUNDED}"));
    }
    let elapsed = start.elapsed();
    match report {
        ReportFormat::Json => print_json(&ack, elapsed)?,
        ReportFormat::Table => print_table(&ack, elapsed)?,
    }
    if ack.conflict > 0 {
        let bars = if ack.conflict == 1 { "bar was" } else { "bars were" };
        let count = format::count(ack.conflict);
        let folder = bus.conflicts();
        print_error(format_args!(
            "{count} {bars} not published, because a source of higher priority gave other values: for both see {}",
            folder.display()
        ));
    }
    if ack.quarantined > 0 {
        let rows = if ack.quarantined == 1 { "row was" } else { "rows were" };
        let count = format::count(ack.quarantined);
        let folder = bus.quarantine();
        print_error(format_args!("{count} {rows} rejected: for the reasons see {}", folder.display()));
    }
    if ack.refused > 0 {
        let rows = if ack.refused == 1 { "row was" } else { "rows were" };
        let count = format::count(ack.refused);
        print_error(format_args!(
            "{count} {rows} rejected and kept nowhere, because the quarantine has no room: for the reason run barbus stat {}",
            bus.path().display()
        ));
    }
    let waited = Duration::from_millis(ack.waited_ms);
    if waited >= WAIT_SHOWN {
        let (waited, bus) = (format::age(waited), bus.path().display());
        print_error(format_args!("rows waited {waited} for room in the ring: for the reason run barbus stat {bus}"));
    }
    if ack.symbol_table_full > 0 {
        let count = format::count(ack.symbol_table_full);
        print_error(format_args!(
            "the symbol table is full: {count} of them have new symbols: raise ring.max_symbols and publish them again"
        ));
    }
    // A duplicate is on the bus already: sending again is no failure.
    let nothing_accepted = ack.rows > 0 && ack.accepted + ack.duplicate + ack.revised + ack.conflict == 0;
    if nothing_accepted {
        print_error("no row was accepted");
    }
    let all_kept = failures.is_empty() && ack.refused == 0 && ack.symbol_table_full == 0;
    if all_kept && !nothing_accepted { Ok(()) } else { Err(AlreadyPrinted.into()) }
}

fn print_json(ack: &Ack, elapsed: Duration) -> anyhow::Result<()> {
    let mut out = stdout();
    let mut summary = serde_json::to_value(ack)?;
    summary["seconds"] = json!(elapsed.as_secs_f64());
    writeln!(out, "{summary}")?;
    Ok(out.flush()?)
}

fn print_table(ack: &Ack, elapsed: Duration) -> anyhow::Result<()> {
    let mut counts = vec![
        ("rows", ack.rows),
        ("accepted", ack.accepted),
        ("duplicate", ack.duplicate),
        ("revised", ack.revised),
        ("quarantined", ack.quarantined),
    ];
    if ack.conflict > 0 {
        counts.insert(4, ("conflict", ack.conflict));
    }
    let columns = counts.iter().map(|(name, _)| *name).chain(["time", "rate"]);
    let mut sheet = Sheet::new(stdout(), Layout::Table, columns, TimeZone::UTC).coloured(colour_wanted());
    let words = [format::age(elapsed), format::rate(ack.rows, "rows", elapsed)];
    sheet.row(counts.iter().map(|(_, count)| Cell::Count(*count)).chain(words.map(Cell::Text)))?;
    Ok(sheet.finish().map(drop)?)
}
