//! NDJSON: one JSON object or list a line, each a record.
//!
//! Lines may differ in their keys and their order.
//! Numbers may be JSON numbers or strings; both are parsed from their text, so no digit is lost.
//! `null` is a missing value.

use std::io::BufRead;

use super::json_record::JsonRecord;
use super::json_text;
use super::lines::Lines;
use crate::error::InputError;
use crate::records::{Records, Step};
use crate::values::cell::Cell;

/// The records of lines of JSON.
pub(crate) struct Ndjson<R> {
    input: String,
    lines: Lines<R>,
    /// The current line.
    text: String,
    record: JsonRecord,
    /// The path from the object of a line to the record.
    path: Vec<String>,
    problem: String,
}

impl<R: BufRead + Send> Ndjson<R> {
    /// The records of `reader`; messages call the input `input`. The record is at `path` of each
    /// line, and lists have these names.
    pub(crate) fn new(input: &str, reader: R, path: &str, list_names: &[String]) -> Ndjson<R> {
        Ndjson {
            input: input.to_owned(),
            lines: Lines::new(reader),
            text: String::new(),
            record: JsonRecord::new(list_names),
            path: path.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect(),
            problem: String::new(),
        }
    }

    /// The lines that were not read yet.
    pub(crate) fn into_lines(self) -> Lines<R> {
        self.lines
    }

    fn bad(&mut self, problem: String) -> Step {
        self.problem = problem;
        Step::Bad
    }

    fn parse(&mut self) -> Step {
        let Ok(line) = std::str::from_utf8(self.lines.text()) else {
            return self.bad("the line is not UTF-8".to_owned());
        };
        self.text.clear();
        self.text.push_str(line);
        let mut range = 0..self.text.len();
        for key in &self.path {
            let members = json_text::members(&self.text[range.clone()]).unwrap_or_default();
            let Some((_, value)) = members.into_iter().find(|(found, _)| found == key) else {
                let problem = format!("there is no {} in the line", self.path.join("."));
                return self.bad(problem);
            };
            let start = value.as_ptr() as usize - self.text.as_ptr() as usize;
            range = start..start + value.len();
        }
        match self.record.take(&self.text, range) {
            Ok(step) => step,
            Err(problem) => {
                let problem = if problem.starts_with("is not") { format!("the line {problem}") } else { problem };
                self.bad(problem)
            }
        }
    }
}

impl<R: BufRead + Send> Records for Ndjson<R> {
    fn advance(&mut self) -> Result<Step, InputError> {
        match self.lines.advance() {
            Ok(Some(line)) => Ok(match line.problem() {
                None => self.parse(),
                Some(problem) => self.bad(problem.to_owned()),
            }),
            Ok(None) => Ok(Step::End),
            Err(error) => Err(InputError::read(&self.input, &self.lines.place(), error)),
        }
    }

    fn names(&self) -> Vec<String> {
        self.record.names.clone()
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        self.record.cell(&self.text, column)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(self.lines.text()).into_owned()
    }

    fn place(&self) -> String {
        self.lines.number().to_string()
    }

    fn problem(&self) -> String {
        self.problem.clone()
    }
}
