//! Withdrawn bars: which ones, and the file of the bus that records it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use barbus_bars::Date;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bus::Bus;
use crate::error::{Error, Result};

/// Bars of one trading day. Without any restriction these are all bars of the day.
///
/// ```
/// use barbus::Selection;
/// let mut selection = Selection::of_day("2026-11-27".parse().unwrap());
/// assert!(selection.is_whole_day() && selection.covers("A", 0));
/// selection.symbols.push("B".into());
/// assert!(!selection.covers("A", 0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The trading day.
    pub day: Date,
    /// Only bars of these symbols; empty: of all.
    #[serde(default)]
    pub symbols: Vec<String>,
    /// Only bars that end at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Only bars that end at this time or earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Only these bars: for each symbol the first and the last end of each row of bars,
    /// milliseconds since 1970-01-01 UTC; empty: all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bars: BTreeMap<String, Vec<(i64, i64)>>,
}

impl Selection {
    /// All bars of `day`.
    pub fn of_day(day: Date) -> Self {
        Self { day, symbols: Vec::new(), from: None, to: None, bars: BTreeMap::new() }
    }

    /// Whether it has every bar of its day.
    pub fn is_whole_day(&self) -> bool {
        *self == Self::of_day(self.day)
    }

    /// Whether it has the bar of `symbol` that ends at `frame_ms` (UTC ms), which is one of its
    /// day.
    pub fn covers(&self, symbol: &str, frame_ms: i64) -> bool {
        let has_symbol = self.symbols.is_empty() || self.symbols.iter().any(|one| one == symbol);
        has_symbol && self.covers_row(symbol, frame_ms)
    }

    /// As [`Selection::covers`], without the restriction to [`Selection::symbols`].
    #[doc(hidden)]
    pub fn covers_row(&self, symbol: &str, frame_ms: i64) -> bool {
        self.covers_time(frame_ms) && self.covers_bar(symbol, frame_ms)
    }

    fn covers_time(&self, frame_ms: i64) -> bool {
        self.from.is_none_or(|from| frame_ms >= from.as_millisecond())
            && self.to.is_none_or(|to| frame_ms <= to.as_millisecond())
    }

    fn covers_bar(&self, symbol: &str, frame_ms: i64) -> bool {
        let within = |rows: &Vec<(i64, i64)>| rows.iter().any(|&(first, last)| (first..=last).contains(&frame_ms));
        self.bars.is_empty() || self.bars.get(symbol).is_some_and(within)
    }
}

/// One withdrawal: a line of `withdrawn.ndjson`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalRecord {
    /// When it was made.
    pub at: Timestamp,
    /// The bars.
    #[serde(flatten)]
    pub selection: Selection,
    /// The lineage of the ring.
    pub lineage: u64,
    /// The bars of `lineage` below this number are withdrawn.
    pub below_seq: u64,
    /// The day's file as it was before.
    pub file: Option<PathBuf>,
}

impl WithdrawalRecord {
    /// The file of a bus that has the records.
    pub fn path(bus: &Bus) -> PathBuf {
        bus.path().join("withdrawn.ndjson")
    }

    /// All records of a bus, oldest first. A line that a loss of power cut short was never
    /// answered.
    ///
    /// # Errors
    /// [`Error::Io`] if the file exists and cannot be read.
    pub fn load(bus: &Bus) -> Result<Vec<Self>> {
        Self::read(&Self::path(bus))
    }

    fn read(path: &Path) -> Result<Vec<Self>> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::io(path, "read", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_restriction_holds() {
        let minute = |number: i64| number * 60_000;
        let mut selection = Selection::of_day(Date::constant(1970, 1, 1));
        selection.from = Some(Timestamp::from_millisecond(minute(2)).unwrap());
        selection.to = Some(Timestamp::from_millisecond(minute(8)).unwrap());
        let covered = |selection: &Selection, symbol: &str| -> Vec<i64> {
            (0..10).filter(|&number| selection.covers(symbol, minute(number))).collect()
        };
        assert_eq!(covered(&selection, "A"), (2..=8).collect::<Vec<_>>());
        selection.bars.insert("A".into(), vec![(minute(1), minute(3)), (minute(7), minute(9))]);
        assert_eq!((covered(&selection, "A"), covered(&selection, "B")), (vec![2, 3, 7, 8], vec![]));
        selection.symbols.push("B".into());
        assert_eq!(covered(&selection, "A"), [] as [i64; 0]);
        let text = serde_json::to_string(&selection).unwrap();
        assert_eq!(serde_json::from_str::<Selection>(&text).unwrap(), selection);
    }
}
