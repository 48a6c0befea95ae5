//! Copies of the last bars of one symbol.

use barbus_ring::Row;

/// Rows by which the copies may exceed what was requested, before the oldest are dropped. Without
/// it, each new bar would move all of them.
const SLACK: usize = 16;

/// The last bars of one symbol. It stays empty until they are requested.
#[derive(Debug, Default)]
// A bus may have thousands of symbols: one cache miss for each answer, not two.
#[repr(align(64))]
pub(super) struct RecentBars {
    /// Ascending by frame, the last revision of each, without a gap up to the newest.
    pub(super) rows: Vec<Row>,
    /// Most bars that were requested; 0: none.
    pub(super) wanted: usize,
    /// Whether the ring holds no other bars of the symbol.
    pub(super) complete: bool,
    /// The newest block of the ring when the copies were last checked. A newer block may have
    /// replaced the block of a copied bar.
    pub(super) checked_at_block: u64,
}

impl RecentBars {
    /// Adds a new bar, or the new revision of a bar.
    pub(super) fn insert(&mut self, row: &Row) {
        if self.wanted == 0 {
            return;
        }
        let newer = match self.rows.last() {
            Some(last) => last.frame_ms < row.frame_ms,
            None => self.complete,
        };
        if newer {
            self.rows.push(*row);
        } else {
            match self.rows.binary_search_by_key(&row.frame_ms, |row| row.frame_ms) {
                Ok(found) => self.rows[found] = *row,
                // The bars before the copies are unknown: there may be a gap.
                Err(0) if !self.complete => {}
                Err(found) => self.rows.insert(found, *row),
            }
        }
        if self.rows.len() > self.wanted.saturating_mul(2).saturating_add(SLACK) {
            self.rows.drain(..self.rows.len() - self.wanted);
            self.complete = false;
        }
    }
}
