//! The text of a table, and the line of a fault in it.

use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::error::CalendarError;
use super::spec::CalendarSpec;

/// A table that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {}{what}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct TableError {
    /// The file.
    pub place: String,
    /// The line of the fault, from 1, if it has one.
    pub line: Option<usize>,
    /// What is wrong, and what to write.
    pub what: String,
}

/// The settings in a text, or the line and the reason.
pub(super) fn parse(text: &str) -> Result<CalendarSpec, (Option<usize>, String)> {
    let spec = toml::Deserializer::parse(text).and_then(CalendarSpec::deserialize);
    spec.map_err(|error| {
        let what = error.message().lines().collect::<Vec<_>>().join(", ");
        (error.span().map(|span| line(text, span.start)), what)
    })
}

/// The line of a fault of the settings in `text`, and the reason.
pub(super) fn reject(text: &str, error: &CalendarError) -> (Option<usize>, String) {
    (fault_line(text, &[], error), error.to_string())
}

/// The line of a fault of the settings in the table `path` of `text`.
pub(super) fn fault_line(text: &str, path: &[&str], error: &CalendarError) -> Option<usize> {
    let root = DeTable::parse(text).ok()?.into_inner();
    let mut table = &root;
    for name in path {
        table = table.get(*name)?.get_ref().as_table()?;
    }
    let culprit = error.culprit();
    let mut found = Search { culprit: &culprit, setting: error.setting(), best: None, any: None };
    found.table(table, false);
    found.best.or(found.any).map(|at| line(text, at))
}

fn line(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].matches('\n').count() + 1
}

/// The search for the text at fault.
struct Search<'a> {
    culprit: &'a str,
    setting: Option<&'a str>,
    /// Where it is in the setting.
    best: Option<usize>,
    /// Where it is at all.
    any: Option<usize>,
}

impl Search<'_> {
    fn table(&mut self, table: &DeTable<'_>, in_setting: bool) {
        for (key, value) in table {
            let in_setting = in_setting || self.setting.is_some_and(|setting| key.get_ref() == setting);
            if key.get_ref() == self.culprit {
                self.found(key.span().start, in_setting);
            }
            self.value(value.get_ref(), value.span().start, in_setting);
        }
    }

    fn value(&mut self, value: &DeValue<'_>, at: usize, in_setting: bool) {
        let is_culprit = match value {
            DeValue::String(text) => text == self.culprit,
            DeValue::Datetime(date) => date.to_string() == self.culprit,
            DeValue::Array(values) => {
                values.iter().for_each(|value| self.value(value.get_ref(), value.span().start, in_setting));
                false
            }
            DeValue::Table(table) => {
                self.table(table, in_setting);
                false
            }
            _ => false,
        };
        if is_culprit {
            self.found(at, in_setting);
        }
    }

    fn found(&mut self, at: usize, in_setting: bool) {
        let place = if in_setting { &mut self.best } else { &mut self.any };
        place.get_or_insert(at);
    }
}
