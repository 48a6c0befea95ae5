//! Finds columns by the names that vendors give them.

use barbus_bars::{aliases_of, normalize_name};

use crate::layout::mapping::ColumnRef;

/// The names of the columns of an input.
pub(crate) struct Names<'a> {
    raw: &'a [String],
    normal: Vec<String>,
    /// Whether a column of a bar already has this column.
    taken: Vec<bool>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(raw: &'a [String]) -> Names<'a> {
        let normal = raw.iter().map(|name| normalize_name(name)).collect();
        Names { raw, normal, taken: vec![false; raw.len()] }
    }

    pub(crate) fn raw(&self, column: usize) -> &'a str {
        &self.raw[column]
    }

    pub(crate) fn normal(&self, column: usize) -> &str {
        &self.normal[column]
    }

    pub(crate) fn len(&self) -> usize {
        self.raw.len()
    }

    pub(crate) fn take(&mut self, column: usize) {
        self.taken[column] = true;
    }

    /// The columns that no column of a bar has.
    pub(crate) fn free(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(|column| !self.taken[*column])
    }

    /// The column that a user or a layout names: as it is written, otherwise in normal form. Of
    /// several with one name it is the first.
    pub(crate) fn find(&self, column: &ColumnRef) -> Option<usize> {
        match column {
            ColumnRef::Position(number) => (*number <= self.len()).then(|| number - 1),
            ColumnRef::Name(name) => {
                let exact = self.raw.iter().position(|raw| raw.trim() == name);
                exact.or_else(|| {
                    let wanted = normalize_name(name);
                    self.normal.iter().position(|normal| *normal == wanted)
                })
            }
        }
    }

    /// The free columns with the name of the bus, as it is written if one is.
    pub(crate) fn own(&self, target: &str) -> Vec<usize> {
        let exact: Vec<usize> = self.free().filter(|&column| self.raw[column] == target).collect();
        if !exact.is_empty() {
            return exact;
        }
        let own = normalize_name(target);
        self.free().filter(|&column| self.normal[column] == own).collect()
    }

    /// The free columns with an alias of the name; those written exactly so, if one is.
    pub(crate) fn aliases(&self, target: &str) -> Vec<usize> {
        let aliases = aliases_of(target);
        let found: Vec<usize> = self.free().filter(|&column| aliases.contains(&self.normal[column].as_str())).collect();
        let exact: Vec<usize> =
            found.iter().copied().filter(|&column| aliases.contains(&self.raw[column].trim())).collect();
        if exact.is_empty() { found } else { exact }
    }
}

/// The columns of a bar that a list of names has, by their own names or aliases.
pub(crate) fn known_targets<'t>(names: &[String], targets: &[&'t str]) -> Vec<&'t str> {
    let normal: Vec<String> = names.iter().map(|name| normalize_name(name)).collect();
    let known = |target: &&&str| {
        let aliases = aliases_of(target);
        normal.iter().any(|name| name == **target || aliases.contains(&name.as_str()))
    };
    targets.iter().filter(known).copied().collect()
}
