//! CSV: one record a line, fields separated by one delimiter.
//!
//! Blank lines are skipped.
//! A record whose quoted field holds line breaks goes on over at most [`MAX_RECORD_LINES`] lines; a
//! stray quote costs its own line and no other.

use std::borrow::Cow;
use std::io::BufRead;
use std::sync::Arc;

use super::csv_fields::CsvFields;
use super::lines::{Line, Lines, MAX_LINE_BYTES};
use super::segments::SegmentReader;
use crate::error::InputError;
use crate::records::{Records, Step};
use crate::values::cell::Cell;

/// Most lines of one record.
pub(crate) const MAX_RECORD_LINES: usize = 32;

/// How the lines of a file are split.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CsvForm {
    /// What separates the fields.
    pub(crate) delimiter: u8,
    /// The lines up to this number, blank ones included, are no records.
    pub(crate) skip_lines: u64,
    /// The names of the columns.
    pub(crate) names: Vec<String>,
    /// Whether a record may have more or fewer fields than there are names.
    pub(crate) ragged: bool,
    /// Patterns of lines that are no records, such as a source at the end.
    pub(crate) ignore: Vec<String>,
}

/// The records of a CSV file.
pub(crate) struct Csv<R> {
    input: String,
    lines: Lines<R>,
    form: Arc<CsvForm>,
    fields: CsvFields,
    problem: String,
}

impl<R: BufRead + Send> Csv<R> {
    /// The records of `reader`; messages call the input `input`.
    pub(crate) fn new(input: &str, reader: R, form: Arc<CsvForm>) -> Csv<R> {
        Csv::behind(0, input, reader, form)
    }

    /// The records of `reader`, which begins behind `lines` lines of the input.
    pub(crate) fn behind(lines: u64, input: &str, reader: R, form: Arc<CsvForm>) -> Csv<R> {
        let (lines, fields) = (Lines::behind(lines, reader), CsvFields::new(form.delimiter));
        Csv { input: input.to_owned(), lines, form, fields, problem: String::new() }
    }

    /// Reads another part of the input, which begins behind `lines` lines; returns the reader of
    /// the part that was read.
    pub(crate) fn go_on(&mut self, lines: u64, reader: R) -> R {
        std::mem::replace(&mut self.lines, Lines::behind(lines, reader)).into_reader()
    }

    /// What separates the fields, and the number of names.
    pub(crate) fn shape(&self) -> (u8, usize) {
        (self.form.delimiter, self.form.names.len())
    }

    /// Splits the current line, which goes on over further lines where a quoted field does.
    fn split(&mut self) -> Result<Step, InputError> {
        if self.fields.split(self.lines.text()) {
            return Ok(self.check_width());
        }
        let (number, first) = (self.lines.number(), self.lines.text().to_vec());
        let mut record = first.clone();
        let mut taken = Vec::new();
        while taken.len() + 1 < MAX_RECORD_LINES {
            let line = match self.lines.advance_any() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => {
                    self.lines.postpone(error);
                    break;
                }
            };
            taken.push((self.lines.number(), line, self.lines.text().to_vec()));
            record.push(b'\n');
            record.extend_from_slice(self.lines.text());
            if line != Line::Complete || record.len() > MAX_LINE_BYTES {
                break;
            }
            if self.fields.split(&record) {
                if self.fields.len() != self.form.names.len() {
                    break;
                }
                self.lines.set_text(number, record);
                return Ok(Step::Record);
            }
        }
        self.lines.give_back(taken);
        self.lines.set_text(number, first);
        Ok(self.bad("a quoted field does not end on its line"))
    }

    fn check_width(&mut self) -> Step {
        let (found, wanted) = (self.fields.len(), self.form.names.len());
        // A delimiter at the end of each line makes one more field, which is empty.
        let trailing = found == wanted + 1 && self.fields.get(wanted).is_empty();
        if found == wanted || trailing || (self.form.ragged && found > wanted) {
            return Step::Record;
        }
        let fields = if found == 1 { "field" } else { "fields" };
        self.bad(&format!("{found} {fields} where the header has {wanted}"))
    }

    fn bad(&mut self, problem: &str) -> Step {
        problem.clone_into(&mut self.problem);
        Step::Bad
    }

    fn is_ignored(&self) -> bool {
        let ignore = &self.form.ignore;
        if ignore.is_empty() {
            return false;
        }
        let line = String::from_utf8_lossy(self.lines.text());
        ignore.iter().any(|pattern| glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(line.trim())))
    }
}

impl Csv<SegmentReader> {
    /// The text of the segment, and where the records begin that were not read; `None` where the
    /// next line may be no record.
    pub(crate) fn unread(&self) -> Option<(&[u8], usize)> {
        // The first line may begin with a mark.
        let first_record = self.form.skip_lines.max(1);
        let may_be_no_record = self.lines.number() < first_record || !self.form.ignore.is_empty();
        let reader = self.lines.reader().filter(|_| !may_be_no_record)?;
        Some((reader.text(), reader.used()))
    }

    /// Goes on behind some lines of this many bytes.
    pub(crate) fn skip(&mut self, lines: u64, bytes: usize) {
        self.lines.skip(lines, bytes);
    }
}

impl<R: BufRead + Send> Records for Csv<R> {
    fn advance(&mut self) -> Result<Step, InputError> {
        loop {
            let line = match self.lines.advance() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(Step::End),
                Err(error) => return Err(InputError::read(&self.input, &self.lines.place(), error)),
            };
            if self.lines.number() <= self.form.skip_lines {
                continue;
            }
            match line.problem() {
                None if self.is_ignored() => {}
                None => return self.split(),
                Some(problem) => return Ok(self.bad(problem)),
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.form.names.clone()
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        match column < self.fields.len() {
            true => Cell::Text(Cow::Borrowed(self.fields.get(column))),
            false => Cell::Missing,
        }
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
