//! Rows of the ring that an operator has withdrawn.

use barbus_bars::Date;
use barbus_ring::Row;

use crate::bus::Bus;
use crate::error::Result;
use crate::withdrawn::WithdrawalRecord;

/// The withdrawals of a lineage. The ring keeps withdrawn rows until their slots are reused.
#[derive(Debug, Default)]
pub(crate) struct WithdrawnRows(Vec<WithdrawalRecord>);

impl WithdrawnRows {
    pub(crate) fn load(bus: &Bus, lineage: u64) -> Result<Self> {
        let mut records = WithdrawalRecord::load(bus)?;
        records.retain(|record| record.lineage == lineage);
        Ok(Self(records))
    }

    /// Whether `row` of `day` is withdrawn; `symbol` gives the text of its symbol.
    pub(crate) fn cover<S: AsRef<str>>(&self, day: Date, row: &Row, symbol: impl FnOnce() -> S) -> bool {
        let may_cover = |record: &&WithdrawalRecord| row.seq < record.below_seq && record.selection.day == day;
        let mut records = self.0.iter().filter(may_cover).peekable();
        if records.peek().is_none() {
            return false;
        }
        let symbol = symbol();
        records.any(|record| record.selection.covers(symbol.as_ref(), row.frame_ms))
    }
}
