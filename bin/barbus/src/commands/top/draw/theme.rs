//! Styles by meaning. Without colour they differ by bold, dim and reversed text alone, and nothing
//! is said by a style only.

use ratatui::style::{Color, Modifier, Style};

/// The styles of the screen.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Theme {
    has_colour: bool,
    rises_are_red: bool,
}

impl Theme {
    /// With or without colour. `rises_are_red` is the custom of some markets.
    pub(in super::super) fn new(has_colour: bool, rises_are_red: bool) -> Theme {
        Theme { has_colour, rises_are_red }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.has_colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// A name before a value.
    pub(super) fn label(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What a reader of the screen looks for first.
    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The heading of a list.
    pub(super) fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// All is well.
    pub(super) fn good(self) -> Style {
        self.coloured(Color::Green).add_modifier(Modifier::BOLD)
    }

    /// What needs attention soon.
    pub(super) fn warning(self) -> Style {
        self.coloured(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// What needs attention now.
    pub(super) fn alarm(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// The filled part of a bar.
    pub(super) fn bar(self) -> Style {
        self.coloured(Color::Cyan)
    }

    /// A change of a price.
    pub(super) fn change(self, per_cent: f64) -> Style {
        match (per_cent > 0.0, per_cent < 0.0) {
            (true, _) if self.rises_are_red => self.coloured(Color::Red),
            (_, true) if self.rises_are_red => self.coloured(Color::Green),
            (true, _) => self.coloured(Color::Green),
            (_, true) => self.coloured(Color::Red),
            _ => Style::new(),
        }
    }
}
