//! Prints one screen as text, for scripts.

use std::io::Write;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::bail;
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::draw::{SMALLEST, Scene, Theme, draw};
use super::model::{BusFacts, Model};
use super::status::LONGEST;
use super::view::View;
use super::worker::lock;
use super::workers::Workers;
use crate::commands::shared::stdout::stdout;
use crate::commands::shared::terminal::terminal_columns;

/// The size where standard output is no terminal.
const DEFAULT_SIZE: ScreenSize = ScreenSize { columns: 120, rows: 40 };
/// How long the bars of the day and the closes before it may take.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How often the threads are asked whether they have everything.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The size of a screen in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScreenSize {
    columns: u16,
    rows: u16,
}

impl FromStr for ScreenSize {
    type Err = String;

    fn from_str(text: &str) -> Result<ScreenSize, String> {
        let parsed = text.split_once('x').and_then(|(columns, rows)| Some((columns.parse().ok()?, rows.parse().ok()?)));
        let (columns, rows) = parsed.ok_or_else(|| "give a size such as 120x40".to_owned())?;
        let fits = (SMALLEST.0..=500).contains(&columns) && (SMALLEST.1..=5_000).contains(&rows);
        let (least_columns, least_rows) = SMALLEST;
        match fits {
            true => Ok(ScreenSize { columns, rows }),
            false => Err(format!("give {least_columns}x{least_rows} to 500x5000")),
        }
    }
}

/// Prints one screen when every part of it is known, or after some seconds.
///
/// # Errors
/// The bus has no ring, or its bars cannot be read; standard output cannot be written.
pub(super) fn print(facts: &BusFacts, workers: &Workers, theme: Theme, size: Option<ScreenSize>) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        workers.check()?;
        let model = lock(&workers.model);
        if let Some(why) = &model.bars_error {
            bail!("{why}");
        }
        if is_complete(&model, begun.elapsed()) || begun.elapsed() >= LONGEST_WAIT {
            break;
        }
        drop(model);
        std::thread::sleep(POLL_INTERVAL);
    }
    let of_terminal = || ratatui::crossterm::terminal::size().ok().filter(|_| terminal_columns().is_some());
    let size = size.or_else(|| of_terminal().map(|(columns, rows)| ScreenSize { columns, rows }));
    let ScreenSize { columns, rows } = size.unwrap_or(DEFAULT_SIZE);
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
    let model = lock(&workers.model);
    let status = workers.status(&model);
    let now_ms = Timestamp::now().as_millisecond();
    draw(&Scene { facts, model: &model, status: &status, theme, now_ms }, &mut View::default(), &mut buffer);
    drop(model);
    let mut out = stdout();
    for line in text_of(&buffer) {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// Whether every part is known that can be known. A silent daemon is not waited for.
fn is_complete(model: &Model, waited: Duration) -> bool {
    let market = &model.market;
    let has_asked = model.daemon.answer.is_some() || waited >= LONGEST;
    market.has_caught_up && model.files.is_some() && has_asked && market.wanted_closes().is_none()
}

/// The lines of a screen without the blanks at their ends.
pub(super) fn text_of(buffer: &Buffer) -> Vec<String> {
    let line = |y| {
        let mut text = String::new();
        let mut x = buffer.area.x;
        while x < buffer.area.right() {
            let symbol = buffer[(x, y)].symbol();
            text.push_str(symbol);
            // The cell after a wide character is a part of it.
            x += (unicode_width::UnicodeWidthStr::width(symbol) as u16).max(1);
        }
        text.trim_end().to_owned()
    };
    (buffer.area.y..buffer.area.bottom()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_bounds() {
        assert_eq!("80x24".parse(), Ok(ScreenSize { columns: 80, rows: 24 }));
        for wrong in ["", "80", "80x", "x24", "10x24", "80x2", "80000x24", "-80x24"] {
            wrong.parse::<ScreenSize>().unwrap_err();
        }
    }

    #[test]
    fn a_wide_character_is_printed_once() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, "沪深 300", ratatui::style::Style::new());
        assert_eq!(text_of(&buffer), ["沪深 300"]);
    }
}
