//! `barbus tail`: prints bars as they arrive, from a given position of the ring on.
//!
//! In JSON and CSV, standard output has only bars: a closed day or minute and missed bars are
//! reported on standard error, one JSON object each.
//! In a table they are a line of their own.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::bail;
use barbus::{Date, Event, Feed, Interval, MinuteClosed, MinuteOptions, OnGap, Reader, Start};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use serde_json::json;

use super::shared::bar_sheet::BarSheet;
use super::shared::errors::print_error;
use super::shared::stdout::stdout;
use crate::output::table::Layout;
use crate::output::{colour_wanted, format};

/// Longest wait of one call for the next event.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);

/// Print bars as they arrive.
#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// The bus.
    bus: PathBuf,
    /// Only bars of this symbol; may be given several times.
    #[arg(long = "symbol", short, value_name = "S")]
    symbols: Vec<String>,
    /// Where to begin: live, oldest, today, a trading day (2024-03-04) or a sequence number.
    #[arg(long, value_name = "WHERE", default_value = "live")]
    from: StartPosition,
    /// Format of the bars.
    #[arg(long, value_enum, default_value_t)]
    format: Layout,
    /// Exit when a trading day is closed.
    #[arg(long)]
    until_close: bool,
    /// Print all bars of a minute together when it is complete, and say which symbols are missing.
    #[arg(long, value_enum, value_name = "UNIT")]
    by: Option<Unit>,
    /// Print bars of this length, each when its last minute is complete: 2m to 240m, 1h to 4h, 1d,
    /// 1w or 1M.
    #[arg(long, value_name = "INTERVAL", conflicts_with = "by")]
    interval: Option<Interval>,
    /// How many seconds after its end a minute waits for symbols without a bar; 2 by default.
    #[arg(long, value_name = "S")]
    grace: Option<f64>,
    /// What to do if the ring has lost the beginning of the day.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t)]
    on_gap: Gap,
}

/// What to do if the ring has lost the beginning of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Gap {
    /// Print its bars from the archive first.
    #[default]
    Fill,
    /// Say how many bars are missing.
    Lapped,
    /// Fail.
    Error,
}

/// What bars are printed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Unit {
    /// A minute when it is complete.
    Minute,
}

/// Most missing symbols that a line in a table names.
const MOST_NAMED: usize = 5;

/// A start position as written on the command line.
#[derive(Debug, Clone, Copy, PartialEq)]
struct StartPosition(Start);

impl FromStr for StartPosition {
    type Err = String;

    fn from_str(text: &str) -> Result<StartPosition, String> {
        let start = match text {
            "live" => Start::Live,
            "oldest" => Start::Oldest,
            "today" => Start::Today,
            _ => match (text.parse::<u64>(), text.parse::<Date>()) {
                (Ok(seq), _) => Start::Seq(seq),
                (_, Ok(day)) => Start::Day(day),
                _ => return Err("give live, oldest, today, a date such as 2024-03-04, or a sequence number".to_owned()),
            },
        };
        Ok(StartPosition(start))
    }
}

impl TailArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let on_gap = match self.on_gap {
            Gap::Fill => OnGap::Fill,
            Gap::Lapped => OnGap::Lapped,
            Gap::Error => OnGap::Error,
        };
        if self.grace.is_some() && self.by.is_none() && self.interval.is_none() {
            bail!("--grace is for complete minutes: give --by minute or --interval too");
        }
        let mut reader = Reader::open(&self.bus)?.on_gap(on_gap).start_at(self.from.0)?.name("barbus tail");
        let colour = colour_wanted();
        let mut sheet = BarSheet::new(reader.bus(), self.format, colour);
        let wanted: HashSet<String> = self.symbols.iter().cloned().collect();
        for symbol in &self.symbols {
            if !reader.symbol_names().contains(symbol) {
                print_error(format_args!("{symbol}: not on the bus yet: waiting for it"));
            }
        }
        // The zone of the bars beside it, which may differ from that of the calendar.
        let zone = TimeZone::get(reader.bus().settings().schema.zone())?;
        let mut options = MinuteOptions::default();
        if let Some(grace) = self.grace {
            let parsed = Duration::try_from_secs_f64(grace);
            options.grace = parsed.map_err(|error| anyhow::anyhow!("--grace {grace}: {error}"))?;
        }
        let is_by_minute = self.by.is_some() || self.interval.is_some();
        if is_by_minute && !self.symbols.is_empty() {
            reader = reader.symbols(self.symbols.iter().cloned());
        }
        let mut feed: Box<dyn Feed> = match (self.by, self.interval) {
            (_, Some(interval)) => Box::new(reader.resampled(interval, options)?),
            (Some(Unit::Minute), None) => Box::new(reader.minutes(options)?),
            (None, None) => Box::new(reader),
        };
        loop {
            match feed.next(POLL_TIMEOUT)? {
                None => {}
                Some(Event::Bars(bars)) => {
                    for bar in bars.iter().filter(|bar| wanted.is_empty() || wanted.contains(bar.symbol)) {
                        sheet.bar(bar.symbol, &bar)?;
                    }
                    sheet.flush()?;
                }
                Some(Event::DayClosed(day)) => {
                    let text = format!("{day} is closed");
                    self.print_event(&text, &json!({"event": "day_closed", "date": day.to_string()}), colour)?;
                    if self.until_close {
                        return Ok(sheet.finish()?);
                    }
                }
                Some(Event::Lapped { missed }) => {
                    let text = format!("{} bars missed: they have left the ring", format::count(missed));
                    self.print_event(&text, &json!({"event": "lapped", "missed": missed}), colour)?;
                }
                Some(Event::Withdrawn(selection)) => {
                    let text = format!("bars of {} were withdrawn", selection.day);
                    self.print_event(&text, &json!({"event": "withdrawn", "bars": selection}), colour)?;
                }
                Some(Event::MinuteClosed(minute)) => {
                    let event = json!({
                        "event": "minute_closed",
                        "frame": format::frame_rfc3339(minute.frame_ms, &zone),
                        "symbols": minute.symbols,
                        "missing": minute.missing,
                    });
                    self.print_event(&minute_text(minute, &zone), &event, colour)?;
                }
            }
        }
    }

    /// Prints an event that is not bars. All bars before it are flushed already.
    fn print_event(&self, text: &str, event: &serde_json::Value, colour: bool) -> anyhow::Result<()> {
        if self.format == Layout::Table {
            let (dim, plain) = if colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
            let mut out = stdout();
            writeln!(out, "{dim}── {text} ──{plain}")?;
            out.flush()?;
        } else {
            let _ = writeln!(std::io::stderr(), "{event}");
        }
        Ok(())
    }
}

/// A closed minute as a line of a table.
fn minute_text(minute: &MinuteClosed, zone: &TimeZone) -> String {
    let frame = format::frame(minute.frame_ms, zone);
    let MinuteClosed { symbols, missing, .. } = minute;
    let count = format::count(*symbols as u64);
    if missing.is_empty() {
        return format!("{frame} is complete: {count} symbols");
    }
    let named = missing[..missing.len().min(MOST_NAMED)].join(", ");
    let more = if missing.len() > MOST_NAMED { ", …" } else { "" };
    format!("{frame} is closed: {count} symbols, {} missing: {named}{more}", format::count(missing.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_first_missing_symbols() {
        let minute = |missing: &[&str]| MinuteClosed {
            frame_ms: 1_646_098_260_000,
            symbols: 1_200,
            missing: missing.iter().map(|symbol| (*symbol).to_owned()).collect(),
        };
        let text = |missing: &[&str]| minute_text(&minute(missing), &TimeZone::get("Asia/Shanghai").unwrap());
        assert_eq!(text(&[]), "2022-03-01 09:31 is complete: 1,200 symbols");
        assert_eq!(text(&["A", "B"]), "2022-03-01 09:31 is closed: 1,200 symbols, 2 missing: A, B");
        let many = ["A", "B", "C", "D", "E", "F"];
        assert!(text(&many).ends_with("6 missing: A, B, C, D, E, …"));
    }

    #[test]
    fn a_start_is_a_keyword_a_date_or_a_number() {
        let parse = |text: &str| text.parse::<StartPosition>().unwrap().0;
        assert_eq!(parse("live"), Start::Live);
        assert_eq!(parse("oldest"), Start::Oldest);
        assert_eq!(parse("today"), Start::Today);
        assert_eq!(parse("2024-03-04"), Start::Day(Date::constant(2024, 3, 4)));
        assert_eq!(parse("20240304"), Start::Seq(20_240_304), "digits alone are a sequence number");
        for wrong in ["", "newest", "-1", "2024-02-30", "1.5"] {
            wrong.parse::<StartPosition>().unwrap_err();
        }
    }
}
