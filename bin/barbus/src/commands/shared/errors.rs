//! How a command fails: its messages on standard error, and the exit codes.

use std::fmt;
use std::io::Write;

/// The part of the help about exit codes.
pub(in crate::commands) const EXIT_CODES: &str =
    "Exit codes: 0 success, 1 failure (see standard error), 2 wrong usage.";

/// The error of a command whose messages are printed already; only the exit code is left.
#[derive(Debug, thiserror::Error)]
#[error("already printed")]
pub(in crate::commands) struct AlreadyPrinted;

/// Prints a message on standard error. A closed standard error is no reason to fail.
pub(in crate::commands) fn print_error(message: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "barbus: {message}");
}

/// An error and its causes in one line.
///
/// Many messages of barbus include their cause, which is then not repeated.
pub(in crate::commands) fn in_one_line(error: &anyhow::Error) -> String {
    let causes = error.chain().skip(1).map(ToString::to_string);
    causes.fold(error.to_string(), |line, cause| match line.contains(&cause) {
        true => line,
        false => format!("{line}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_is_printed_once() {
        let missing = || std::fs::read("/nonexistent/bars.csv");
        let plain = missing().context("bars.csv").unwrap_err();
        assert_eq!(in_one_line(&plain), "bars.csv: No such file or directory (os error 2)");
        let repeated =
            missing().map_err(|e| anyhow::Error::new(e).context("bars.csv: No such file or directory (os error 2)"));
        assert_eq!(in_one_line(&repeated.unwrap_err()), "bars.csv: No such file or directory (os error 2)");
    }
}
