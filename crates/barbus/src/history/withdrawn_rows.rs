//! Rows of the ring that an operator has withdrawn.

use barbus_bars::Date;
use barbus_ring::Row;

use crate::bus::Bus;
use crate::error::Result;
use crate::withdrawn::WithdrawalRecord;

/// The withdrawals of a lineage. The ring keeps withdrawn rows until their slots are reused.
#[derive(Debug)]
pub(super) struct WithdrawnRows(Vec<WithdrawalRecord>);

impl WithdrawnRows {
    pub(super) fn load(bus: &Bus, lineage: u64) -> Result<Self> {
        let mut records = WithdrawalRecord::load(bus)?;
        records.retain(|record| record.lineage == lineage);
        Ok(Self(records))
    }

    pub(super) fn cover(&self, day: Date, symbol: &str, row: &Row) -> bool {
        let covers = |record: &WithdrawalRecord| {
            row.seq < record.below_seq && record.selection.day == day && record.selection.covers(symbol, row.frame_ms)
        };
        self.0.iter().any(covers)
    }
}
