//! The list of symbols with their last prices.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::text::{price, short_age};
use super::{Scene, minute_of, since};
use crate::commands::top::view::{Column, View};
use crate::commands::top::watched::Watched;
use crate::output::format;

/// What the symbol has at least.
const SYMBOL_WIDTH: usize = 12;

/// A column after the symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// One that can sort.
    Sorting(Column),
    /// The number of bars on the day.
    Bars,
    /// The end of the newest bar.
    Time,
}

/// The columns from left to right, each with its width and the gap before it.
const FIELDS: [(Field, usize); 6] = [
    (Field::Sorting(Column::Last), 11),
    (Field::Sorting(Column::Change), 9),
    (Field::Sorting(Column::Volume), 8),
    (Field::Sorting(Column::Age), 6),
    (Field::Bars, 7),
    (Field::Time, 7),
];
/// What a narrow list lacks, the first one first.
const DISPENSABLE: [Field; 3] = [Field::Bars, Field::Time, Field::Sorting(Column::Volume)];

/// The columns for a list of this width.
fn fields(width: usize) -> Vec<(Field, usize)> {
    let mut fields = FIELDS.to_vec();
    for dispensable in DISPENSABLE {
        let needed: usize = fields.iter().map(|(_, width)| width).sum();
        if needed + SYMBOL_WIDTH > width {
            fields.retain(|(field, _)| *field != dispensable);
        }
    }
    fields
}

/// Draws the list into `area` and notes in `view` what fits.
pub(super) fn draw(scene: &Scene<'_>, view: &mut View, area: Rect, buffer: &mut Buffer) {
    let symbols = &scene.model.market.symbols;
    let order = view.order(symbols);
    let height = usize::from(area.height).saturating_sub(1);
    view.page = height.max(1);
    view.first = view.first.min(order.len().saturating_sub(height));
    let width = usize::from(area.width);
    let fields = fields(width);
    let symbol_width = width.saturating_sub(fields.iter().map(|(_, width)| width).sum());
    buffer.set_style(Rect { height: area.height.min(1), ..area }, scene.theme.heading());
    buffer.set_line(area.x, area.y, &heading(scene, view, symbol_width, &fields), area.width);
    for (y, place) in (area.y + 1..area.bottom()).zip(order.iter().skip(view.first)) {
        let line = row(scene, &symbols[*place], symbol_width, &fields);
        buffer.set_line(area.x, y, &line, area.width);
    }
    if order.is_empty() && height > 0 {
        let text = match (symbols.is_empty(), scene.model.market.has_caught_up) {
            (false, _) => format!("no symbol has {:?}: Esc shows all", view.filter),
            (true, true) => "no bar of this day yet".to_owned(),
            (true, false) => String::new(),
        };
        buffer.set_stringn(area.x, area.y + 1, text, width, scene.theme.label());
    }
}

/// The names of the columns. The one that sorts has an arrow.
fn heading(scene: &Scene<'_>, view: &View, symbol_width: usize, fields: &[(Field, usize)]) -> Line<'static> {
    let name = |column: Column| match (view.sort == column, view.is_descending) {
        (true, true) => format!("{}▼", column.name()),
        (true, false) => format!("{}▲", column.name()),
        (false, _) => column.name().to_owned(),
    };
    let style = |column| if view.sort == column { scene.theme.strong() } else { Style::new() };
    let mut line = Line::from(Span::styled(left(&name(Column::Symbol), symbol_width), style(Column::Symbol)));
    for (field, width) in fields {
        line.push_span(match field {
            Field::Sorting(column) => Span::styled(right(&name(*column), *width), style(*column)),
            Field::Bars => Span::raw(right("BARS", *width)),
            Field::Time => Span::raw(right("TIME", *width)),
        });
    }
    line
}

fn row(scene: &Scene<'_>, symbol: &Watched, symbol_width: usize, fields: &[(Field, usize)]) -> Line<'static> {
    // A symbol without a bar of the newest minute is shown as quiet.
    let is_newest = scene.model.market.day.as_ref().is_some_and(|progress| progress.newest_ms == symbol.frame_ms);
    let quiet = if is_newest { Style::new() } else { scene.theme.label() };
    let value = |field: Field, width: usize| match field {
        Field::Sorting(Column::Last) => (price(symbol.last, scene.facts.price, width - 1), scene.theme.strong()),
        Field::Sorting(Column::Change) => match symbol.change() {
            Some(change) => (change_text(change), scene.theme.change(change)),
            None => ("-".to_owned(), scene.theme.label()),
        },
        Field::Sorting(Column::Volume) if symbol.bars == 0 => ("-".to_owned(), scene.theme.label()),
        Field::Sorting(Column::Volume) => (format::compact(symbol.volume), Style::new()),
        Field::Sorting(Column::Age) => (short_age(since(symbol.received_ms, scene.now_ms)), quiet),
        Field::Sorting(Column::Symbol) => (String::new(), Style::new()),
        Field::Bars => (symbol.bars.to_string(), Style::new()),
        Field::Time => (minute_of(symbol.frame_ms, &scene.facts.zone), quiet),
    };
    let mut line = Line::from(left(&barbus_files::printable(&symbol.name), symbol_width));
    for (field, width) in fields {
        let (text, style) = value(*field, *width);
        line.push_span(Span::styled(right(&text, *width), style));
    }
    line
}

/// `+1.22%`, with fewer digits where it is large.
fn change_text(per_cent: f64) -> String {
    match per_cent.abs() {
        0.0..0.005 => "0.00%".to_owned(),
        0.005..1_000.0 => format!("{per_cent:+.2}%"),
        1_000.0..100_000.0 => format!("{per_cent:+.0}%"),
        _ => if per_cent > 0.0 { ">+99999%" } else { "<-99999%" }.to_owned(),
    }
}

/// `text` in `width` columns, on the left. A longer text ends with `…`.
pub(super) fn left(text: &str, width: usize) -> String {
    if text.width() <= width {
        return format!("{text}{}", " ".repeat(width - text.width()));
    }
    let mut cut = prefix(text.chars(), width);
    cut.push('…');
    let blank = width.saturating_sub(cut.width());
    cut + &" ".repeat(blank)
}

/// A path in `width` columns, on the left. A longer one begins with `…`: its end tells more.
pub(super) fn path(text: &str, width: usize) -> String {
    if text.width() <= width || !text.contains('/') {
        return left(text, width);
    }
    let tail: String = prefix(text.chars().rev(), width).chars().rev().collect();
    left(&format!("…{tail}"), width)
}

/// The first letters that leave a column of `width` free.
fn prefix(letters: impl Iterator<Item = char>, width: usize) -> String {
    let mut columns = 1;
    let fits = |letter: &char| {
        columns += letter.width().unwrap_or(0);
        columns <= width
    };
    letters.take_while(fits).collect()
}

/// `text` in `width` columns, on the right.
pub(super) fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_list_has_fewer_columns() {
        assert_eq!(fields(60).len(), 6);
        assert_eq!(fields(59).iter().filter(|(field, _)| *field == Field::Bars).count(), 0);
        assert_eq!(fields(46).len(), 4);
        let narrow: Vec<Field> = fields(40).into_iter().map(|(field, _)| field).collect();
        assert_eq!(narrow, [Column::Last, Column::Change, Column::Age].map(Field::Sorting));
    }

    #[test]
    fn texts_have_their_width() {
        assert_eq!(left("600000.XSHG", 13), "600000.XSHG  ");
        assert_eq!(left("600000.XSHG", 8), "600000.…");
        assert_eq!(left("沪深300指数", 6).width(), 6);
        assert_eq!(right("1.5", 6), "   1.5");
        assert_eq!(path("/data/2024/bars.csv", 12), "…24/bars.csv");
        assert_eq!(path("bars.csv", 12), "bars.csv    ");
        assert_eq!(change_text(1.224), "+1.22%");
        assert_eq!(change_text(-0.001), "0.00%");
        assert_eq!(change_text(12_345.6), "+12346%");
        assert!(change_text(1e9).len() <= 8);
    }
}
