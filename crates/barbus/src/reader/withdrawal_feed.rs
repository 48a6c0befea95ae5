//! The withdrawals of a bus, as a reader learns of them: the ring has their number, and a file of
//! the bus has each one.

use crate::bus::Bus;
use crate::withdrawn::{Selection, WithdrawalRecord};

/// The withdrawals that a reader has delivered.
#[derive(Debug)]
pub(super) struct WithdrawalFeed {
    /// Number of withdrawals of the bus that are delivered, or older than the reader.
    seen: u64,
    /// The last one that was delivered.
    delivered: Option<Selection>,
}

impl WithdrawalFeed {
    /// Delivers the withdrawals after the first `seen` ones.
    pub(super) fn after(seen: u64) -> Self {
        Self { seen, delivered: None }
    }

    /// Whether some of `number` withdrawals are not delivered yet.
    #[inline(always)]
    pub(super) fn are_before(&self, number: u64) -> bool {
        self.seen < number
    }

    /// The last withdrawal that was taken.
    pub(super) fn delivered(&self) -> Option<&Selection> {
        self.delivered.as_ref()
    }

    /// Takes the next of `number` withdrawals. Returns false if the file of the bus has no more:
    /// it was removed, or cannot be read.
    pub(super) fn take(&mut self, bus: &Bus, number: u64) -> bool {
        let records = WithdrawalRecord::load(bus).unwrap_or_default();
        self.delivered = records.into_iter().nth(self.seen as usize).map(|record| record.selection);
        self.seen = if self.delivered.is_some() { self.seen + 1 } else { number };
        self.delivered.is_some()
    }
}
