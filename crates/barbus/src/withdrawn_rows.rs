//! Rows of the ring that are no bars of the bus any more: an operator has withdrawn them, or their
//! day was removed.

use std::collections::BTreeSet;

use barbus_bars::Date;
use barbus_ring::Row;

use crate::bus::Bus;
use crate::error::Result;
use crate::removed::RemovedDay;
use crate::withdrawn::WithdrawalRecord;

/// The withdrawals of a lineage, and the removed days. The ring keeps such rows until their slots
/// are reused.
#[derive(Debug, Default)]
pub(crate) struct WithdrawnRows {
    records: Vec<WithdrawalRecord>,
    removed: BTreeSet<Date>,
}

impl WithdrawnRows {
    pub(crate) fn load(bus: &Bus, lineage: u64) -> Result<Self> {
        Ok(Self { removed: RemovedDay::without_file(bus)?, ..Self::without_removed_days(bus, lineage)? })
    }

    /// Only the withdrawals: the rows of removed days count as bars.
    pub(crate) fn without_removed_days(bus: &Bus, lineage: u64) -> Result<Self> {
        let mut records = WithdrawalRecord::load(bus)?;
        records.retain(|record| record.lineage == lineage);
        Ok(Self { records, removed: BTreeSet::new() })
    }

    /// Whether `day` was removed: the ring may have some of its rows and not all.
    pub(crate) fn is_removed(&self, day: Date) -> bool {
        self.removed.contains(&day)
    }

    /// Whether `row` of `day` is withdrawn; `symbol` gives the text of its symbol.
    pub(crate) fn cover<S: AsRef<str>>(&self, day: Date, row: &Row, symbol: impl FnOnce() -> S) -> bool {
        if self.is_removed(day) {
            return true;
        }
        let may_cover = |record: &&WithdrawalRecord| row.seq < record.below_seq && record.selection.day == day;
        let mut records = self.records.iter().filter(may_cover).peekable();
        if records.peek().is_none() {
            return false;
        }
        let symbol = symbol();
        records.any(|record| record.selection.covers(symbol.as_ref(), row.frame_ms))
    }
}
