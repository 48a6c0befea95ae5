//! Inputs whose rows are lines: what CSV and NDJSON have in common.

use std::io::BufRead;

use super::input::{Source, failed};
use super::lines::{Line, Lines};
use super::reject::Reject;
use super::{BATCH_ROWS, InputError, Parsed};

/// An input with one row a line.
pub(crate) trait LineRows: Send {
    /// What the lines are read from.
    type Reader: BufRead;

    /// The input's name in messages.
    fn input(&self) -> &str;

    /// Its lines.
    fn lines(&mut self) -> &mut Lines<Self::Reader>;

    /// Adds lines that need not be read one by one, `most` at most.
    fn plain_lines(&mut self, most: usize, parsed: &mut Parsed) {
        let _ = (most, parsed);
    }

    /// Adds the line last read to `parsed`, or says why it is no row.
    fn whole_line(&mut self, parsed: &mut Parsed) -> Result<(), String>;
}

fn add<T: LineRows>(rows: &mut T, line: Line, parsed: &mut Parsed) {
    let reason = match line {
        Line::Whole => match rows.whole_line(parsed) {
            Ok(()) => return,
            Err(reason) => reason,
        },
        Line::TooLong => "the line is too long; only its beginning is kept".to_owned(),
        Line::Torn => "the input breaks off in the middle of this line".to_owned(),
    };
    let row = String::from_utf8_lossy(rows.lines().text()).into_owned();
    let number = rows.lines().number();
    parsed.rejects.push_back(Reject { row, source: format!("{}:{number}", rows.input()), reason });
}

impl<T: LineRows> Source for T {
    fn read(&mut self, parsed: &mut Parsed) -> Result<bool, InputError> {
        let enough = parsed.len() + BATCH_ROWS;
        while parsed.len() < enough {
            self.plain_lines(enough - parsed.len(), parsed);
            match self.lines().advance() {
                Ok(Some(line)) => add(self, line, parsed),
                Ok(None) => return Ok(false),
                Err(error) => {
                    let input = self.input().to_owned();
                    return Err(failed(&input, self.lines(), error));
                }
            }
        }
        Ok(true)
    }
}
