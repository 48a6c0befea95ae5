//! Withdrawn bars that are still in the ring, as the answers to questions leave them out.

use barbus_bars::Calendar;
use barbus_ring::Row;

use crate::bus::Bus;
use crate::error::Result;
use crate::withdrawn_rows::WithdrawnRows;

/// The withdrawals of a bus up to a number; none at first.
#[derive(Debug, Default)]
pub(super) struct WithdrawnBars {
    number: u64,
    loaded: Option<(WithdrawnRows, Calendar)>,
}

impl WithdrawnBars {
    /// The first `number` withdrawals of `bus`, and those that were recorded meanwhile.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if their file cannot be read.
    pub(super) fn load(bus: &Bus, lineage: u64, number: u64) -> Result<Self> {
        let rows = WithdrawnRows::without_removed_days(bus, lineage)?;
        Ok(Self { number, loaded: Some((rows, bus.settings().calendar.clone())) })
    }

    /// How many withdrawals these are.
    #[inline]
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the row of `symbol` with this number and frame is withdrawn.
    pub(super) fn has(&self, symbol: &str, seq: u64, frame_ms: i64) -> bool {
        self.loaded.as_ref().is_some_and(|(rows, calendar)| {
            let row = Row { seq, frame_ms, ..Row::default() };
            rows.cover(calendar.trading_day(frame_ms).date, &row, || symbol)
        })
    }
}
