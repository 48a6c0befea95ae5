//! Which bars were withdrawn: `withdrawn.ndjson` of the bus, one line for each withdrawal.
//!
//! The ring keeps a withdrawn row until its slot is reused. Without this record the next start
//! would archive the row again, or would take the same bar for a duplicate of it.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barbus::{Bus, Date, Error, Result};
use barbus_bars::epoch_days;
use barbus_ring::{BlockRows, Row, SymbolId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a withdrawal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// The number of bars.
    pub bars: u64,
    /// The Parquet file that they were moved to; `None` if the archive had none of them.
    pub file: Option<PathBuf>,
}

/// One withdrawal: a line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Withdrawal {
    pub(crate) at: Timestamp,
    pub(crate) day: Date,
    /// The symbols; empty: all.
    pub(crate) symbols: Vec<String>,
    pub(crate) lineage: u64,
    /// The day's rows of `lineage` below this number are withdrawn.
    pub(crate) below_seq: u64,
    /// The file with the bars that were in the archive.
    pub(crate) file: Option<PathBuf>,
}

/// All withdrawals of a bus, shared by the writer and its flusher.
#[derive(Debug, Clone)]
pub(crate) struct Withdrawals {
    path: PathBuf,
    list: Arc<Mutex<Vec<Withdrawal>>>,
}

impl Withdrawals {
    /// Reads the file of `bus`. A line that a loss of power cut short was never answered.
    pub(crate) fn load(bus: &Bus) -> Result<Self> {
        let path = bus.path().join("withdrawn.ndjson");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io(&path, "read", error)),
        };
        let list = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Self { path, list: Arc::new(Mutex::new(list)) })
    }

    fn list(&self) -> MutexGuard<'_, Vec<Withdrawal>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a withdrawal; it is on disk when this returns.
    pub(crate) fn add(&self, withdrawal: Withdrawal) -> Result<()> {
        append(&self.path, &withdrawal).map_err(|error| Error::io(&self.path, "append to", error))?;
        self.list().push(withdrawal);
        Ok(())
    }

    /// Which rows of `day` and `lineage` are withdrawn. `id` finds the id of a symbol.
    pub(crate) fn of_day(&self, lineage: u64, day: i64, id: impl Fn(&str) -> Option<SymbolId>) -> DayFilter {
        let list = self.list();
        let of_day = list.iter().filter(|one| one.lineage == lineage && epoch_days(one.day) == day);
        let ids = |symbols: &[String]| symbols.iter().filter_map(|symbol| id(symbol)).collect();
        let filters = of_day.map(|one| (one.below_seq, (!one.symbols.is_empty()).then(|| ids(&one.symbols))));
        DayFilter(filters.collect())
    }

    /// The newest day whose close is in `blocks`. The close of a day that was withdrawn as a whole
    /// does not count.
    pub(crate) fn last_closed(&self, lineage: u64, blocks: &[BlockRows]) -> Option<i64> {
        let list = self.list();
        let is_withdrawn = |block: &BlockRows| {
            let end = block.first_seq + u64::from(block.rows);
            let whole = list.iter().filter(|one| one.lineage == lineage && one.symbols.is_empty());
            whole.filter(|one| Some(epoch_days(one.day)) == block.day).any(|one| end <= one.below_seq)
        };
        blocks.iter().filter(|block| block.last_of_day && !is_withdrawn(block)).filter_map(|block| block.day).max()
    }

    /// Whether a whole day of `lineage` was withdrawn after the last close in `blocks`: no day of
    /// the bus has closed since.
    pub(crate) fn are_newer_than_closes(&self, lineage: u64, blocks: &[BlockRows]) -> bool {
        let list = self.list();
        let whole = list.iter().filter(|one| one.lineage == lineage && one.symbols.is_empty());
        let Some(below_seq) = whole.map(|one| one.below_seq).max() else { return false };
        blocks.iter().all(|block| !block.last_of_day || block.first_seq + u64::from(block.rows) <= below_seq)
    }
}

fn append(path: &Path, withdrawal: &Withdrawal) -> std::io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    // A line that was cut short must not swallow this one.
    let mut line = String::from("\n");
    line += &serde_json::to_string(withdrawal)?;
    line.push('\n');
    file.write_all(line.as_bytes())?;
    file.sync_data()?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The withdrawals of one day: the number below which each holds, and its symbols (`None`: all).
#[derive(Debug, Default)]
pub(crate) struct DayFilter(Vec<(u64, Option<HashSet<SymbolId>>)>);

impl DayFilter {
    /// Whether no row of the day is withdrawn.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a row of the day is withdrawn.
    pub(crate) fn covers(&self, row: &Row) -> bool {
        let covers = |(below, symbols): &(u64, Option<HashSet<SymbolId>>)| {
            row.seq < *below && symbols.as_ref().is_none_or(|symbols| symbols.contains(&row.symbol))
        };
        self.0.iter().any(covers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barbus::InitOptions;

    /// A line that was cut short swallows no later withdrawal.
    #[test]
    fn withdrawals_survive_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let options = InitOptions { calendar: "24x7".into(), preset: None };
        let bus = Bus::init(&dir.path().join("bus"), &options).unwrap();
        let withdrawal = |symbols: &[&str], below_seq| Withdrawal {
            at: Timestamp::UNIX_EPOCH,
            day: Date::constant(1970, 1, 3),
            symbols: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(),
            lineage: 7,
            below_seq,
            file: None,
        };
        let withdrawals = Withdrawals::load(&bus).unwrap();
        withdrawals.add(withdrawal(&["A"], 10)).unwrap();
        let mut file = OpenOptions::new().append(true).open(&withdrawals.path).unwrap();
        file.write_all(b"{\"at\":\"19").unwrap();
        withdrawals.add(withdrawal(&[], 5)).unwrap();
        let loaded = Withdrawals::load(&bus).unwrap();
        let id = |symbol: &str| Some(SymbolId(u32::from(symbol != "A")));
        let filter = loaded.of_day(7, 2, id);
        let row = |seq, symbol| Row { seq, symbol: SymbolId(symbol), ..Row::default() };
        let covered: Vec<_> = [row(4, 1), row(5, 1), row(9, 0), row(10, 0)].iter().map(|r| filter.covers(r)).collect();
        assert_eq!(covered, [true, false, true, false]);
        assert!(loaded.of_day(7, 3, id).is_empty() && loaded.of_day(8, 2, id).is_empty());
        let block = |first_seq, day| BlockRows {
            block: 1,
            first_seq,
            rows: 1,
            sealed: true,
            last_of_day: true,
            day: Some(day),
        };
        let blocks = [block(0, 1), block(4, 2)];
        assert_eq!((loaded.last_closed(7, &blocks), loaded.last_closed(8, &blocks)), (Some(1), Some(2)));
        assert!(loaded.are_newer_than_closes(7, &blocks) && !loaded.are_newer_than_closes(8, &blocks));
        assert!(!loaded.are_newer_than_closes(7, &[block(5, 3)]));
    }
}
