//! What people and programs see: tables, JSON and CSV rows, numbers in words, and candles.
//!
//! Nothing here knows where a bar came from. Colour is the caller's decision ([`colour_wanted`] makes it for a
//! terminal); without it the text is plain Unicode.

pub(crate) mod candles;
pub(crate) mod format;
pub(crate) mod table;

use std::io::IsTerminal;

/// Whether to colour what goes to standard output: only on a terminal, and not when `NO_COLOR` is set or `TERM` is
/// `dumb`.
pub(crate) fn colour_wanted() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    std::io::stdout().is_terminal() && !no_colour && !dumb
}
