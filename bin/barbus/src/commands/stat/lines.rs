//! The lines of `barbus stat`: what each fact is called, and which of them are shown.

use std::time::Duration;

use barbus::protocol::{DayBars, SourceStat, Stat, TaskStat};
use barbus_bars::Date;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::output::format;

/// The facts of `stat` as a name and a text each; times are those of `zone`.
pub(super) fn lines(stat: &Stat, zone: &TimeZone) -> Vec<(&'static str, String)> {
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
    if let Some(removed) = &stat.removed_last {
        let at = format::frame(removed.at.as_millisecond(), zone);
        lines.push(("day removed", format!("{} by archive.keep at {at}, {} bars", removed.day, count(removed.bars))));
    }
    let waiting: Vec<String> = stat.days_waiting.iter().map(|day| day.to_string()).collect();
    lines.push(("days waiting", if waiting.is_empty() { "none".to_owned() } else { waiting.join(", ") }));
    if stat.parts > 0 {
        lines.push(("parts", format!("{} with bars that no day file has yet", count(stat.parts))));
    }
    lines.extend(stat.days.iter().map(|day| ("day", day_bars(day))));
    let since_start = [
        ("accepted", stat.accepted),
        ("duplicates", stat.duplicates),
        ("revisions", stat.revisions),
        ("conflicts", stat.conflicts),
        ("producers", stat.producers),
    ];
    lines.extend(since_start.into_iter().filter_map(|(name, value)| Some((name, count(value?)))));
    lines.extend(stat.sources.iter().map(|(name, source)| ("source", self::source(name, source, zone))));
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
    if let Some(unkept) = stat.conflicts_unkept.filter(|unkept| *unkept > 0) {
        lines.push(("not kept", format!("{} conflicts: conflicts/ had no room", count(unkept))));
    }
    if let Some(error) = &stat.last_conflicts_error {
        lines.push(("conflicts error", error.clone()));
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
    let tasks = [("flushes", &stat.flushes), ("syncs", &stat.syncs)];
    lines.extend(tasks.into_iter().filter_map(|(name, task)| Some((name, self::task(task.as_ref()?)))));
    lines.extend(free_space(stat).map(|text| ("free space", text)));
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

/// A source of bars: its streams, its outcomes, and its newest bar.
fn source(name: &str, source: &SourceStat, zone: &TimeZone) -> String {
    let count = format::count;
    let streams = match source.connected {
        0 => "not connected".to_owned(),
        1 => "connected".to_owned(),
        streams => format!("{} streams", count(streams)),
    };
    let mut text = format!("{name}: {streams}, {} rows", count(source.rows));
    let outcomes = [
        ("duplicates", source.duplicates),
        ("revisions", source.revised),
        ("conflicts", source.conflicts),
        ("quarantined", source.quarantined),
        ("refused", source.refused),
    ];
    for (outcome, rows) in outcomes.into_iter().filter(|(_, rows)| *rows > 0) {
        text += &format!(", {} {outcome}", count(rows));
    }
    if let Some(frame) = source.last_frame {
        text += &format!(", last bar {}", format::frame(frame.as_millisecond(), zone));
    }
    if let Some(received) = source.last_received {
        text += &format!(", received {}", format::ago(received.as_millisecond(), Timestamp::now().as_millisecond()));
    }
    text
}

fn task(task: &TaskStat) -> String {
    let seconds = |seconds: f64| format::age(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let mut text = format::count(task.done);
    if task.failed > 0 {
        text += &format!(", {} failed", format::count(task.failed));
    }
    if task.done + task.failed > 0 {
        text += &format!(", the last in {}, the longest in {}", seconds(task.last_s), seconds(task.max_s));
    }
    text
}

/// What is free for the archive, and for the ring and the quarantine if they are on other disks.
fn free_space(stat: &Stat) -> Option<String> {
    let archive = stat.archive_free_bytes?;
    let mut text = format::bytes(archive);
    // One disk may have shown two figures, because it was asked twice.
    let is_another = |free: &u64| free.abs_diff(archive) > archive / 100;
    for (what, free) in [("ring", stat.ring_free_bytes), ("quarantine", stat.quarantine_free_bytes)] {
        if let Some(free) = free.filter(is_another) {
            text += &format!(", for the {what} {}", format::bytes(free));
        }
    }
    Some(text)
}

fn daemon(stat: &Stat) -> String {
    if let Some(why) = &stat.daemon_silent {
        return format!("!! {why}");
    }
    match (stat.process(), &stat.version) {
        (Some(process), Some(version)) => format!("running, {process}, version {version}"),
        (Some(process), None) => format!("running, {process}"),
        (None, _) if stat.writer_alive => "not running; a program writes the bus itself".to_owned(),
        (None, _) => "not running".to_owned(),
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
        let stat = Stat {
            pid: Some(7),
            pid_here: Some(7),
            quarantined: reasons,
            last_flush_error: Some("disk full".into()),
            ..stat
        };
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
    fn sources_tasks_and_other_disks_are_shown() {
        let source = SourceStat {
            connected: 1,
            rows: 1_240,
            accepted: 1_235,
            conflicts: 3,
            quarantined: 2,
            ..SourceStat::default()
        };
        let flushes = TaskStat { done: 3, failed: 1, total_s: 2.5, last_s: 0.25, max_s: 1.5 };
        let stat = Stat {
            sources: [("my feed".to_owned(), source)].into(),
            flushes: Some(flushes),
            archive_free_bytes: Some(5_000_000_000),
            ring_free_bytes: Some(5_000_000_001),
            quarantine_free_bytes: Some(1_000_000_000),
            parts: 2,
            conflicts: Some(3),
            conflicts_unkept: Some(1),
            last_conflicts_error: Some("no room".into()),
            ..Stat::default()
        };
        let lines = lines(&stat, &TimeZone::UTC);
        for (name, text) in [
            ("source", "my feed: connected, 1,240 rows, 3 conflicts, 2 quarantined"),
            ("conflicts", "3"),
            ("not kept", "1 conflicts: conflicts/ had no room"),
            ("conflicts error", "no room"),
            ("flushes", "3, 1 failed, the last in 0.25 s, the longest in 1.50 s"),
            ("free space", "5.0 GB, for the quarantine 1.0 GB"),
            ("parts", "2 with bars that no day file has yet"),
        ] {
            assert!(lines.contains(&(name, text.to_owned())), "{name}: {lines:?}");
        }
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
