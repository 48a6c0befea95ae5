//! What is beside the symbols: readers with their lag, producers, ring, archive and quarantine.

use std::time::Duration;

use barbus::protocol::SourceStat;
use barbus::{ReaderStat, ReaderState};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::symbols::{left, path, right};
use super::text::{bar, short_age};
use super::{Scene, since};
use crate::output::format;

/// From this share of the ring on, a reader may soon be overtaken.
const LAG_WARNING: f64 = 0.75;
/// Readers, and producers, that are shown before other lines.
const FEWEST: usize = 2;
/// Reasons for the quarantine that are shown at most.
const REASONS: usize = 3;

/// A heading and lines under it.
struct Section {
    heading: String,
    lines: Vec<Line<'static>>,
}

/// Draws the panel into `area`.
pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let readers = readers(scene, width);
    let producers = producers(scene, width);
    let others = [ring(scene, width), archive(scene), quarantine(scene, width)];
    let others: Vec<Section> = others.into_iter().flatten().collect();
    // Readers and producers share what is left, and have a few lines in any case.
    let needed: usize = others.iter().map(|section| 1 + section.lines.len()).sum();
    let headings = 1 + usize::from(producers.is_some());
    let room = usize::from(area.height).saturating_sub(needed + headings);
    let of_producers = producers.as_ref().map_or(0, |section| section.lines.len());
    let for_producers = of_producers.min((room / 3).max(FEWEST));
    let readers = readers.shortened(room.saturating_sub(for_producers).max(FEWEST), "barbus readers");
    let for_producers = room.saturating_sub(readers.lines.len()).max(FEWEST);
    let producers = producers.map(|section| section.shortened(for_producers, "barbus stat"));
    let mut y = area.y;
    for section in std::iter::once(readers).chain(producers).chain(others) {
        // A heading without a line below it says nothing.
        if y + 1 >= area.bottom() {
            return;
        }
        buffer.set_style(Rect { y, height: 1, ..area }, scene.theme.heading());
        buffer.set_line(area.x, y, &Line::from(section.heading), area.width);
        y += 1;
        for line in section.lines {
            if y >= area.bottom() {
                return;
            }
            buffer.set_line(area.x, y, &line, area.width);
            y += 1;
        }
    }
}

impl Section {
    /// The section with at most `room` lines. The last one says how many others `command` shows.
    fn shortened(mut self, room: usize, command: &str) -> Section {
        let all = self.lines.len();
        if all > room {
            self.lines.truncate(room.saturating_sub(1));
            self.lines.push(Line::from(format!("and {} more: {command}", all - self.lines.len())));
        }
        self
    }
}

fn readers(scene: &Scene<'_>, width: usize) -> Section {
    let readers = &scene.status.readers;
    let heading = format!("READERS {}", readers.len());
    let heading = format!("{heading}{}", right("BARS BEHIND", width.saturating_sub(heading.len())));
    let lines = match readers.is_empty() {
        true => vec![Line::from(Span::styled("none", scene.theme.label()))],
        false => readers.iter().map(|reader| self::reader(scene, reader, width)).collect(),
    };
    Section { heading, lines }
}

/// `mean-rev ██··· 1.2k`: the bar is the share of the ring between the reader and the newest bar.
fn reader(scene: &Scene<'_>, reader: &ReaderStat, width: usize) -> Line<'static> {
    let theme = scene.theme;
    let bar_width = (width / 4).clamp(4, 20);
    let lag_width = 8;
    let name_width = width.saturating_sub(bar_width + lag_width + 2);
    let mut name = reader.name.clone();
    if reader.pins > 0 {
        name += &format!(" ({} pins)", reader.pins);
    }
    let used = reader.ring_used.unwrap_or(0.0);
    let style = if used >= LAG_WARNING { theme.alarm() } else { theme.bar() };
    let mut line = Line::from(Span::raw(left(&name, name_width)));
    line.push_span(" ");
    match reader.state {
        ReaderState::Live => line.spans.extend(bar(used, bar_width, style, theme.label())),
        ReaderState::Lapped => line.push_span(Span::styled(left("LAPPED", bar_width), theme.alarm())),
        other => line.push_span(Span::styled(left(&other.as_str().replace('-', " "), bar_width), theme.warning())),
    }
    let lag = reader.lag_bars.map_or_else(|| "-".to_owned(), |bars| format::compact(bars as f64));
    line.push_span(right(&lag, lag_width + 1));
    line
}

/// The sources of bars since the daemon's start, those that are connected first.
fn producers(scene: &Scene<'_>, width: usize) -> Option<Section> {
    let stat = scene.status.stat.as_ref()?;
    let connected = stat.producers?;
    let heading = format!("PRODUCERS {connected}");
    let heading = format!("{heading}{}", right("AGE    ROWS", width.saturating_sub(heading.len())));
    let mut sources: Vec<(&String, &SourceStat)> = stat.sources.iter().collect();
    sources.sort_by_key(|(_, source)| (source.connected == 0, std::cmp::Reverse(source.last_received)));
    let mut lines: Vec<Line<'static>> =
        sources.into_iter().map(|(name, source)| self::source(scene, name, source, width)).collect();
    if lines.is_empty() {
        lines.push(Line::from(Span::styled("none since the daemon's start", scene.theme.label())));
    }
    Some(Section { heading, lines })
}

/// `feed  3 bad 1 conflicts  2s  1.2M`, dim when it is not connected.
fn source(scene: &Scene<'_>, name: &str, source: &SourceStat, width: usize) -> Line<'static> {
    let theme = scene.theme;
    let style = if source.connected > 0 { Style::new() } else { theme.label() };
    let age = source.last_received.map(|at| short_age(since(at.as_millisecond(), scene.now_ms)));
    let figures =
        format!("{}{}", right(age.as_deref().unwrap_or("-"), 6), right(&format::compact(source.rows as f64), 8));
    let bad = match source.quarantined + source.refused {
        0 => String::new(),
        rows => format!(" {} bad", format::compact(rows as f64)),
    };
    let conflicts = match source.conflicts {
        0 => String::new(),
        bars => format!(" {} conflicts", format::compact(bars as f64)),
    };
    let bad = bad + &conflicts;
    let room = width.saturating_sub(figures.len() + bad.len());
    Line::from(vec![
        Span::styled(path(&barbus_files::printable(name), room), style),
        Span::styled(bad, theme.warning()),
        Span::styled(figures, style),
    ])
}

fn ring(scene: &Scene<'_>, width: usize) -> Option<Section> {
    let stat = scene.status.stat.as_ref()?;
    let blocks = stat.blocks.max(1);
    let heading = format!("RING {} of {} blocks", stat.blocks_used, stat.blocks);
    let kept = stat.blocks_used.saturating_sub(stat.blocks_persisted);
    let share = f64::from(kept) / f64::from(blocks);
    let theme = scene.theme;
    let style = if stat.ring_full_at.is_some() || share >= 0.9 { theme.alarm() } else { theme.bar() };
    let mut line = Line::from(Span::styled("not archived ", theme.label()));
    let value = format!(" {kept}");
    let bar_width = width.saturating_sub(line.width() + value.len().max(6)).min(20);
    line.spans.extend(bar(share, bar_width, style, theme.label()));
    line.push_span(right(&value, width.saturating_sub(line.width())));
    Some(Section { heading, lines: vec![line] })
}

fn archive(scene: &Scene<'_>) -> Option<Section> {
    let stat = scene.status.stat.as_ref()?;
    let theme = scene.theme;
    let heading = format!("ARCHIVE {}", number(stat.days_archived, "day"));
    let mut parts = Vec::new();
    match stat.days_waiting.as_slice() {
        [] => parts.push(Span::styled("no day waits", theme.label())),
        [day] => parts.push(Span::styled(format!("{day} waits"), theme.warning())),
        days => parts.push(Span::styled(format!("{} days wait", days.len()), theme.warning())),
    }
    if let Some(free) = stat.archive_free_bytes {
        let style = if free < stat.ring_bytes { theme.alarm() } else { Style::new() };
        parts.push(Span::raw(", "));
        parts.push(Span::styled(format!("{} free", format::bytes(free)), style));
    }
    let mut lines = vec![Line::from(parts)];
    if let Some(flushes) = stat.flushes.filter(|flushes| flushes.done + flushes.failed > 0) {
        let last = Duration::try_from_secs_f64(flushes.last_s).unwrap_or_default();
        let mut line = Line::from(Span::styled("last write took ", theme.label()));
        line.push_span(format::age(last));
        if flushes.failed > 0 {
            line.push_span(Span::styled(format!(", {} failed", format::count(flushes.failed)), theme.warning()));
        }
        lines.push(line);
    }
    Some(Section { heading, lines })
}

fn quarantine(scene: &Scene<'_>, width: usize) -> Option<Section> {
    let stat = scene.status.stat.as_ref()?;
    let size = format::bytes(stat.quarantine_bytes);
    if stat.pid.is_none() {
        // Only the daemon counts rows.
        let line = Line::from(Span::styled("counted by the daemon only", scene.theme.label()));
        return Some(Section { heading: format!("QUARANTINE {size}"), lines: vec![line] });
    }
    let sum: u64 = stat.quarantined.values().sum();
    let heading = format!("QUARANTINE {}, {size}", number(sum, "row"));
    let mut reasons: Vec<(&String, &u64)> = stat.quarantined.iter().filter(|(_, number)| **number > 0).collect();
    reasons.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    let mut lines: Vec<Line<'static>> =
        reasons.iter().take(REASONS).map(|(code, number)| fact(scene, code, format::count(**number), width)).collect();
    if lines.is_empty() {
        lines.push(Line::from(Span::styled("none since the daemon's start", scene.theme.label())));
    }
    Some(Section { heading, lines })
}

/// `1 day`, `812 days`.
fn number(count: u64, of: &str) -> String {
    format!("{} {of}{}", format::count(count), if count == 1 { "" } else { "s" })
}

/// A name on the left and a value that needs attention on the right.
fn fact(scene: &Scene<'_>, name: &str, value: String, width: usize) -> Line<'static> {
    let room = width.saturating_sub(name.chars().count());
    let value = Span::styled(right(&value, room), scene.theme.warning());
    Line::from(vec![Span::styled(name.to_owned(), scene.theme.label()), value])
}
