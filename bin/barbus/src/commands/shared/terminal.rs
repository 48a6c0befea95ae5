//! The terminal behind standard output.

/// The number of columns, if standard output is a terminal.
pub(in crate::commands) fn terminal_columns() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(usize::from(width.0))
}
