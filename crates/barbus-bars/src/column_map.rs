//! The mapping of a producer's columns to the columns of the bus.
//!
//! An explicit map has priority, then the bus's own names, then the usual names of vendors. Names
//! are compared without regard to case and surrounding blanks; a blank or a hyphen equals an
//! underscore. Of several names of times, one that states which end of a bar it marks is preferred.
//! Otherwise several aliases of one column are an error that lists them, never a guess.

use crate::cast::error::CastError;
use crate::schema::{BarSchema, FIXED_COLUMNS, FRAME};
use crate::suggestion::{nearest, normalize};
use crate::vendor_names::{aliases_of, nearest_alias, time_rank};

/// Why the text of an explicit map is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnMapError {
    /// An entry is not of the form `column=name`.
    #[error("{0:?} does not have the form column=name, such as \"frame=open_time\"")]
    NotAPair(String),
    /// A column of the bus is given two names.
    #[error("column {0:?} is mapped twice: remove one of the entries")]
    MappedTwice(String),
    /// One name is given to two columns of the bus.
    #[error("{source_name:?} is mapped to both {first:?} and {second:?}: remove one of the entries")]
    NameTwice {
        /// The producer's name.
        source_name: String,
        /// The first column of the bus that it is given to.
        first: String,
        /// The second one.
        second: String,
    },
}

/// Finds a producer's columns: by an explicit map, and by name.
///
/// ```
/// use barbus_bars::{BarSchema, ColumnMap};
///
/// let schema = BarSchema::in_zone("UTC")?;
/// let names = ["Code", "open_time", "close_time", "o", "h", "l", "c", "vol", "quote_volume"];
/// let found = ColumnMap::default().resolve(&names, &schema)?;
/// assert_eq!(found[1], Some(1), "frame is open_time");
/// assert_eq!(found[8], None, "there is no factor");
/// let found = ColumnMap::parse("frame=close_time")?.resolve(&names, &schema)?;
/// assert_eq!(found[1], Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnMap {
    /// Pairs of a column of the bus and the producer's name for it, as given.
    explicit: Vec<(String, String)>,
}

impl ColumnMap {
    /// A map of explicit pairs `column=name`, separated by commas; empty text gives the default
    /// map.
    ///
    /// # Errors
    /// [`ColumnMapError`] when an entry is not a pair, or one side occurs twice. Whether the
    /// columns exist is checked by [`ColumnMap::resolve`].
    pub fn parse(text: &str) -> Result<ColumnMap, ColumnMapError> {
        let mut explicit: Vec<(String, String)> = Vec::new();
        for entry in text.split(',').map(str::trim) {
            if entry.is_empty() && text.trim().is_empty() {
                break;
            }
            let pair = entry.split_once('=').map(|(target, name)| (target.trim(), name.trim()));
            let Some((target, name)) = pair.filter(|(target, name)| !target.is_empty() && !name.is_empty()) else {
                return Err(ColumnMapError::NotAPair(entry.to_owned()));
            };
            let target = target.to_lowercase();
            if explicit.iter().any(|(t, _)| *t == target) {
                return Err(ColumnMapError::MappedTwice(target));
            }
            if let Some((first, _)) = explicit.iter().find(|(_, n)| n == name) {
                return Err(ColumnMapError::NameTwice {
                    source_name: name.to_owned(),
                    first: first.clone(),
                    second: target,
                });
            }
            explicit.push((target, name.to_owned()));
        }
        Ok(ColumnMap { explicit })
    }

    /// For each column of the schema, fixed then optional, its index in `names`. `None` only for an
    /// optional column.
    ///
    /// # Errors
    /// [`CastError`] when a required column is missing, several names match one column, or the
    /// explicit map names a column that the producer or the bus does not have.
    pub fn resolve<S: AsRef<str>>(&self, names: &[S], schema: &BarSchema) -> Result<Vec<Option<usize>>, CastError> {
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let mut resolver = Resolver {
            targets: schema.column_names().collect(),
            normal: names.iter().map(|name| normalize(name)).collect(),
            resolved: vec![None; FIXED_COLUMNS.len() + schema.optional().len()],
            names,
        };
        for (target, name) in &self.explicit {
            resolver.map(target, name)?;
        }
        // The bus's own names are matched before any alias: an alias of one column must not take
        // the own name of another.
        resolver.match_each(Resolver::own_name)?;
        resolver.match_each(Resolver::aliases)?;
        resolver.check_required()?;
        Ok(resolver.resolved)
    }
}

/// The producer's names while they are matched with the columns of the bus.
struct Resolver<'a> {
    /// The columns of the bus.
    targets: Vec<&'a str>,
    /// The producer's names, as they are and in the form of [`normalize`].
    names: Vec<&'a str>,
    normal: Vec<String>,
    /// For each column of the bus the index of its name.
    resolved: Vec<Option<usize>>,
}

impl Resolver<'_> {
    /// Applies one pair of the explicit map.
    fn map(&mut self, target: &str, name: &str) -> Result<(), CastError> {
        let Some(i) = self.targets.iter().position(|own| own.to_lowercase() == target) else {
            return Err(CastError::UnknownTarget {
                nearest: nearest(target, self.targets.iter().copied()),
                target: target.to_owned(),
            });
        };
        let exact = self.names.iter().position(|found| *found == name);
        let index = exact.or_else(|| {
            let wanted = normalize(name);
            self.normal.iter().position(|found| *found == wanted)
        });
        self.resolved[i] = Some(index.ok_or_else(|| CastError::MappedColumnMissing {
            target: target.to_owned(),
            name: name.to_owned(),
            found: self.owned_names(),
            nearest: nearest(name, self.names.iter().copied()),
        })?);
        Ok(())
    }

    /// Resolves each column that is not yet resolved, if exactly one of its candidates is free.
    fn match_each(&mut self, candidates: impl Fn(&Self, &str) -> Vec<usize>) -> Result<(), CastError> {
        for i in 0..self.targets.len() {
            if self.resolved[i].is_none() {
                let target = self.targets[i];
                self.resolved[i] = self.single(target, candidates(self, target))?;
            }
        }
        Ok(())
    }

    /// The names that equal the column's own name: exactly, otherwise in normal form.
    fn own_name(&self, target: &str) -> Vec<usize> {
        let exact: Vec<usize> = (0..self.names.len()).filter(|&j| self.names[j] == target).collect();
        if !exact.is_empty() {
            return exact;
        }
        let own = normalize(target);
        (0..self.names.len()).filter(|&j| self.normal[j] == own).collect()
    }

    /// The names that are aliases of the column. Those written exactly as the alias are preferred:
    /// `t` and `T` may differ in their meaning.
    /// Of times, a name that states its label is preferred.
    fn aliases(&self, target: &str) -> Vec<usize> {
        let aliases = aliases_of(target);
        let free = |j: &usize| self.is_free(*j);
        let mut found: Vec<usize> =
            (0..self.names.len()).filter(|&j| aliases.contains(&self.normal[j].as_str())).filter(free).collect();
        let exact: Vec<usize> = found.iter().copied().filter(|&j| aliases.contains(&self.names[j].trim())).collect();
        if !exact.is_empty() {
            found = exact;
        }
        if target == FRAME && found.len() > 1 {
            let best = found.iter().map(|&j| time_rank(self.names[j])).min();
            found.retain(|&j| Some(time_rank(self.names[j])) == best);
        }
        found
    }

    /// The one candidate that no other column has; `None` without candidates.
    fn single(&self, target: &str, mut candidates: Vec<usize>) -> Result<Option<usize>, CastError> {
        candidates.retain(|&j| self.is_free(j));
        match candidates[..] {
            [] => Ok(None),
            [index] => Ok(Some(index)),
            [first, ref rest @ ..] if rest.iter().all(|&j| self.names[j] == self.names[first]) => {
                Err(CastError::DuplicateName { name: self.names[first].to_owned() })
            }
            _ => Err(CastError::Ambiguous {
                column: target.to_owned(),
                candidates: candidates.iter().map(|&j| self.names[j].to_owned()).collect(),
            }),
        }
    }

    fn check_required(&self) -> Result<(), CastError> {
        let Some(i) = self.resolved[..FIXED_COLUMNS.len()].iter().position(Option::is_none) else { return Ok(()) };
        let free = (0..self.names.len()).filter(|&j| self.is_free(j));
        Err(CastError::MissingColumn {
            column: self.targets[i].to_owned(),
            found: self.owned_names(),
            nearest: nearest_alias(self.targets[i], free.map(|j| self.names[j])),
        })
    }

    /// Whether no column has this name yet.
    fn is_free(&self, name: usize) -> bool {
        !self.resolved.contains(&Some(name))
    }

    fn owned_names(&self) -> Vec<String> {
        self.names.iter().map(|name| (*name).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor_names::ALIASES;

    fn resolve(map: &str, names: &[&str]) -> Result<Vec<Option<usize>>, String> {
        let schema = BarSchema::in_zone("UTC").unwrap();
        let map = ColumnMap::parse(map).map_err(|e| e.to_string())?;
        map.resolve(names, &schema).map_err(|e| e.to_string())
    }

    const OHLCV: [&str; 5] = ["open", "high", "low", "close", "volume"];

    fn with_ohlcv<'a>(first: &[&'a str]) -> Vec<&'a str> {
        first.iter().copied().chain(OHLCV).collect()
    }

    #[test]
    fn every_alias_alone_is_found() {
        let schema = BarSchema::in_zone("UTC").unwrap();
        let own: Vec<&str> = schema.column_names().collect();
        for (target, aliases) in ALIASES {
            let i = own.iter().position(|t| t == target).unwrap();
            for alias in *aliases {
                for spelling in [alias.to_string(), alias.to_uppercase(), format!(" {alias} ")] {
                    let mut names = own.clone();
                    names[i] = &spelling;
                    let found = ColumnMap::default().resolve(&names, &schema).unwrap();
                    assert_eq!(found[i], Some(i), "{target} as {spelling:?}");
                }
            }
        }
    }

    #[test]
    fn own_name_wins_and_the_map_wins_over_it() {
        let names = with_ohlcv(&["code", "symbol", "date", "frame", "amount", "turnover"]);
        let found = resolve("money=turnover", &names).unwrap();
        assert_eq!(found[..2], [Some(1), Some(3)]);
        assert_eq!(found[7], Some(5));
        let found = resolve("symbol=Code, money=amount", &names).unwrap();
        assert_eq!(found[0], Some(0));
        // `Symbol` is the bus's name in another case; `symbol` is the name itself.
        let names = with_ohlcv(&["Symbol", "symbol", "frame"]);
        assert_eq!(resolve("", &names).unwrap()[0], Some(1));
    }

    #[test]
    fn an_optional_column_keeps_its_own_name_from_being_an_alias() {
        let schema = BarSchema::new("UTC", Default::default(), ["money", "amount"]).unwrap();
        let names = with_ohlcv(&["symbol", "frame", "amount"]);
        let found = ColumnMap::default().resolve(&names, &schema).unwrap();
        assert_eq!(found[7..], [None, Some(2)]);
    }

    #[test]
    fn errors_list_the_names() {
        let cases: &[(&str, &[&str], &str)] = &[
            (
                "",
                &["symbol", "date", "time"],
                "columns date and time all match frame: give one column with the whole time, or name it in a column map",
            ),
            (
                "",
                &["symbol", "frmae"],
                "no column for frame among symbol, frmae, open, high, low, close, volume: did you mean \"frmae\"?",
            ),
            ("", &["x", "frame"], "no column for symbol among x, frame, open, high, low, close, volume"),
            (
                "frame=opentime",
                &["symbol", "open_time"],
                "frame is mapped to \"opentime\", which is not among symbol, open_time, open, high, low, close, volume: did you mean \"open_time\"?",
            ),
            (
                "fraem=t",
                &["symbol", "t"],
                "the column map names \"fraem\", which is not a column of this bus: did you mean \"frame\"?",
            ),
            ("frame", &[], "\"frame\" does not have the form column=name, such as \"frame=open_time\""),
            ("frame=a,,", &[], "\"\" does not have the form column=name, such as \"frame=open_time\""),
            ("frame=a,Frame=b", &[], "column \"frame\" is mapped twice: remove one of the entries"),
            ("frame=a,open=a", &[], "\"a\" is mapped to both \"frame\" and \"open\": remove one of the entries"),
            ("", &["symbol", "frame", "open"], "two columns are named \"open\": rename one of them"),
        ];
        for (map, first, message) in cases {
            assert_eq!(resolve(map, &with_ohlcv(first)).unwrap_err(), *message);
        }
    }
}
