//! One JSON object or list as a record: where each of its values is in its text.

use std::ops::Range;

use super::json_text::{self, Elements, Members};
use crate::records::Step;
use crate::values::cell::Cell;

/// The names of the values of lists, by their order, unless a layout names them.
pub(crate) const LIST_NAMES: [&str; 6] = ["time", "open", "high", "low", "close", "volume"];

/// Most values of one record.
const MAX_VALUES: usize = 65_536;

/// A record in a JSON text.
#[derive(Debug, Default)]
pub(crate) struct JsonRecord {
    /// The keys of an object, or the names of the values of a list.
    pub(crate) names: Vec<String>,
    /// Where each value is.
    spans: Vec<Range<usize>>,
    /// The names of the values of lists.
    list_names: Vec<String>,
}

impl JsonRecord {
    /// A record whose lists have these names; without them the usual ones.
    pub(crate) fn new(list_names: &[String]) -> JsonRecord {
        let usual = || LIST_NAMES.iter().map(|name| (*name).to_owned()).collect();
        let list_names = if list_names.is_empty() { usual() } else { list_names.to_vec() };
        JsonRecord { names: Vec::new(), spans: Vec::new(), list_names }
    }

    /// Takes the values of the record in `text`, which is at `range` of a larger text.
    ///
    /// # Errors
    /// Why it is no record.
    pub(crate) fn take(&mut self, whole: &str, range: Range<usize>) -> Result<Step, String> {
        let text = whole[range].trim();
        let span = |value: &str| {
            // Each value is borrowed from `whole`.
            let start = value.as_ptr() as usize - whole.as_ptr() as usize;
            start..start + value.len()
        };
        if text.starts_with('[') {
            let Elements(values) = serde_json::from_str(text).map_err(|error| without_line(&error))?;
            if values.len() > MAX_VALUES {
                return Err("the list has too many values".to_owned());
            }
            self.spans.clear();
            self.spans.extend(values.iter().map(|value| span(value.get())));
            return Ok(self.name_list());
        }
        if !text.starts_with('{') {
            return Err("is not a JSON object".to_owned());
        }
        let Members(members) = serde_json::from_str(text).map_err(|error| without_line(&error))?;
        if members.len() > MAX_VALUES {
            return Err("the object has too many members".to_owned());
        }
        self.spans.clear();
        self.spans.extend(members.iter().map(|(_, value)| span(value.get())));
        let same = self.names.len() == members.len() && self.names.iter().zip(&members).all(|(a, (b, _))| a == b);
        if same {
            return Ok(Step::Record);
        }
        self.names = members.into_iter().map(|(key, _)| key.into_owned()).collect();
        Ok(Step::NewNames)
    }

    fn name_list(&mut self) -> Step {
        if self.names.len() == self.spans.len() {
            return Step::Record;
        }
        let name = |i: usize| self.list_names.get(i).cloned().unwrap_or_else(|| format!("#{}", i + 1));
        self.names = (0..self.spans.len()).map(name).collect();
        Step::NewNames
    }

    /// A value of the record in `whole`.
    pub(crate) fn cell<'t>(&self, whole: &'t str, column: usize) -> Cell<'t> {
        self.spans.get(column).map_or(Cell::Missing, |span| json_text::cell(&whole[span.clone()]))
    }
}

/// The message of serde_json without `at line 1`, which is not the line number of the file.
pub(crate) fn without_line(error: &serde_json::Error) -> String {
    format!("not JSON: {}", error.to_string().replace(" at line 1 column ", " at column "))
}
