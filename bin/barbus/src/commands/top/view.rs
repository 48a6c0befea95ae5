//! How the screen is looked at: order, filter and place in the list of symbols, and what keys do.

use std::cmp::Ordering;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::watched::Watched;

/// A column of the symbols, by which they can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Symbol,
    Last,
    Change,
    Volume,
    Age,
}

impl Column {
    /// All, from left to right, each with its key.
    pub(super) const ALL: [(Column, char); 5] =
        [(Column::Symbol, 's'), (Column::Last, 'l'), (Column::Change, 'c'), (Column::Volume, 'v'), (Column::Age, 'a')];

    /// Its heading.
    pub(super) fn name(self) -> &'static str {
        match self {
            Column::Symbol => "SYMBOL",
            Column::Last => "LAST",
            Column::Change => "CHANGE",
            Column::Volume => "VOLUME",
            Column::Age => "AGE",
        }
    }

    /// The value to sort by; `None` for a symbol without one, and for the names.
    fn value(self, symbol: &Watched) -> Option<f64> {
        match self {
            Column::Symbol => None,
            Column::Last => Some(symbol.last).filter(|last| last.is_finite()),
            Column::Change => symbol.change(),
            Column::Volume => Some(symbol.volume),
            Column::Age => Some(-(symbol.received_ms as f64)),
        }
    }
}

/// What the program does after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Stay,
    Quit,
    /// Stop as Ctrl-Z stops a program.
    Suspend,
    /// Draw everything again, for a terminal that shows something else.
    Redraw,
}

/// Order, filter and place.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) sort: Column,
    /// Whether the highest value is first.
    pub(super) is_descending: bool,
    /// Only symbols with this text are shown, in any case.
    pub(super) filter: String,
    /// Whether keys go to the filter.
    pub(super) is_typing: bool,
    /// The first symbol that is shown.
    pub(super) first: usize,
    /// Symbols that fit on the screen, set when it is drawn.
    pub(super) page: usize,
    pub(super) shows_help: bool,
}

impl Default for View {
    fn default() -> View {
        View {
            sort: Column::Symbol,
            is_descending: false,
            filter: String::new(),
            is_typing: false,
            first: 0,
            page: 1,
            shows_help: false,
        }
    }
}

impl View {
    /// Does what a key asks for.
    pub(super) fn press(&mut self, key: KeyEvent) -> Reply {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c' | 'd') => Reply::Quit,
                KeyCode::Char('z') => Reply::Suspend,
                KeyCode::Char('l') => Reply::Redraw,
                _ => Reply::Stay,
            };
        }
        if self.is_typing {
            self.type_filter(key.code);
            return Reply::Stay;
        }
        if std::mem::take(&mut self.shows_help) && key.code != KeyCode::Char('q') {
            return Reply::Stay;
        }
        match key.code {
            KeyCode::Char('q') => return Reply::Quit,
            KeyCode::Char('?' | 'h') => self.shows_help = true,
            KeyCode::Char('/') => {
                self.is_typing = true;
                self.filter.clear();
            }
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('r') => self.is_descending = !self.is_descending,
            KeyCode::Down | KeyCode::Char('j') => self.first = self.first.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.first = self.first.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.first = self.first.saturating_add(self.page),
            KeyCode::PageUp | KeyCode::Char('b') => self.first = self.first.saturating_sub(self.page),
            KeyCode::Home | KeyCode::Char('g') => self.first = 0,
            KeyCode::End | KeyCode::Char('G') => self.first = usize::MAX,
            KeyCode::Char(key) => {
                if let Some((column, _)) = Column::ALL.into_iter().find(|(_, name)| *name == key) {
                    self.sort_by(column);
                }
            }
            _ => {}
        }
        Reply::Stay
    }

    /// Sorts by a column; a second time it reverses the order.
    fn sort_by(&mut self, column: Column) {
        self.is_descending = match self.sort == column {
            true => !self.is_descending,
            false => column != Column::Symbol,
        };
        self.sort = column;
        self.first = 0;
    }

    fn type_filter(&mut self, code: KeyCode) {
        self.first = 0;
        match code {
            KeyCode::Char(letter) => self.filter.push(letter),
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            _ => {}
        }
    }

    /// The symbols to show, in order, by their places in `symbols`.
    pub(super) fn order(&self, symbols: &[Watched]) -> Vec<usize> {
        let filter = self.filter.to_lowercase();
        let is_shown = |place: &usize| filter.is_empty() || symbols[*place].name.to_lowercase().contains(&filter);
        let mut places: Vec<usize> = (0..symbols.len()).filter(is_shown).collect();
        let by_name = |a: &usize, b: &usize| symbols[*a].name.cmp(&symbols[*b].name);
        if self.sort == Column::Symbol {
            places.sort_unstable_by(|a, b| if self.is_descending { by_name(b, a) } else { by_name(a, b) });
            return places;
        }
        places.sort_unstable_by(|a, b| {
            let values = (self.sort.value(&symbols[*a]), self.sort.value(&symbols[*b]));
            let order = match values {
                (Some(a), Some(b)) if self.is_descending => b.total_cmp(&a),
                (Some(a), Some(b)) => a.total_cmp(&b),
                // Symbols without a value are last in either order.
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            };
            order.then_with(|| by_name(a, b))
        });
        places
    }
}

#[cfg(test)]
mod tests {
    use super::super::watched::PreviousClose;
    use super::*;

    fn press(view: &mut View, keys: &str) {
        for key in keys.chars() {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\u{1b}' => KeyCode::Esc,
                key => KeyCode::Char(key),
            };
            assert_eq!(view.press(KeyEvent::new(code, KeyModifiers::NONE)), Reply::Stay);
        }
    }

    fn symbols() -> Vec<Watched> {
        let symbol = |(name, last, close, volume, received_ms)| Watched {
            last,
            volume,
            received_ms,
            previous_close: close,
            ..Watched::new(name)
        };
        let values = [
            ("600000.XSHG", 8.0, PreviousClose::At(10.0), 300.0, 3_000),
            ("000001.XSHE", 12.0, PreviousClose::At(10.0), 100.0, 1_000),
            ("300750.XSHE", 9.0, PreviousClose::None, 200.0, 2_000),
        ];
        values.map(symbol).into()
    }

    #[test]
    fn keys_sort_and_sort_again_the_other_way() {
        let symbols = symbols();
        let mut view = View::default();
        for (keys, expected) in [
            ("", [1, 2, 0]),
            ("s", [0, 2, 1]),
            ("l", [1, 2, 0]),
            ("l", [0, 2, 1]),
            // The symbol without a change is last both times.
            ("c", [1, 0, 2]),
            ("r", [0, 1, 2]),
            ("v", [0, 2, 1]),
            // The oldest first.
            ("a", [1, 2, 0]),
        ] {
            press(&mut view, keys);
            assert_eq!(view.order(&symbols), expected, "after {keys:?}: {view:?}");
        }
    }

    #[test]
    fn a_filter_is_typed_and_cleared() {
        let symbols = symbols();
        let mut view = View::default();
        press(&mut view, "/xshq");
        assert_eq!((view.filter.as_str(), view.is_typing), ("xshq", true), "q does not quit while a filter is typed");
        view.press(KeyEvent::new(KeyCode::Backspace, KeyModifiers::NONE));
        press(&mut view, "e\n");
        assert_eq!((view.order(&symbols), view.is_typing), (vec![1, 2], false));
        press(&mut view, "\u{1b}");
        assert_eq!(view.order(&symbols).len(), 3);
    }

    #[test]
    fn control_keys_end_and_stop_the_program_in_every_mode() {
        let control = |key| KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL);
        let mut view = View::default();
        for keys in ["", "/", "\u{1b}?"] {
            press(&mut view, keys);
            assert_eq!(view.press(control('c')), Reply::Quit);
            assert_eq!(view.press(control('z')), Reply::Suspend);
        }
        assert!(view.shows_help);
        // Any key closes the help and does nothing else.
        press(&mut view, "v");
        assert_eq!((view.shows_help, view.sort), (false, Column::Symbol));
        assert_eq!(view.press(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE)), Reply::Quit);
    }
}
