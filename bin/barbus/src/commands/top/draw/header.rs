//! The head of the screen: the bus, its writer, the rate, and the day by session.

use jiff::Timestamp;
use ratatui::text::{Line, Span};

use super::text::{bar, join, short_age};
use super::{Scene, minute_of, since};
use crate::commands::top::day_progress::{DayProgress, SessionProgress};
use crate::commands::top::status::WriterState;
use crate::output::format;

/// The lines of the head, each of at most `width` columns.
pub(super) fn lines(scene: &Scene<'_>, width: usize) -> [Line<'static>; 3] {
    [title(scene, width), writer(scene, width), day(scene, width)]
}

fn title(scene: &Scene<'_>, width: usize) -> Line<'static> {
    let facts = scene.facts;
    let left = format!("barbus top {}", barbus_files::printable(&facts.path));
    let now = Timestamp::from_millisecond(scene.now_ms).unwrap_or_default().to_zoned(facts.zone.clone());
    let right = format!("{}  {}", facts.calendar, now.strftime("%Y-%m-%d %H:%M:%S %Z"));
    let mut line = Line::from(Span::styled(left, scene.theme.strong()));
    let used = line.width() + right.chars().count();
    if used < width {
        line.push_span(" ".repeat(width - used));
        line.push_span(right);
    }
    line
}

fn writer(scene: &Scene<'_>, width: usize) -> Line<'static> {
    let (theme, market) = (scene.theme, &scene.model.market);
    let (text, style) = match &scene.status.writer {
        WriterState::Unknown => ("daemon: asking".to_owned(), theme.label()),
        WriterState::Daemon(pid) => (format!("daemon running ({pid})"), theme.good()),
        WriterState::Program => ("a program writes the bus".to_owned(), theme.good()),
        WriterState::Absent => ("daemon not running".to_owned(), theme.alarm()),
        WriterState::Silent(time) => (format!("daemon silent for {}", short_age(*time)), theme.alarm()),
        WriterState::Refused => ("daemon cannot be asked".to_owned(), theme.warning()),
    };
    let mut parts = vec![Line::from(Span::styled(text, style))];
    let mut add = |name: &str, value: String| {
        parts.push(Line::from(vec![Span::styled(format!("{name} "), theme.label()), value.into()]));
    };
    if !market.has_caught_up && scene.model.bars_error.is_none() {
        add("reading the day:", format!("{} bars", format::count(market.bars)));
        return join(parts, width);
    }
    let of_daemon = || scene.status.stat.as_ref().and_then(|stat| stat.rate);
    if let Some(rate) = market.rate.per_second().or_else(of_daemon) {
        let rounded = if rate >= 10.0 { rate.round() } else { (rate * 10.0).round() / 10.0 };
        add("rate", format!("{}/s", format::compact(rounded)));
    }
    if let Some(age) = scene.newest_age() {
        add("last bar", format!("{} ago", short_age(age)));
    }
    let (newest, all) = market.newest_minute();
    if let Some(progress) = market.day.as_ref().filter(|_| all > 0) {
        let minute = minute_of(progress.newest_ms, &scene.facts.zone);
        let count = format::count;
        add(&minute, format!("{} of {} symbols", count(newest as u64), count(all as u64)));
    }
    join(parts, width)
}

fn day(scene: &Scene<'_>, width: usize) -> Line<'static> {
    let theme = scene.theme;
    let Some(progress) = &scene.model.market.day else {
        return Line::from(Span::styled("no bar yet", theme.label()));
    };
    let state = if scene.model.market.is_closed { "closed" } else { "open" };
    let day =
        Line::from(vec![Span::styled(progress.day.date.to_string(), theme.strong()), Span::raw(format!(" {state}"))]);
    if progress.sessions.is_empty() {
        return join(vec![day, Line::from("no trading day: all bars are outside the sessions")], width);
    }
    // The widest bars that leave room for every session, or else the sessions that fit.
    let full = |bar_width| {
        let sessions = progress.sessions.iter().map(|session| self::session(scene, progress, session, bar_width));
        std::iter::once(day.clone()).chain(sessions).collect::<Vec<_>>()
    };
    let total = |parts: &[Line<'_>]| parts.iter().map(|part| part.width() + 2).sum::<usize>() - 2;
    let widths = [20, 16, 12, 10, 8, 6, 4, 0];
    let best = widths.into_iter().map(full).find(|parts| total(parts) <= width);
    join(best.unwrap_or_else(|| full(0)), width)
}

/// `morning ████··· 72/120 (1 missing)`.
fn session(scene: &Scene<'_>, progress: &DayProgress, session: &SessionProgress, bar_width: usize) -> Line<'static> {
    let theme = scene.theme;
    let (minutes, with_bars) = (session.minutes(), session.with_bars());
    let mut line = Line::from(Span::styled(format!("{} ", session.name), theme.label()));
    // A session without expected bars needs no bar to be full.
    if bar_width > 0 && !session.extended {
        let fraction = with_bars as f64 / minutes.max(1) as f64;
        line.spans.extend(bar(fraction, bar_width, theme.bar(), theme.label()));
        line.push_span(" ");
    }
    line.push_span(format!("{with_bars}/{minutes}"));
    let missing = session.missing(progress.newest_ms);
    if missing > 0 {
        line.push_span(Span::styled(format!(" ({missing} missing)"), theme.warning()));
    }
    line
}

impl Scene<'_> {
    /// How long ago the newest bar was received.
    fn newest_age(&self) -> Option<std::time::Duration> {
        let received_ms = self.model.market.symbols.iter().map(|symbol| symbol.received_ms).max()?;
        Some(since(received_ms, self.now_ms))
    }
}
