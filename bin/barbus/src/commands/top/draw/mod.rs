//! Draws the screen into a buffer of any size. It reads the state and changes nothing of it.

mod header;
mod help;
mod panel;
mod symbols;
mod text;
mod theme;

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::model::{BusFacts, Model};
use super::status::Status;
use super::view::View;
pub(super) use theme::Theme;

/// The smallest screen on which anything can be read.
pub(super) const SMALLEST: (u16, u16) = (40, 10);
/// From this width on, the panel is beside the symbols.
const SIDE_BY_SIDE: u16 = 76;
/// Warnings that are shown at most.
const WARNINGS: usize = 3;

/// What is drawn.
pub(super) struct Scene<'a> {
    pub(super) facts: &'a BusFacts,
    pub(super) model: &'a Model,
    pub(super) status: &'a Status,
    pub(super) theme: Theme,
    /// The time of the drawing, milliseconds UTC.
    pub(super) now_ms: i64,
}

/// Draws `scene` into the whole `buffer` as `view` wants it, and notes in `view` what fits.
pub(super) fn draw(scene: &Scene<'_>, view: &mut View, buffer: &mut Buffer) {
    let area = buffer.area;
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        too_small(area, buffer);
        return;
    }
    let mut y = area.y;
    for line in header::lines(scene, area.width.into()) {
        buffer.set_line(area.x, y, &line, area.width);
        y += 1;
    }
    for line in warnings(scene, area) {
        buffer.set_line(area.x, y, &line, area.width);
        y += 1;
    }
    let keys_y = area.bottom() - 1;
    buffer.set_line(area.x, keys_y, &help::keys(view, scene.theme, area.width.into()), area.width);
    let body = Rect { y, height: keys_y - y, ..area };
    if view.shows_help {
        help::draw(scene.theme, body, buffer);
        return;
    }
    let (list, beside) = split(body);
    symbols::draw(scene, view, list, buffer);
    panel::draw(scene, beside, buffer);
}

/// The places of the symbols and of the panel.
fn split(body: Rect) -> (Rect, Rect) {
    if body.width >= SIDE_BY_SIDE {
        let width = (body.width * 2 / 5).clamp(30, 56);
        let list = Rect { width: body.width - width - 1, ..body };
        return (list, Rect { x: body.right() - width, width, ..body });
    }
    // The panel is below, if the list keeps most of the room.
    let height = if body.height >= 14 { body.height / 2 } else { 0 };
    let list = Rect { height: body.height - height, ..body };
    (list, Rect { y: list.bottom(), height, ..body })
}

fn warnings(scene: &Scene<'_>, area: Rect) -> Vec<Line<'static>> {
    let warnings = &scene.status.warnings;
    let room = if area.height < 20 { 1 } else { WARNINGS };
    let shown = if warnings.len() > room { room - 1 } else { warnings.len() };
    let line = |text: String| Line::from(Span::styled(text, scene.theme.alarm()));
    // The title has the path already.
    let path = format!("{}: ", scene.facts.path);
    let shown_text = |text: &String| barbus_files::printable(text.strip_prefix(&path).unwrap_or(text));
    let mut lines: Vec<Line<'static>> = warnings[..shown]
        .iter()
        .map(|text| line(symbols::left(&format!("! {}", shown_text(text)), area.width.into())))
        .collect();
    if shown < warnings.len() {
        let more = warnings.len() - shown;
        lines.push(line(format!("! {more} {}warnings: barbus stat --check", if shown > 0 { "more " } else { "" })));
    }
    lines
}

fn too_small(area: Rect, buffer: &mut Buffer) {
    let (width, height) = SMALLEST;
    let lines = [
        "barbus top: too small".to_owned(),
        format!("needs {width} x {height}"),
        format!("this is {} x {}", area.width, area.height),
        "q quits".to_owned(),
    ];
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        buffer.set_stringn(area.x, y, line, area.width.into(), ratatui::style::Style::new());
    }
}

/// The end of a bar in `zone`, as `09:31`.
fn minute_of(frame_ms: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(frame_ms) {
        Ok(end) => end.to_zoned(zone.clone()).strftime("%H:%M").to_string(),
        Err(_) => "-".to_owned(),
    }
}

/// The time from `then_ms` to `now_ms`; zero if the clock was set back.
fn since(then_ms: i64, now_ms: i64) -> Duration {
    Duration::from_millis(now_ms.saturating_sub(then_ms).max(0) as u64)
}

#[cfg(test)]
mod tests;
