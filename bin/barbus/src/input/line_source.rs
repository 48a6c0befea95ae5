//! A source of rows that are lines of text, one bar each: the common part of CSV and NDJSON.

use std::io::BufRead;

use super::error::InputError;
use super::lines::{Line, Lines};
use super::reject::Reject;
use super::rows::Rows;
use super::source::{BATCH_ROWS, ParsedRows, RowSource};

/// Parses the lines of one format.
pub(super) trait LineParser: Send {
    /// Appends the bar of `line` to `rows`.
    ///
    /// # Errors
    /// The reason why the line is rejected; nothing is appended.
    fn parse(&mut self, line: &[u8], rows: &mut Rows) -> Result<(), String>;
}

/// Rows from lines.
pub(super) struct LineSource<R, P> {
    input: String,
    lines: Lines<R>,
    parser: P,
}

impl<R: BufRead, P: LineParser> LineSource<R, P> {
    /// The rows that `parser` finds in the remaining `lines`; messages call the input `input`.
    pub(super) fn new(input: &str, lines: Lines<R>, parser: P) -> LineSource<R, P> {
        LineSource { input: input.to_owned(), lines, parser }
    }

    fn append(&mut self, line: Line, parsed: &mut ParsedRows) {
        let text = self.lines.text();
        let reason = match line {
            Line::Complete => match self.parser.parse(text, &mut parsed.bars) {
                Ok(()) => return,
                Err(reason) => reason,
            },
            Line::TooLong => "the line is too long; only its beginning is kept".to_owned(),
            // Its beginning may look like a row: 123 of 12345.
            Line::Truncated => "the input ends in the middle of this line".to_owned(),
        };
        parsed.rejects.push_back(Reject {
            row: String::from_utf8_lossy(text).into_owned(),
            source: format!("{}:{}", self.input, self.lines.number()),
            reason,
        });
    }
}

impl<R: BufRead + Send, P: LineParser> RowSource for LineSource<R, P> {
    fn read(&mut self, parsed: &mut ParsedRows) -> Result<bool, InputError> {
        let enough = parsed.len() + BATCH_ROWS;
        while parsed.len() < enough {
            match self.lines.advance() {
                Ok(Some(line)) => self.append(line, parsed),
                Ok(None) => return Ok(false),
                Err(error) => return Err(InputError::read(&self.input, &self.lines.place(), error)),
            }
        }
        Ok(true)
    }
}
