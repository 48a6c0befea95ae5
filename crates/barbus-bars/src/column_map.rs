//! Which of a producer's columns is which of the bus: the usual vendor names, and an explicit map above them.
//!
//! Names are compared without regard to case, surrounding blanks, and blanks or hyphens for underscores. A column
//! that has the bus's own name always wins over an alias. When several aliases of one column are present and nothing
//! decides between them, that is an error naming them, never a guess.

use crate::cast::CastError;
use crate::schema::{BarSchema, CLOSE, FACTOR, FRAME, HIGH, LOW, MONEY, OPEN, SYMBOL, VOLUME};

/// Vendor names of each column, in normal form (lower case, underscores). A column's own name is always one of its names.
const ALIASES: &[(&str, &[&str])] = &[
    (
        SYMBOL,
        &[
            "code",
            "ticker",
            "instrument",
            "instrument_id",
            "order_book_id",
            "ts_code",
            "sec_code",
            "security",
            "wind_code",
            "sym",
            "s",
        ],
    ),
    (
        FRAME,
        &[
            "time",
            "datetime",
            "date_time",
            "timestamp",
            "date",
            "open_time",
            "trade_time",
            "bar_time",
            "day",
            "ts_event",
            "ts",
            "t",
        ],
    ),
    (OPEN, &["o", "open_price"]),
    (HIGH, &["h", "high_price"]),
    (LOW, &["l", "low_price"]),
    (CLOSE, &["c", "close_price"]),
    (VOLUME, &["vol", "v", "qty"]),
    (MONEY, &["amount", "turnover", "total_turnover", "quote_volume", "quote_asset_volume", "value"]),
    (FACTOR, &["adj_factor", "adjust_factor"]),
];

/// Why the text of an explicit map was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// An entry is not of the form `column=name`.
    #[error("{0:?} is not of the form column=name, such as \"frame=open_time\"")]
    NotAPair(String),
    /// A column of the bus is given two names.
    #[error("column {0:?} is mapped twice")]
    MappedTwice(String),
    /// One name is given to two columns of the bus.
    #[error("{source_name:?} is mapped to both {first:?} and {second:?}")]
    NameTwice {
        /// The producer's name.
        source_name: String,
        /// The first column of the bus it was given to.
        first: String,
        /// The second one.
        second: String,
    },
}

/// How a producer's columns are found: the aliases, and what an explicit map decides before them.
///
/// ```
/// use barbus_bars::{BarSchema, ColumnMap};
///
/// let schema = BarSchema::in_zone("UTC")?;
/// let names = ["Code", "open_time", "close_time", "o", "h", "l", "c", "vol", "quote_volume"];
/// let found = ColumnMap::default().resolve(&names, &schema)?;
/// assert_eq!(found[1], Some(1), "frame is open_time");
/// assert_eq!(found[8], None, "there is no factor");
/// let found = ColumnMap::with("frame=close_time")?.resolve(&names, &schema)?;
/// assert_eq!(found[1], Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnMap {
    /// (column of the bus, producer's name), as given.
    explicit: Vec<(String, String)>,
}

impl ColumnMap {
    /// A map with explicit pairs `column=name`, separated by commas; empty text is the default map.
    ///
    /// # Errors
    /// [`MapError`] when an entry is not a pair or one side is used twice. Whether the columns exist is known only
    /// in [`ColumnMap::resolve`].
    pub fn with(text: &str) -> Result<ColumnMap, MapError> {
        let mut explicit: Vec<(String, String)> = Vec::new();
        for entry in text.split(',').map(str::trim) {
            if entry.is_empty() && text.trim().is_empty() {
                break;
            }
            let pair = entry.split_once('=').map(|(t, n)| (t.trim(), n.trim()));
            let Some((target, name)) = pair.filter(|(t, n)| !t.is_empty() && !n.is_empty()) else {
                return Err(MapError::NotAPair(entry.to_owned()));
            };
            let target = target.to_lowercase();
            if explicit.iter().any(|(t, _)| *t == target) {
                return Err(MapError::MappedTwice(target));
            }
            if let Some((first, _)) = explicit.iter().find(|(_, n)| n == name) {
                return Err(MapError::NameTwice { source_name: name.to_owned(), first: first.clone(), second: target });
            }
            explicit.push((target, name.to_owned()));
        }
        Ok(ColumnMap { explicit })
    }

    /// For each column of the schema, fixed then optional, its index in `names`; `None` only for an optional column.
    ///
    /// # Errors
    /// [`CastError`] when a required column is missing, several names could be one column, or the explicit map
    /// speaks of a column that one side does not have.
    pub fn resolve<S: AsRef<str>>(&self, names: &[S], schema: &BarSchema) -> Result<Vec<Option<usize>>, CastError> {
        let targets: Vec<&str> = schema.column_names().collect();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let normal: Vec<String> = names.iter().map(|name| normalize(name)).collect();
        let mut found: Vec<Option<usize>> = vec![None; targets.len()];

        for (target, name) in &self.explicit {
            let Some(i) = targets.iter().position(|t| t.to_lowercase() == *target) else {
                return Err(CastError::UnknownTarget {
                    nearest: nearest(target, targets.iter().copied()),
                    target: target.clone(),
                });
            };
            let exact = (0..names.len()).find(|&j| names[j] == name);
            let wanted = normalize(name);
            let index = exact.or_else(|| normal.iter().position(|n| *n == wanted));
            found[i] = Some(index.ok_or_else(|| CastError::MappedColumnMissing {
                target: target.clone(),
                name: name.clone(),
                found: names.iter().map(|n| (*n).to_owned()).collect(),
                nearest: nearest(name, names.iter().copied()),
            })?);
        }
        // Own names come before any alias, so that an alias of one column never takes another's own name.
        for (i, target) in targets.iter().enumerate() {
            if found[i].is_none() {
                let exact: Vec<usize> = matching(&names, |n| n == *target);
                let own = if exact.is_empty() {
                    let own = normalize(target);
                    (0..names.len()).filter(|&j| normal[j] == own).collect()
                } else {
                    exact
                };
                found[i] = single(target, &own, &names, &found)?;
            }
        }
        for (i, target) in targets.iter().enumerate() {
            if found[i].is_none() {
                let aliases = aliases(target);
                let alias = (0..names.len()).filter(|&j| aliases.contains(&normal[j].as_str())).collect::<Vec<usize>>();
                found[i] = single(target, &alias, &names, &found)?;
            }
        }
        let required = &found[..crate::schema::FIXED_COLUMNS.len()];
        if let Some(i) = required.iter().position(Option::is_none) {
            let free = (0..names.len()).filter(|&j| !found.contains(&Some(j)));
            return Err(CastError::MissingColumn {
                column: targets[i].to_owned(),
                found: names.iter().map(|n| (*n).to_owned()).collect(),
                nearest: nearest_alias(targets[i], free.map(|j| names[j])),
            });
        }
        Ok(found)
    }
}

/// Lower case, trimmed (also of a byte order mark), with underscores for blanks and hyphens.
fn normalize(name: &str) -> String {
    let name = name.trim_start_matches('\u{feff}').trim();
    name.to_lowercase().replace([' ', '-'], "_")
}

fn matching(names: &[&str], is: impl Fn(&str) -> bool) -> Vec<usize> {
    (0..names.len()).filter(|&j| is(names[j])).collect()
}

/// The one candidate that no other column has claimed, if there is exactly one.
fn single(
    target: &str,
    candidates: &[usize],
    names: &[&str],
    found: &[Option<usize>],
) -> Result<Option<usize>, CastError> {
    let free = candidates.iter().filter(|&&j| !found.contains(&Some(j)));
    let free: Vec<usize> = free.copied().collect();
    match free[..] {
        [] => Ok(None),
        [index] => Ok(Some(index)),
        [first, ref rest @ ..] if rest.iter().all(|&j| names[j] == names[first]) => {
            Err(CastError::DuplicateName { name: names[first].to_owned() })
        }
        _ => Err(CastError::Ambiguous {
            column: target.to_owned(),
            candidates: free.iter().map(|&j| names[j].to_owned()).collect(),
        }),
    }
}

fn aliases(target: &str) -> &'static [&'static str] {
    let entry = ALIASES.iter().find(|(name, _)| *name == target);
    entry.map_or(&[], |(_, aliases)| aliases)
}

/// The candidate most like `word`, if one is like it at all.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let word = normalize(word);
    let scored = candidates.into_iter().map(|c| (strsim::jaro_winkler(&word, &normalize(c)), c));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score >= 0.75).map(|(_, c)| c.to_owned())
}

/// The candidate most like any name of `target`; one-letter aliases are like everything, so they do not count.
fn nearest_alias<'a>(target: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let words = [target].into_iter().chain(aliases(target).iter().copied());
    let words: Vec<&str> = words.filter(|w| w.len() > 2).collect();
    let score = |c: &str| {
        let scores = words.iter().map(|w| strsim::jaro_winkler(w, &normalize(c)));
        scores.fold(0.0, f64::max)
    };
    let best = candidates.map(|c| (score(c), c));
    let best = best.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score >= 0.8).map(|(_, c)| c.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(map: &str, names: &[&str]) -> Result<Vec<Option<usize>>, String> {
        let schema = BarSchema::in_zone("UTC").unwrap();
        let map = ColumnMap::with(map).map_err(|e| e.to_string())?;
        map.resolve(names, &schema).map_err(|e| e.to_string())
    }

    const OHLCV: [&str; 5] = ["open", "high", "low", "close", "volume"];

    fn with_ohlcv<'a>(first: &[&'a str]) -> Vec<&'a str> {
        first.iter().copied().chain(OHLCV).collect()
    }

    #[test]
    fn every_alias_is_found_alone() {
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
        // `Symbol` is the bus's name in other letters; `symbol` is the name itself.
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
    fn errors_name_what_is_there() {
        let cases: &[(&str, &[&str], &str)] = &[
            (
                "",
                &["symbol", "date", "time"],
                "date and time could each be frame: decide with a column map, such as frame=date",
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
                "the column map speaks of \"fraem\", which is not a column of this bus: did you mean \"frame\"?",
            ),
            ("frame", &[], "\"frame\" is not of the form column=name, such as \"frame=open_time\""),
            ("frame=a,,", &[], "\"\" is not of the form column=name, such as \"frame=open_time\""),
            ("frame=a,Frame=b", &[], "column \"frame\" is mapped twice"),
            ("frame=a,open=a", &[], "\"a\" is mapped to both \"frame\" and \"open\""),
            ("", &["symbol", "frame", "open"], "there are two columns named \"open\""),
        ];
        for (map, first, message) in cases {
            assert_eq!(resolve(map, &with_ohlcv(first)).unwrap_err(), *message);
        }
    }
}
