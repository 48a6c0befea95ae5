//! Patterns of paths that name the symbol and the date: `{symbol}_1min.csv`.
//!
//! A pattern is that of one or more whole components at the end of a path.
//! `{symbol}`, `{date}` and `*` stand for any characters but `/`; `{date}` for a date.
//! A path that fits in two ways with different symbols gives none: neither is certain.

use std::fmt;
use std::str::FromStr;

use crate::values::clock_text::{DateOrder, date_ms};

/// A pattern of the end of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    /// The pieces of each component, the last component first.
    components: Vec<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Any,
    Symbol,
    Date,
}

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no pattern of a path: use {{symbol}}, {{date}} and *, such as \"{{symbol}}_1min.csv\" or \"*/{{symbol}}/*.csv\""
)]
pub struct PatternError(String);

/// What a pattern found in a path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The text of `{symbol}`.
    pub symbol: Option<String>,
    /// The midnight of `{date}` on the clock of the market, milliseconds.
    pub(crate) date_ms: Option<i64>,
}

/// How a path fits a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// It does not.
    No,
    /// In one way, or in several that find the same.
    Yes(Found),
    /// In several ways with different symbols; two of them.
    Unclear(String, String),
}

impl FromStr for PathPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<PathPattern, PatternError> {
        let components: Option<Vec<_>> = text.trim_start_matches("./").split('/').rev().map(pieces).collect();
        match components {
            Some(components) if !components.iter().any(Vec::is_empty) => {
                Ok(PathPattern { text: text.to_owned(), components })
            }
            _ => Err(PatternError(text.to_owned())),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn pieces(component: &str) -> Option<Vec<Piece>> {
    let (mut pieces, mut rest) = (Vec::new(), component);
    while !rest.is_empty() {
        let special = [("{symbol}", Piece::Symbol), ("{date}", Piece::Date), ("*", Piece::Any)];
        if let Some((word, piece)) = special.into_iter().find(|(word, _)| rest.starts_with(word)) {
            rest = &rest[word.len()..];
            pieces.push(piece);
            continue;
        }
        let end = rest.find(['{', '*', '}']).unwrap_or(rest.len());
        if end == 0 {
            return None;
        }
        pieces.push(Piece::Literal(rest[..end].to_owned()));
        rest = &rest[end..];
    }
    Some(pieces)
}

impl PathPattern {
    /// Whether the pattern finds a symbol.
    pub fn has_symbol(&self) -> bool {
        self.components.iter().flatten().any(|piece| *piece == Piece::Symbol)
    }

    /// How `path` fits, with its packed ending (`.gz`) or without it.
    pub fn fit(&self, path: &str) -> Fit {
        match self.fit_whole(path) {
            Fit::No => self.fit_whole(without_packed_ending(path)),
            fit => fit,
        }
    }

    fn fit_whole(&self, path: &str) -> Fit {
        let mut names = path.rsplit('/').filter(|name| !name.is_empty() && *name != ".");
        let mut fits = vec![Found::default()];
        for pieces in &self.components {
            let Some(name) = names.next() else { return Fit::No };
            let mut next = Vec::new();
            for found in &fits {
                matches(pieces, name, found.clone(), &mut next);
            }
            next.dedup();
            fits = next;
        }
        match &fits[..] {
            [] => Fit::No,
            [found] => Fit::Yes(found.clone()),
            [first, rest @ ..] => match rest.iter().find(|other| other.symbol != first.symbol) {
                None => Fit::Yes(first.clone()),
                Some(other) => {
                    let symbol = |found: &Found| found.symbol.clone().unwrap_or_default();
                    Fit::Unclear(symbol(first), symbol(other))
                }
            },
        }
    }
}

/// Most ways in which a name is fitted; more would only be patterns of many stars.
const MAX_WAYS: usize = 64;

/// Adds every way in which `pieces` fit all of `name` to `ways`.
fn matches(pieces: &[Piece], name: &str, found: Found, ways: &mut Vec<Found>) {
    if ways.len() >= MAX_WAYS {
        return;
    }
    let Some((piece, rest)) = pieces.split_first() else {
        if name.is_empty() {
            ways.push(found);
        }
        return;
    };
    if let Piece::Literal(text) = piece {
        if let Some(after) = name.strip_prefix(text.as_str()) {
            matches(rest, after, found, ways);
        }
        return;
    }
    for end in name.char_indices().map(|(at, _)| at).chain([name.len()]) {
        let (text, after) = name.split_at(end);
        let taken = match piece {
            Piece::Symbol => match &found.symbol {
                Some(symbol) => (symbol == text).then(|| found.clone()),
                None => (!text.is_empty()).then(|| Found { symbol: Some(text.to_owned()), ..found.clone() }),
            },
            Piece::Date => {
                let date_ms = date_ms(text, DateOrder::YearMonthDay).filter(|_| text.len() >= 8);
                date_ms.map(|ms| Found { date_ms: Some(ms), ..found.clone() })
            }
            _ => Some(found.clone()),
        };
        if let Some(taken) = taken {
            matches(rest, after, taken, ways);
        }
    }
}

/// A path without the ending of a packed file.
pub(crate) fn without_packed_ending(path: &str) -> &str {
    let packed = [".gz", ".zst", ".bz2", ".xz"];
    packed.iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(path)
}

/// The symbol and the date in folders such as `symbol=ZZQ/date=2023-05-09`, as Hive names them.
pub(crate) fn hive(path: &str) -> Found {
    let mut found = Found::default();
    for folder in path.split('/') {
        let Some((key, value)) = folder.split_once('=') else { continue };
        let value = percent_decoded(value);
        match key.to_ascii_lowercase().as_str() {
            "symbol" | "ticker" | "code" | "instrument" | "security" | "sym" => found.symbol = Some(value),
            "date" | "day" | "trading_day" | "trade_date" => found.date_ms = date_ms(&value, DateOrder::YearMonthDay),
            _ => {}
        }
    }
    found
}

/// The text with `%2F` and the like decoded.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.filter(|_| first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(pattern: &str, path: &str) -> Option<String> {
        match pattern.parse::<PathPattern>().unwrap().fit(path) {
            Fit::Yes(found) => found.symbol,
            _ => None,
        }
    }

    #[test]
    fn the_end_of_a_path_is_fitted() {
        for (pattern, path, expected) in [
            ("{symbol}_1min.csv", "ZZQ_1min.csv", Some("ZZQ")),
            ("{symbol}_1min.csv", "/data/us/ZZQ_1min.csv", Some("ZZQ")),
            ("{symbol}_1min.csv", "ZZQ_1min.csv.gz", Some("ZZQ")),
            ("{symbol}_1min.csv", "ZZQ_5min.csv", None),
            ("{symbol}_1min.csv", "_1min.csv", None),
            ("*_{symbol}, 1.csv", "EXCH_ZZQ, 1.csv", Some("ZZQ")),
            ("{symbol}/*.csv", "/data/ZZQ/2023.csv", Some("ZZQ")),
            ("{symbol}/*.csv", "2023.csv", None),
            ("{symbol}-{date}.csv", "A-B-2023-05-09.csv", Some("A-B")),
            ("{symbol}/{symbol}.csv", "A/A.csv", Some("A")),
            ("{symbol}/{symbol}.csv", "A/B.csv", None),
            ("报价_{symbol}.csv", "报价_990001.csv", Some("990001")),
        ] {
            assert_eq!(symbol(pattern, path).as_deref(), expected, "{pattern} on {path}");
        }
        for wrong in ["", "a//b", "{symbol", "{ticker}.csv", "a}b"] {
            assert!(wrong.parse::<PathPattern>().is_err(), "{wrong:?}");
        }
    }

    /// Promise 9: of two symbols that a path may name, none is chosen.
    #[test]
    fn a_path_that_fits_in_two_ways_is_unclear() {
        let pattern: PathPattern = "{symbol}_*.csv".parse().unwrap();
        assert_eq!(pattern.fit("A_B_1.csv"), Fit::Unclear("A".to_owned(), "A_B".to_owned()));
        assert!(matches!(pattern.fit("A_1.csv"), Fit::Yes(_)));
    }

    #[test]
    fn folders_of_a_hive_are_read() {
        let found = hive("data/symbol=A%2FB/date=2023-05-09/part-0.parquet");
        assert_eq!(found.symbol.as_deref(), Some("A/B"));
        assert_eq!(found.date_ms, Some(1_683_590_400_000));
        assert_eq!(hive("data/bars.csv"), Found::default());
    }
}
