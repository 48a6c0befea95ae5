//! Which rows of the ring the archive is known to have.

use std::sync::{Arc, Mutex, PoisonError};

use barbus_ring::{Ring, WriterRun};

/// The number of rows that are read in the time that a look at every block of the ring takes.
const ROWS_OF_A_LOOK: u64 = 8_192;

/// In this run of a writer, the archive has every row of the ring before this number. It still has
/// them later, so the blocks of the ring are not looked at for each question.
///
/// Another run may be of another ring, or of one that was put back from a backup. Clones share what
/// is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Persisted(Arc<Mutex<Option<(WriterRun, u64)>>>);

impl Persisted {
    /// The number of a row before which the archive has all rows of the ring. Rows from `newest` on
    /// were published after the question began.
    pub(super) fn before(&self, ring: &Ring, newest: u64) -> u64 {
        let run = ring.writer_run();
        let near = newest.saturating_sub(ROWS_OF_A_LOOK)..=newest;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, seq)) = known.filter(|(of, seq)| *of == run && near.contains(seq)) {
            return seq;
        }
        let seq = ring.first_unpersisted_seq().map_or(newest, |seq| seq.min(newest));
        *known = Some((run, seq));
        seq
    }
}
