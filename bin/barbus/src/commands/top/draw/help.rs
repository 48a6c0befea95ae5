//! The keys: a line at the bottom, and a page.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Theme;
use super::text::join;
use crate::commands::top::view::View;

const PAGE: [(&str, &str); 14] = [
    ("s l c v a", "sort by symbol, last, change, volume, age; again reverses"),
    ("r", "reverse the order"),
    ("/", "show only symbols with a text; Enter keeps it, Esc shows all"),
    ("up down j k", "scroll by a line"),
    ("PgUp PgDn b space", "scroll by a page"),
    ("Home End g G", "go to the first or last symbol"),
    ("Ctrl-L", "draw the screen again"),
    ("q Ctrl-C", "quit"),
    ("", ""),
    ("CHANGE", "against the last close before the day, as it was traded"),
    ("VOLUME", "of the day so far"),
    ("AGE", "since the newest bar was received"),
    ("readers' bars", "the share of the ring between a reader and the newest bar"),
    ("ring", "the share of its blocks whose bars are not archived yet"),
];

/// The line of the most important keys, or of the filter while it is typed.
pub(super) fn keys(view: &View, theme: Theme, width: usize) -> Line<'static> {
    if view.is_typing {
        let text = format!("filter: {}_", view.filter);
        let keys = Span::styled("  Enter keeps it, Esc clears it", theme.label());
        return Line::from(vec![Span::styled(text, theme.strong()), keys]);
    }
    let key = |key: &'static str, what: &'static str| {
        Line::from(vec![Span::styled(key, theme.strong()), Span::styled(format!(" {what}"), theme.label())])
    };
    let mut parts = vec![key("q", "quit"), key("?", "help"), key("s l c v a", "sort"), key("r", "reverse")];
    match view.filter.is_empty() {
        true => parts.push(key("/", "filter")),
        false => parts.push(key("Esc", "all symbols")),
    }
    parts.push(key("up down PgUp PgDn", "scroll"));
    join(parts, width)
}

/// The page of all keys and of what is shown.
pub(super) fn draw(theme: Theme, area: Rect, buffer: &mut Buffer) {
    for (y, (key, what)) in (area.y..area.bottom()).zip(PAGE) {
        let line = Line::from(vec![Span::styled(format!("{key:<18}"), theme.strong()), Span::raw(what)]);
        buffer.set_line(area.x, y, &line, area.width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_fits_into_the_usual_terminal() {
        for (key, what) in PAGE {
            assert!(key.len() < 18 && 18 + what.len() <= 80, "{key} {what}");
        }
        // A head of three lines, three warnings and the line of keys are beside it.
        assert!(PAGE.len() + 7 <= 24);
    }
}
