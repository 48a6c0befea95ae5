//! Which bars were withdrawn: `withdrawn.ndjson` of the bus, one line for each withdrawal.
//!
//! The ring keeps a withdrawn row until its slot is reused. Without this record the next start
//! would archive the row again, or would take the same bar for a duplicate of it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barbus::{Bus, Error, Result, Selection, WithdrawalRecord};
use barbus_bars::epoch_days;
use barbus_ring::{BlockRows, Row, SymbolId};

use crate::record_file::append_record;

/// What a withdrawal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// The number of bars.
    pub bars: u64,
    /// The day's Parquet file as it was before; `None` if the archive had none of the bars.
    pub file: Option<PathBuf>,
}

/// All withdrawals of a bus, shared by the writer and its flusher.
#[derive(Debug, Clone)]
pub(crate) struct Withdrawals {
    path: PathBuf,
    list: Arc<Mutex<Vec<WithdrawalRecord>>>,
}

impl Withdrawals {
    /// Reads the file of `bus`.
    pub(crate) fn load(bus: &Bus) -> Result<Self> {
        Ok(Self { path: WithdrawalRecord::path(bus), list: Arc::new(Mutex::new(WithdrawalRecord::load(bus)?)) })
    }

    /// The number of withdrawals.
    pub(crate) fn count(&self) -> u64 {
        self.list().len() as u64
    }

    fn list(&self) -> MutexGuard<'_, Vec<WithdrawalRecord>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a withdrawal; it is on disk when this returns.
    pub(crate) fn add(&self, withdrawal: WithdrawalRecord) -> Result<()> {
        append_record(&self.path, &withdrawal).map_err(|error| Error::io(&self.path, "append to", error))?;
        self.list().push(withdrawal);
        Ok(())
    }

    /// Which rows of `day` and `lineage` are withdrawn. `id` finds the id of a symbol.
    pub(crate) fn of_day(&self, lineage: u64, day: i64, id: impl Fn(&str) -> Option<SymbolId>) -> DayFilter {
        let list = self.list();
        let of_day = list.iter().filter(|one| one.lineage == lineage && epoch_days(one.selection.day) == day);
        DayFilter(of_day.map(|one| RowFilter::new(one, &id)).collect())
    }

    /// The newest day whose close is in `blocks`. The close of a day that was withdrawn as a whole
    /// does not count.
    pub(crate) fn last_closed(&self, lineage: u64, blocks: &[BlockRows]) -> Option<i64> {
        let list = self.list();
        let is_withdrawn = |block: &BlockRows| {
            let end = block.first_seq + u64::from(block.rows);
            let whole = list.iter().filter(|one| one.lineage == lineage && one.selection.is_whole_day());
            whole.filter(|one| Some(epoch_days(one.selection.day)) == block.day).any(|one| end <= one.below_seq)
        };
        blocks.iter().filter(|block| block.last_of_day && !is_withdrawn(block)).filter_map(|block| block.day).max()
    }

    /// Whether a whole day of `lineage` was withdrawn after the last close in `blocks`: no day of
    /// the bus has closed since.
    pub(crate) fn are_newer_than_closes(&self, lineage: u64, blocks: &[BlockRows]) -> bool {
        let list = self.list();
        let whole = list.iter().filter(|one| one.lineage == lineage && one.selection.is_whole_day());
        let Some(below_seq) = whole.map(|one| one.below_seq).max() else { return false };
        blocks.iter().all(|block| !block.last_of_day || block.first_seq + u64::from(block.rows) <= below_seq)
    }
}

/// The withdrawals of one day.
#[derive(Debug, Default)]
pub(crate) struct DayFilter(Vec<RowFilter>);

impl DayFilter {
    /// Whether no row of the day is withdrawn.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a row of the day is withdrawn.
    pub(crate) fn covers(&self, row: &Row) -> bool {
        self.0.iter().any(|filter| filter.covers(row))
    }
}

/// One withdrawal, with the ids of its symbols: those that the ring does not have have no rows.
#[derive(Debug)]
struct RowFilter {
    below_seq: u64,
    selection: Selection,
    /// `None`: all symbols.
    symbols: Option<HashSet<SymbolId>>,
    /// The texts of the symbols for which the selection names single bars.
    names: HashMap<SymbolId, String>,
}

impl RowFilter {
    fn new(record: &WithdrawalRecord, id: impl Fn(&str) -> Option<SymbolId>) -> Self {
        let selection = record.selection.clone();
        let ids = |symbols: &[String]| symbols.iter().filter_map(|symbol| id(symbol)).collect();
        let symbols = (!selection.symbols.is_empty()).then(|| ids(&selection.symbols));
        let names = selection.bars.keys().filter_map(|symbol| Some((id(symbol)?, symbol.clone()))).collect();
        Self { below_seq: record.below_seq, selection, symbols, names }
    }

    fn covers(&self, row: &Row) -> bool {
        if row.seq >= self.below_seq || self.symbols.as_ref().is_some_and(|symbols| !symbols.contains(&row.symbol)) {
            return false;
        }
        let name = self.names.get(&row.symbol).map_or("", String::as_str);
        self.selection.covers_row(name, row.frame_ms)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;
    use barbus::{Date, InitOptions};
    use jiff::Timestamp;

    /// A line that was cut short swallows no later withdrawal.
    #[test]
    fn withdrawals_survive_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let options = InitOptions { calendar: "24x7".into(), preset: None };
        let bus = Bus::init(&dir.path().join("bus"), &options).unwrap();
        let withdrawal = |symbols: &[&str], below_seq| {
            let mut selection = Selection::of_day(Date::constant(1970, 1, 3));
            selection.symbols = symbols.iter().map(|symbol| (*symbol).to_owned()).collect();
            WithdrawalRecord { at: Timestamp::UNIX_EPOCH, selection, lineage: 7, below_seq, file: None }
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
