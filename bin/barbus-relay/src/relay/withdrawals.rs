//! Withdrawals of the source that the stream does not have yet.
//!
//! The file of the bus has all of them, and the headers of the last message say how many the stream
//! has. So one that was made while the relay was away is stated, too. A withdrawal concerns the
//! bars below a number of the ring, and is stated before the bar with that number.

use std::collections::VecDeque;

use barbus::{Bus, WithdrawalRecord};

use super::composer::Composer;

/// Withdrawals to be stated, the oldest one first.
#[derive(Debug, Default)]
pub(crate) struct Withdrawals(VecDeque<WithdrawalRecord>);

impl Withdrawals {
    /// Reads those that are neither stated nor waiting.
    ///
    /// # Errors
    /// The file of the bus cannot be read.
    pub(crate) fn load(&mut self, bus: &Bus, composer: &Composer) -> anyhow::Result<()> {
        let known = composer.position().withdrawals as usize + self.0.len();
        self.0.extend(WithdrawalRecord::load(bus)?.into_iter().skip(known));
        Ok(())
    }

    /// States those that concern no bar from number `seq` of `lineage` on.
    ///
    /// # Errors
    /// The bars before them cannot be encoded.
    pub(crate) fn send_before(&mut self, seq: u64, lineage: u64, composer: &mut Composer) -> anyhow::Result<()> {
        let is_due = |first: &WithdrawalRecord| first.lineage != lineage || first.below_seq <= seq;
        while self.0.front().is_some_and(is_due) {
            let first = self.0.pop_front().expect("it is there");
            composer.withdraw(&first.selection)?;
        }
        Ok(())
    }
}
