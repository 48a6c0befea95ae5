//! Which rows of the ring the archive is known to have.

use std::sync::{Arc, Mutex, PoisonError};

use barbus_ring::Ring;

/// The number of rows that are read in the time that a look at every block of the ring takes.
const ROWS_OF_A_LOOK: u64 = 8_192;

/// The archive has every row of this lineage before this number. It still has them later, so the
/// blocks of the ring are not looked at for each question. Clones share what is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Persisted(Arc<Mutex<Option<(u64, u64)>>>);

impl Persisted {
    /// The number of a row before which the archive has all rows of the ring. Rows from `newest` on
    /// were published after the question began.
    pub(super) fn before(&self, ring: &Ring, newest: u64) -> u64 {
        let lineage = ring.geometry().lineage;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, seq)) = known.filter(|(of, seq)| *of == lineage && newest.saturating_sub(*seq) < ROWS_OF_A_LOOK)
        {
            return seq.min(newest);
        }
        let seq = ring.first_unpersisted_seq().map_or(newest, |seq| seq.min(newest));
        *known = Some((lineage, seq));
        seq
    }
}
