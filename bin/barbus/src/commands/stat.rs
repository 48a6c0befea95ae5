//! `barbus stat`: prints the state of the bus.
//!
//! A running daemon reports it; without one it is read from the ring and the archive.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use barbus::Bus;
use barbus::protocol::{DayBars, Stat};
use barbus_bars::Date;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::shared::errors::{AlreadyPrinted, print_error};
use super::shared::facts;
use super::shared::report_format::ReportFormat;
use super::shared::stdout::stdout;
use crate::output::{colour_wanted, format};

/// Show the state of the bus.
#[derive(Debug, Args)]
pub(super) struct StatArgs {
    /// The bus.
    bus: PathBuf,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
    /// Exit with 1 if anything needs attention, and say what on standard error.
    #[arg(long)]
    check: bool,
}

impl StatArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let stat = barbus::stat(&bus)?;
        let mut out = stdout();
        match self.format {
            ReportFormat::Json => writeln!(out, "{}", serde_json::to_string(&stat)?)?,
            ReportFormat::Table => {
                let zone = TimeZone::get(bus.settings().schema.zone()).unwrap_or(TimeZone::UTC);
                facts::write(&mut out, &lines(&stat, &zone), colour_wanted())?;
            }
        }
        out.flush()?;
        let alarms = if self.check { stat.alarms() } else { Vec::new() };
        if alarms.is_empty() {
            return Ok(());
        }
        alarms.iter().for_each(print_error);
        Err(AlreadyPrinted.into())
    }
}

fn lines(stat: &Stat, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let count = format::count;
    let mut lines = vec![("daemon", daemon(stat)), ("symbols", count(stat.symbols.into())), ("bars", count(stat.bars))];
    if let Some(why) = &stat.symbol_table_full {
        lines.push(("new symbols", format!("quarantined: {why}")));
    }
    if let Some(rate) = stat.rate {
        lines.push(("rate", format!("{} bars/s", format::compact(if rate >= 10.0 { rate.round() } else { rate }))));
    }
    lines.push(("last bar", last_bar(stat, zone)));
    lines.push(("open day", stat.day.map_or("none".to_owned(), |day| day.to_string())));
    lines.push(("blocks", format!("{} of {} used, {} archived", stat.blocks_used, stat.blocks, stat.blocks_persisted)));
    lines.push(("days archived", count(stat.days_archived)));
    let waiting: Vec<String> = stat.days_waiting.iter().map(|day| day.to_string()).collect();
    lines.push(("days waiting", if waiting.is_empty() { "none".to_owned() } else { waiting.join(", ") }));
    lines.extend(stat.days.iter().map(|day| ("day", day_bars(day))));
    let since_start = [
        ("accepted", stat.accepted),
        ("duplicates", stat.duplicates),
        ("revisions", stat.revisions),
        ("producers", stat.producers),
    ];
    lines.extend(since_start.into_iter().filter_map(|(name, value)| Some((name, count(value?)))));
    if !stat.most_revised.is_empty() {
        let mut most: Vec<_> = stat.most_revised.iter().collect();
        most.sort_by_key(|&(_, revisions)| std::cmp::Reverse(revisions));
        let most: Vec<String> =
            most.iter().map(|(symbol, revisions)| format!("{symbol} {}", count(**revisions))).collect();
        lines.push(("most revised", most.join(", ")));
    }
    if let Some(readers) = stat.readers {
        lines.push(("readers", self::readers(readers, stat.readers_lag_bars)));
    }
    lines.extend(rings_replaced(stat).map(|text| ("rings replaced", text)));
    if stat.pid.is_some() || !stat.quarantined.is_empty() {
        lines.push(("quarantined", quarantined(stat)));
    }
    if let Some(outside) = stat.outside_sessions.filter(|outside| *outside > 0) {
        lines.push(("outside", format!("{} bars outside the sessions of their symbols", count(outside))));
    }
    if let Some(refused) = stat.refused.filter(|refused| *refused > 0) {
        lines.push(("refused", format!("{}: the quarantine had no room", count(refused))));
    }
    if let Some(error) = &stat.last_quarantine_error {
        lines.push(("quarantine error", error.clone()));
    }
    if let Some(error) = &stat.ring_error {
        lines.push(("ring error", error.clone()));
    }
    if let Some(error) = &stat.last_flush_error {
        lines.push(("flush error", error.clone()));
    }
    if let Some(error) = &stat.last_sync_error {
        lines.push(("sync error", error.clone()));
    }
    if let Some(at) = stat.ring_full_at {
        let cause = stat.ring_full_cause.as_deref().unwrap_or_default();
        lines.push(("ring full", format!("since {}: {cause}", format::frame(at.as_millisecond(), zone))));
    }
    if let Some(free) = stat.archive_free_bytes {
        lines.push(("free space", format!("{}B", format::compact(free as f64))));
    }
    if let Some(why) = &stat.calendar_refused {
        lines.push(("calendar", format!("!! the daemon goes on with the one before: {why}")));
    }
    if let Some(horizon) = stat.calendar_horizon {
        lines.push(("holidays", holidays(horizon, stat.calendar_days_left)));
    }
    lines
}

/// The end of the holiday table, emphasised in its last 60 days and after it.
fn holidays(horizon: Date, days_left: Option<i32>) -> String {
    match days_left {
        Some(days) if days < 0 => format!("!! known through {horizon} only: weekdays since then count as trading days"),
        Some(days @ 0..=60) => format!("!! known through {horizon} only, {days} more days: extend the calendar"),
        _ => format!("known through {horizon}"),
    }
}

fn day_bars(day: &DayBars) -> String {
    let [acknowledged, archived] = [day.acknowledged, day.archived].map(format::count);
    format!("{}: {acknowledged} bars acknowledged, {archived} archived", day.day)
}

fn daemon(stat: &Stat) -> String {
    match stat.pid {
        Some(pid) => format!("running, process {pid}"),
        None if stat.writer_alive => "not running; a program writes the bus itself".to_owned(),
        None => "not running".to_owned(),
    }
}

fn readers(readers: u64, lag_bars: Option<u64>) -> String {
    let readers = format::count(readers);
    match lag_bars {
        None => readers,
        Some(0) => format!("{readers}, at the newest bar"),
        Some(bars) => format!("{readers}, up to {} bars behind", format::count(bars)),
    }
}

/// The replaced rings, if there were any or if readers hold the present one.
fn rings_replaced(stat: &Stat) -> Option<String> {
    let replaced = stat.rings_replaced.filter(|&replaced| replaced > 0 || stat.ring_in_reserve)?;
    let (held, bytes) = (stat.rings_held.unwrap_or(0), stat.rings_held_bytes.unwrap_or(0));
    let mut text = format!("{}, readers hold {held} of them ({} MB)", format::count(replaced), bytes >> 20);
    if stat.ring_in_reserve {
        text += "; readers hold this one too: the writer uses its reserve";
    }
    Some(text)
}

fn last_bar(stat: &Stat, zone: &TimeZone) -> String {
    let Some(frame) = stat.last_frame else { return "none".to_owned() };
    let mut text = format::frame(frame.as_millisecond(), zone);
    let received = stat.last_received.map(Timestamp::as_millisecond);
    if let Some(age) = stat.last_age_s.and_then(|age| Duration::try_from_secs_f64(age).ok()) {
        text += &format!(", received {} ago", format::age(age));
    } else if let Some(received_ms) = received {
        text += &format!(", received {}", format::ago(received_ms, Timestamp::now().as_millisecond()));
    }
    text
}

fn quarantined(stat: &Stat) -> String {
    let sum: u64 = stat.quarantined.values().sum();
    if sum == 0 {
        return "0".to_owned();
    }
    let reasons: Vec<String> =
        stat.quarantined.iter().map(|(code, number)| format!("{code} {}", format::count(*number))).collect();
    format!("{} ({})", format::count(sum), reasons.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_the_daemon_are_omitted_without_one() {
        let stat = Stat { symbols: 2, bars: 40, ..Stat::default() };
        let names: Vec<&str> = lines(&stat, &TimeZone::UTC).iter().map(|line| line.0).collect();
        assert_eq!(
            names,
            ["daemon", "symbols", "bars", "last bar", "open day", "blocks", "days archived", "days waiting"]
        );
        let reasons = [("high-low".to_owned(), 2), ("rejected".to_owned(), 1)].into();
        let stat = Stat { pid: Some(7), quarantined: reasons, last_flush_error: Some("disk full".into()), ..stat };
        let lines = lines(&stat, &TimeZone::UTC);
        assert!(lines.contains(&("daemon", "running, process 7".to_owned())));
        assert!(lines.contains(&("quarantined", "3 (high-low 2, rejected 1)".to_owned())));
        assert!(lines.contains(&("flush error", "disk full".to_owned())));
    }

    #[test]
    fn a_writer_without_a_daemon_and_readers_are_shown() {
        let stat = Stat { writer_alive: true, readers: Some(3), readers_lag_bars: Some(1_234), ..Stat::default() };
        let lines = lines(&stat, &TimeZone::UTC);
        assert_eq!(lines[0], ("daemon", "not running; a program writes the bus itself".to_owned()));
        assert!(lines.contains(&("readers", "3, up to 1,234 bars behind".to_owned())), "{lines:?}");
    }

    #[test]
    fn the_end_of_the_holidays_is_emphasised_when_it_is_near() {
        let text = |days_left| {
            let horizon = Some(Date::constant(2026, 12, 31));
            let stat = Stat { calendar_horizon: horizon, calendar_days_left: days_left, ..Stat::default() };
            lines(&stat, &TimeZone::UTC).pop().unwrap().1
        };
        assert_eq!(text(Some(61)), "known through 2026-12-31");
        assert_eq!(text(Some(60)), "!! known through 2026-12-31 only, 60 more days: extend the calendar");
        assert!(text(Some(-1)).starts_with("!! known through 2026-12-31 only: weekdays since then"));
        assert_eq!(text(None), "known through 2026-12-31");
    }
}
