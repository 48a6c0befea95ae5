//! Prints what was understood of inputs, and the doubts about it.

use std::fmt::Write;

use barbus_files::{Findings, Reading, Understood, printable};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::errors::print_error;
use crate::output::format::count;

/// Most inputs that were understood differently of which each is described.
const MAX_KINDS: usize = 5;
/// Most doubts and failures that are printed one by one.
const MAX_LINES: usize = 20;

/// The report of a reading, as text.
pub(in crate::commands) fn text(
    understood: &[Understood],
    findings: &Findings,
    left_out: &[(String, u64)],
    zone: &TimeZone,
) -> String {
    let mut text = String::new();
    let mut kinds: Vec<(&Understood, usize)> = Vec::new();
    for one in understood {
        match kinds.iter_mut().find(|(kind, _)| kind.is_like(one)) {
            Some((_, inputs)) => *inputs += 1,
            None => kinds.push((one, 1)),
        }
    }
    for (kind, inputs) in kinds.iter().take(MAX_KINDS) {
        describe(&mut text, kind, *inputs);
    }
    if kinds.len() > MAX_KINDS {
        let _ = writeln!(text, "… and {} inputs that were understood in other ways", kinds.len() - MAX_KINDS);
    }
    let _ = writeln!(text, "{}", extent(findings, zone));
    for (reason, rows) in left_out {
        let _ = writeln!(text, "  left out {} rows: {}", count(*rows), printable(reason));
    }
    text
}

fn describe(text: &mut String, kind: &Understood, inputs: usize) {
    let more = if inputs > 1 { format!(" and {} like it", inputs - 1) } else { String::new() };
    let columns: Vec<String> = kind.columns.iter().map(|(target, origin)| format!("{target}={origin}")).collect();
    let layout = kind.layout.as_deref().unwrap_or("by the names of the columns");
    let _ = writeln!(text, "{}{more}", printable(&kind.input));
    let _ = writeln!(text, "  layout   {}", printable(layout));
    let _ = writeln!(text, "  columns  {}", printable(&columns.join(" ")));
    let _ = writeln!(text, "  label    {} ({})", kind.label, printable(&kind.label_why));
    let _ = writeln!(text, "  zone     {} ({})", kind.zone, printable(&kind.zone_why));
    let _ = writeln!(text, "  symbol   {}", printable(&kind.symbol));
    for note in &kind.notes {
        let _ = writeln!(text, "  note     {}", printable(note));
    }
}

/// Rows, symbols, first and last bar, in one line.
fn extent(findings: &Findings, zone: &TimeZone) -> String {
    let Some((first, last)) = findings.span_ms else { return "no bars".to_owned() };
    let plural = |n: u64, word: &str| format!("{} {word}{}", count(n), if n == 1 { "" } else { "s" });
    let shown = |ms: i64| match jiff::Timestamp::from_millisecond(ms) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => ms.to_string(),
    };
    let step = match findings.step {
        Some(1) => ", every minute",
        _ => "",
    };
    let examples = findings.examples.join(", ");
    let more = if findings.symbols > findings.examples.len() as u64 { ", …" } else { "" };
    format!(
        "{} of {} ({}{more}), ends from {} to {} ({}){step}",
        plural(findings.bars, "bar"),
        plural(findings.symbols, "symbol"),
        printable(&examples),
        shown(first),
        shown(last),
        zone.iana_name().unwrap_or("the zone of the bus")
    )
}

/// The report of a reading, as JSON.
pub(in crate::commands) fn json(reading: &Reading, findings: &Findings) -> Value {
    let input = |one: &Understood| {
        let columns: serde_json::Map<String, Value> =
            one.columns.iter().map(|(target, origin)| (target.clone(), origin.clone().into())).collect();
        json!({
            "input": one.input, "layout": one.layout, "columns": columns,
            "label": one.label.as_str(), "label_why": one.label_why,
            "zone": one.zone, "zone_why": one.zone_why, "symbol": one.symbol, "notes": one.notes,
        })
    };
    let time = |ms: i64| jiff::Timestamp::from_millisecond(ms).map(|at| at.to_string()).ok();
    json!({
        "inputs": reading.understood.iter().map(input).collect::<Vec<_>>(),
        "rows": findings.bars,
        "symbols": findings.symbols,
        "first": findings.span_ms.and_then(|(first, _)| time(first)),
        "last": findings.span_ms.and_then(|(_, last)| time(last)),
        "rejected": reading.rejects.len(),
        "left_out": reading.left_out,
        "doubts": findings.doubts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "failures": reading.failures.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// Prints the doubts as errors.
pub(in crate::commands) fn print_doubts(findings: &Findings) {
    for doubt in findings.doubts.iter().take(MAX_LINES) {
        print_error(printable(&doubt.to_string()));
    }
}

/// Prints the failures of inputs as errors.
pub(in crate::commands) fn print_failures(reading: &Reading) {
    for failure in reading.failures.iter().take(MAX_LINES) {
        print_error(failure);
    }
    if reading.failures.len() > MAX_LINES {
        print_error(format_args!("… and {} more inputs cannot be read", reading.failures.len() - MAX_LINES));
    }
}
