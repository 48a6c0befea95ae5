//! Formats output for people and programs: tables, JSON and CSV rows, numbers, and candles.
//!
//! The caller decides about colour, for a terminal with [`colour_wanted`].

pub(crate) mod candles;
pub(crate) mod cell;
pub(crate) mod format;
pub(crate) mod table;

use std::io::IsTerminal;

/// Whether to colour standard output: if it is a terminal, `NO_COLOR` is not set and `TERM` is not
/// `dumb`.
pub(crate) fn colour_wanted() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    std::io::stdout().is_terminal() && !no_colour && !dumb
}
