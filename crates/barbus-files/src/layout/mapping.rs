//! Which column of an input is which column of a bar, as users and layouts write it.
//!
//! `frame=Date+Time` joins two columns, `volume=Up+Down` adds them, `#3` is the third column,
//! `symbol='X'` is a constant, and `volume=none` states that there is none.
//! In a layout `close=Last|Close` names alternatives; the first one that the input has is taken.

use std::fmt;
use std::str::FromStr;

/// A column of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnRef {
    /// By its name.
    Name(String),
    /// By its position, counted from one.
    Position(usize),
}

/// Where the values of one column of a bar come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Columns, joined or added; of several alternatives the first that the input has.
    Columns(Vec<Vec<ColumnRef>>),
    /// The same text for every row.
    Constant(String),
    /// Nowhere: the input has no such values.
    None,
}

/// Pairs of a column of a bar and its origin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    entries: Vec<(String, Origin)>,
}

/// Why the text of a mapping is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// An entry is not of the form `column=name`.
    #[error(
        "{0:?} does not have the form column=name, such as \"frame=open_time\", \"frame=Date+Time\", \"close=#5\", \"symbol='X'\" or \"volume=none\""
    )]
    NotAPair(String),
    /// A column of the bus is given twice.
    #[error("column {0:?} is mapped twice: remove one of the entries")]
    MappedTwice(String),
    /// One name is given to two columns of the bus.
    #[error("{name:?} is mapped to both {first:?} and {second:?}: remove one of the entries")]
    NameTwice {
        /// The name in the input.
        name: String,
        /// The first column of the bus that it is given to.
        first: String,
        /// The second one.
        second: String,
    },
}

impl fmt::Display for ColumnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColumnRef::Name(name) => f.write_str(name),
            ColumnRef::Position(number) => write!(f, "#{number}"),
        }
    }
}

impl Origin {
    /// The origin that a text names; `None` for an empty name.
    fn parse(text: &str) -> Option<Origin> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        for quote in ['\'', '"'] {
            if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
                return (!inner.is_empty()).then(|| Origin::Constant(inner.to_owned()));
            }
        }
        if text.eq_ignore_ascii_case("none") {
            return Some(Origin::None);
        }
        let column = |name: &str| {
            let name = name.trim();
            let position = name.strip_prefix('#').and_then(|number| number.parse().ok()).filter(|number| *number > 0);
            match position {
                Some(number) => Some(ColumnRef::Position(number)),
                None => (!name.is_empty()).then(|| ColumnRef::Name(name.to_owned())),
            }
        };
        let alternative = |text: &str| text.split('+').map(column).collect::<Option<Vec<ColumnRef>>>();
        Some(Origin::Columns(text.split('|').map(alternative).collect::<Option<_>>()?))
    }
}

impl Mapping {
    /// The origin of a column of a bar, if this mapping gives one.
    pub(crate) fn get(&self, target: &str) -> Option<&Origin> {
        self.entries.iter().find(|(name, _)| name.eq_ignore_ascii_case(target)).map(|(_, origin)| origin)
    }

    /// The columns of a bar that have an entry.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(target, _)| target.as_str())
    }

    /// The names of columns of the input.
    pub(crate) fn column_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (_, origin) in &self.entries {
            if let Origin::Columns(alternatives) = origin {
                for column in alternatives.iter().flatten() {
                    if let ColumnRef::Name(name) = column {
                        names.push(name.clone());
                    }
                }
            }
        }
        names
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`MappingError`] for an empty name and for a column that has an entry.
    pub(crate) fn add(&mut self, target: &str, origin: &str) -> Result<(), MappingError> {
        let target = target.trim().to_lowercase();
        let parsed = Origin::parse(origin).filter(|_| !target.is_empty());
        let parsed = parsed.ok_or_else(|| MappingError::NotAPair(format!("{target}={origin}")))?;
        if self.get(&target).is_some() {
            return Err(MappingError::MappedTwice(target));
        }
        if let Origin::Columns(_) = &parsed
            && let Some((first, _)) = self.entries.iter().find(|(_, other)| *other == parsed)
        {
            let (first, name) = (first.clone(), origin.trim().to_owned());
            return Err(MappingError::NameTwice { name, first, second: target });
        }
        self.entries.push((target, parsed));
        Ok(())
    }
}

/// Entries `column=name`, separated by commas; empty text gives the empty mapping.
impl FromStr for Mapping {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Mapping, MappingError> {
        let mut mapping = Mapping::default();
        if text.trim().is_empty() {
            return Ok(mapping);
        }
        for entry in entries(text) {
            let (target, origin) =
                entry.split_once('=').ok_or_else(|| MappingError::NotAPair(entry.trim().to_owned()))?;
            mapping.add(target, origin).map_err(|error| match error {
                MappingError::NotAPair(_) => MappingError::NotAPair(entry.trim().to_owned()),
                other => other,
            })?;
        }
        Ok(mapping)
    }
}

/// The entries of a text; a comma within quotes separates none.
fn entries(text: &str) -> Vec<&str> {
    let (mut found, mut start, mut quote) = (Vec::new(), 0, None);
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            ('\'' | '"', None) if text[..at].trim_end().ends_with('=') => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            (',', None) => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ColumnRef {
        ColumnRef::Name(text.to_owned())
    }

    #[test]
    fn every_form_is_read() {
        let mapping: Mapping =
            "frame=Date + Time,Close=#5,symbol='A,B',volume=none,open=Open|First,money=a=b".parse().unwrap();
        assert_eq!(mapping.get("frame"), Some(&Origin::Columns(vec![vec![name("Date"), name("Time")]])));
        assert_eq!(mapping.get("close"), Some(&Origin::Columns(vec![vec![ColumnRef::Position(5)]])));
        assert_eq!(mapping.get("symbol"), Some(&Origin::Constant("A,B".to_owned())));
        assert_eq!(mapping.get("volume"), Some(&Origin::None));
        assert_eq!(mapping.get("open"), Some(&Origin::Columns(vec![vec![name("Open")], vec![name("First")]])));
        assert_eq!(mapping.get("money"), Some(&Origin::Columns(vec![vec![name("a=b")]])));
        assert_eq!(mapping.get("high"), None);
        assert_eq!(" ".parse::<Mapping>(), Ok(Mapping::default()));
    }

    #[test]
    fn wrong_forms_are_refused() {
        let error = |text: &str| text.parse::<Mapping>().unwrap_err().to_string();
        for text in ["frame", "frame=a,,", "frame=", "=x", "frame=a+", "symbol=''"] {
            assert!(error(text).contains("column=name"), "{text}: {}", error(text));
        }
        assert_eq!(error("frame=a,Frame=b"), "column \"frame\" is mapped twice: remove one of the entries");
        let twice = "\"a\" is mapped to both \"frame\" and \"open\": remove one of the entries";
        assert_eq!(error("frame=a,open=a"), twice);
    }
}
