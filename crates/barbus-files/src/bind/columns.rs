//! Binds the columns of an input to those of a bar.
//!
//! What the user maps has priority, then what the layout maps, then the bus's own names, then the
//! names of vendors. All missing columns are reported at once, with a map to be completed.

use barbus_bars::{FIXED_COLUMNS, FRAME, MONEY, PRICE_COLUMNS, SYMBOL, VOLUME, aliases_of, nearest};

use super::names::Names;
use super::plan::NumberRule;
use super::wide::WideGroup;
use crate::layout::description::Layout;
use crate::layout::mapping::{ColumnRef, Mapping, Origin};
use crate::options::InputOptions;
use crate::rows::NUMBERS;
use crate::sample::Sample;
use crate::text::shortened;

/// Most characters of a header shown in a message.
const MAX_HEADER_CHARS: usize = 300;

/// The origins of the columns of a bar, while they are found.
pub(crate) struct Columns<'a> {
    pub(crate) names: Names<'a>,
    user: &'a Mapping,
    layout: Mapping,
    layout_name: &'a str,
    targets: Vec<&'a str>,
    /// For each of `targets` its columns; `Some(vec![])` for an origin without columns.
    found: Vec<Option<Vec<usize>>>,
    /// For each of `targets` its constant.
    constants: Vec<Option<String>>,
}

impl<'a> Columns<'a> {
    /// Finds every column that a map or its name determines, but for the time.
    ///
    /// # Errors
    /// The reason why the columns cannot be bound.
    pub(crate) fn find(
        sample: &'a Sample,
        options: &'a InputOptions,
        layout: Option<&'a Layout>,
    ) -> Result<Columns<'a>, String> {
        let targets: Vec<&str> = options.schema.column_names().collect();
        let mut columns = Columns {
            names: Names::new(&sample.names),
            user: &options.map,
            layout: layout.map(Layout::mapping).transpose()?.unwrap_or_default(),
            layout_name: layout.map_or("", |layout| &layout.name),
            found: vec![None; targets.len()],
            constants: vec![None; targets.len()],
            targets,
        };
        columns.check_targets()?;
        for i in 0..columns.targets.len() {
            columns.apply_maps(i)?;
        }
        for i in (0..columns.targets.len()).filter(|i| *i != 1) {
            let target = columns.targets[i];
            let own = columns.names.own(target);
            columns.match_one(i, own)?;
        }
        for i in (0..columns.targets.len()).filter(|i| *i != 1) {
            let target = columns.targets[i];
            let aliases = columns.names.aliases(target);
            columns.match_one(i, aliases)?;
        }
        Ok(columns)
    }

    fn check_targets(&self) -> Result<(), String> {
        for target in self.user.targets() {
            if !self.targets.iter().any(|own| own.eq_ignore_ascii_case(target)) {
                let hint = nearest(target, self.targets.iter().copied());
                let hint = hint.map_or_else(String::new, |name| format!(": did you mean {name:?}?"));
                return Err(format!("the column map names {target:?}, which is not a column of this bus{hint}"));
            }
        }
        Ok(())
    }

    fn apply_maps(&mut self, i: usize) -> Result<(), String> {
        let target = self.targets[i];
        let (origin, by_user) = match (self.user.get(target), self.layout.get(target)) {
            (Some(origin), _) => (origin.clone(), true),
            (None, Some(origin)) => (origin.clone(), false),
            (None, None) => return Ok(()),
        };
        match origin {
            Origin::None if target == SYMBOL || target == FRAME || PRICE_COLUMNS.contains(&target) => {
                return Err(format!("{target} cannot be none: every bar has one"));
            }
            Origin::None => self.found[i] = Some(Vec::new()),
            Origin::Constant(text) if target == SYMBOL => self.constants[i] = Some(text),
            Origin::Constant(_) => return Err(format!("{target} cannot be a constant: only symbol can")),
            Origin::Columns(alternatives) => {
                let found = alternatives.iter().find_map(|columns| {
                    columns.iter().map(|column| self.names.find(column)).collect::<Option<Vec<usize>>>()
                });
                match found {
                    Some(found) => self.set(i, found),
                    None if by_user => return Err(self.mapped_missing(target, &alternatives[0])),
                    None if i < FIXED_COLUMNS.len() && target != SYMBOL && target != VOLUME => {
                        let wanted: Vec<String> = alternatives[0].iter().map(ToString::to_string).collect();
                        let (layout, wanted) = (self.layout_name, wanted.join("+"));
                        let found = self.listed();
                        return Err(format!(
                            "is not of the layout {layout}: it has no {wanted} for {target}, but {found}"
                        ));
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }

    fn mapped_missing(&self, target: &str, columns: &[ColumnRef]) -> String {
        let missing = columns.iter().find(|column| self.names.find(column).is_none());
        let missing = missing.map(ToString::to_string).unwrap_or_default();
        let hint = nearest(&missing, self.free_names());
        let hint = hint.map_or_else(String::new, |name| format!(": did you mean {name:?}?"));
        format!("{target} is mapped to {missing:?}, which is not among {}{hint}", self.listed())
    }

    fn free_names(&self) -> impl Iterator<Item = &str> {
        self.names.free().map(|column| self.names.raw(column))
    }

    /// The names of the input, for a message.
    pub(crate) fn listed(&self) -> String {
        let names: Vec<&str> = (0..self.names.len()).map(|column| self.names.raw(column)).collect();
        match names.join(", ") {
            names if names.trim_matches([',', ' ']).is_empty() => "no columns".to_owned(),
            names => shortened(&names, MAX_HEADER_CHARS),
        }
    }

    fn set(&mut self, i: usize, columns: Vec<usize>) {
        columns.iter().for_each(|column| self.names.take(*column));
        self.found[i] = Some(columns);
    }

    fn match_one(&mut self, i: usize, candidates: Vec<usize>) -> Result<(), String> {
        if self.found[i].is_some() || self.constants[i].is_some() {
            return Ok(());
        }
        let target = self.targets[i];
        match candidates[..] {
            [] => {}
            [column] => self.set(i, vec![column]),
            [first, ..] => {
                let names: Vec<&str> = candidates.iter().map(|column| self.names.raw(*column)).collect();
                if names.iter().all(|name| *name == names[0]) {
                    let (name, position) = (names[0], first + 1);
                    return Err(format!(
                        "two columns are named {name:?}: choose one by its position, such as --map '{target}=#{position}'"
                    ));
                }
                let listed = names.join(" and ");
                return Err(format!(
                    "columns {listed} all match {target}: choose one with --map '{target}={}'",
                    names[0]
                ));
            }
        }
        Ok(())
    }

    fn index(&self, target: &str) -> Option<usize> {
        self.targets.iter().position(|own| *own == target)
    }

    /// The columns of a column of a bar; `None` where none was found.
    pub(crate) fn of(&self, target: &str) -> Option<&[usize]> {
        self.found[self.index(target)?].as_deref()
    }

    /// The constant of a column of a bar.
    pub(crate) fn constant(&self, target: &str) -> Option<&str> {
        self.constants[self.index(target)?].as_deref()
    }

    /// Gives columns to a column of a bar.
    pub(crate) fn give(&mut self, target: &str, columns: Vec<usize>) {
        if let Some(i) = self.index(target) {
            self.set(i, columns);
        }
    }

    /// Open, high, low, close and volume, and the optional columns.
    pub(crate) fn numbers(&self) -> ([NumberRule; NUMBERS], Vec<NumberRule>) {
        let rule = |i: usize| match self.found[i].as_deref() {
            None | Some([]) => NumberRule::Absent,
            Some([column]) => NumberRule::Column(*column),
            Some(columns) => NumberRule::Sum(columns.to_vec()),
        };
        let optional = (FIXED_COLUMNS.len()..self.targets.len()).map(rule).collect();
        (std::array::from_fn(|i| rule(i + 2)), optional)
    }

    /// As [`Columns::numbers`], of one of several instruments side by side.
    pub(crate) fn numbers_of(&self, group: &WideGroup) -> ([NumberRule; NUMBERS], Vec<NumberRule>) {
        let rule = |target: &str| {
            let found = group.columns.iter().find(|(name, _)| *name == target);
            found.map_or(NumberRule::Absent, |(_, column)| NumberRule::Column(*column))
        };
        let optional = self.targets[FIXED_COLUMNS.len()..].iter().map(|target| match *target {
            MONEY => rule(MONEY),
            _ => NumberRule::Absent,
        });
        (std::array::from_fn(|i| rule(FIXED_COLUMNS[i + 2])), optional.collect())
    }

    /// The prices that have no column, and the volume if a column may be it.
    pub(crate) fn missing(&self) -> Vec<&'a str> {
        let without = |target: &&&str| self.index(target).is_some_and(|i| self.found[i].is_none());
        let mut missing: Vec<&str> = FIXED_COLUMNS[2..6].iter().filter(without).copied().collect();
        if without(&&VOLUME) && self.like_volume().is_some() {
            missing.push(VOLUME);
        }
        missing
    }

    /// A free column whose name is like that of a volume.
    fn like_volume(&self) -> Option<usize> {
        let is_like = |column: &usize| {
            let name = self.names.normal(*column);
            let like = |known: &str| name.contains(known);
            let other = ["money", "quote", "taker", "bid", "ask", "avg", "amount", "volat", "pct", "ratio"];
            (like("vol") || like("qty") || like("quantity") || like("成交") || like("shares"))
                && !other.iter().any(|word| like(word))
        };
        self.names.free().find(is_like)
    }

    /// The message for missing columns: what the input has, and a map to complete. `time` is a
    /// column that holds times.
    pub(crate) fn missing_message(&self, missing: &[&str], names_in: &str, time: Option<&str>) -> String {
        let quoted: Vec<String> = missing.iter().map(|target| format!("{target:?}")).collect();
        let (column, quoted) = match &quoted[..] {
            [one] => ("column", one.clone()),
            [rest @ .., last] => ("columns", format!("{} and {last}", rest.join(", "))),
            [] => ("column", String::new()),
        };
        let proposal = |target: &str| match time.filter(|_| target == FRAME) {
            Some(time) => self.as_mapped(time),
            None => self.proposal(target),
        };
        let entries: Vec<String> = missing.iter().map(|target| format!("{target}={}", proposal(target))).collect();
        let or_none = if missing == [VOLUME] { ", or --map volume=none" } else { "" };
        format!(
            "no {column} for {quoted}: {names_in} has {}; give --map '{}'{or_none}",
            self.listed(),
            entries.join(",")
        )
    }

    /// The name that a map may give to a column of a bar.
    fn proposal(&self, target: &str) -> String {
        if target == VOLUME
            && let Some(column) = self.like_volume()
        {
            return self.as_mapped(self.names.raw(column));
        }
        let known = [target].into_iter().chain(aliases_of(target).iter().copied()).filter(|name| name.len() > 2);
        let near = known.filter_map(|name| nearest(name, self.free_names())).next();
        near.map_or_else(|| "NAME".to_owned(), |name| self.as_mapped(&name))
    }

    /// The name of a column as a map in a shell has it: by its position if it has characters that
    /// mean something there.
    fn as_mapped(&self, name: &str) -> String {
        let position = (0..self.names.len()).find(|&column| self.names.raw(column).trim() == name.trim());
        match position {
            Some(column) if name.contains(['\'', '"', ',', '+', '|', '=', '#', '\\']) => format!("#{}", column + 1),
            _ => name.trim().to_owned(),
        }
    }
}
