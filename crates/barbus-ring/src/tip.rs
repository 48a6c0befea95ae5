//! The tip: the last rows again, each slot its own little seqlock.
//!
//! A reader at the tip follows the stamps: one cache line or two a row, none shared with the cursor. The writer stamps a row before it
//! writes the row's columns, so the stamp is the commit; whoever takes a ring over completes the columns from the tip.

use barbus_shm::{Load, Memory, Store};

use crate::layout::*;
use crate::{MAX_OPTIONAL, Ring, Row, SymbolId};

/// What a tip slot holds for a sequence number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Tip {
    /// The row, whole, and its place in the columns.
    Row(Row, u64),
    /// Not published yet.
    NotYet,
    /// The slot has gone on to a later row.
    Gone,
}

impl<M: Memory> Ring<M> {
    /// The row `seq`, if the tip has it.
    #[inline]
    pub(crate) fn tip(&self, seq: u64) -> Tip {
        let words = self.map.words64(self.geometry.tip_row(seq), TIP_ROW / 8);
        let whole = seq.wrapping_add(1);
        let stamp = words[TIP_STAMP / 8].get();
        if stamp != whole {
            return if stamp > whole || self.tip_gone(seq) { Tip::Gone } else { Tip::NotYet };
        }
        // SYNC POINT: pairs with the release store of the stamp in `put_tip`: the row's words are those written before it.
        self.map.fence_acquire();
        let symbol = words[TIP_SYMBOL / 8].get();
        let f64_at = |offset: usize| f64::from_bits(words[offset / 8].get());
        let mut row = Row {
            seq,
            frame_ms: words[TIP_FRAME / 8].get() as i64,
            open: f64_at(TIP_OPEN),
            high: f64_at(TIP_HIGH),
            low: f64_at(TIP_LOW),
            close: f64_at(TIP_CLOSE),
            volume: f64_at(TIP_VOLUME),
            received_ns: words[TIP_RECEIVED / 8].get() as i64,
            optional: [0.0; MAX_OPTIONAL],
            symbol: SymbolId(symbol as u32),
            revision: (symbol >> 32) as u8,
            present: (symbol >> 40) as u8,
        };
        for i in 0..self.geometry.optional {
            row.optional[i] = f64_at(TIP_OPTIONAL + 8 * i);
        }
        let position = words[TIP_POSITION / 8].get();
        // SYNC POINT: pairs with the fence in `claim_tip`: if any word above is of a later row, that one is claimed.
        self.map.fence_acquire();
        if self.tip_gone(seq) { Tip::Gone } else { Tip::Row(row, position) }
    }

    /// Whether row `seq` was put into the tip, or a later one in its place: the fence behind the next load of the cursor makes what was done before
    /// it seen.
    #[inline(always)]
    pub(crate) fn tip_has(&self, seq: u64) -> bool {
        self.u64(self.geometry.tip_row(seq) + TIP_STAMP) > seq
    }

    /// Whether the slot of row `seq` may have been begun to be written over.
    #[inline(always)]
    fn tip_gone(&self, seq: u64) -> bool {
        self.u64(SB_TIP_CLAIMED) > seq.wrapping_add(self.geometry.tip_rows.into())
    }

    /// The rows from `seq` on that the tip has, in the order of their slots.
    pub(crate) fn tip_from(&self, seq: u64) -> impl Iterator<Item = Row> {
        (0..u64::from(self.geometry.tip_rows)).filter_map(move |slot| {
            let stamp = self.u64(self.geometry.tip_row(slot) + TIP_STAMP);
            let found = stamp.checked_sub(1).filter(|&found| found >= seq)?;
            match self.tip(found) {
                Tip::Row(row, _) => Some(row),
                _ => None,
            }
        })
    }
}

impl<M: Memory> Ring<M>
where
    M::W64: Store,
{
    /// Says that the tip slots of rows below `seq` are about to be written.
    #[inline]
    pub(crate) fn claim_tip(&self, seq: u64) {
        self.map.words64(SB_TIP_CLAIMED, 1)[0].set(seq);
        // SYNC POINT: the claim is seen no later than any word of those rows; pairs with the second fence in `tip`.
        self.map.fence_release();
    }

    /// Writes and stamps the row `row.seq`, which was claimed.
    ///
    /// The slot's second cache line first: a reader waits at the first, and takes it away at every store that it sees there.
    #[inline]
    pub(crate) fn put_tip(&self, row: &Row, position: u64) {
        let words = self.map.words64(self.geometry.tip_row(row.seq), TIP_ROW / 8);
        let set = |offset: usize, value: u64| words[offset / 8].set(value);
        for i in (0..self.geometry.optional).rev() {
            set(TIP_OPTIONAL + 8 * i, row.optional[i].to_bits());
        }
        set(TIP_RECEIVED, row.received_ns as u64);
        set(TIP_VOLUME, row.volume.to_bits());
        set(TIP_CLOSE, row.close.to_bits());
        set(TIP_LOW, row.low.to_bits());
        set(TIP_HIGH, row.high.to_bits());
        set(TIP_OPEN, row.open.to_bits());
        set(TIP_FRAME, row.frame_ms as u64);
        set(TIP_SYMBOL, u64::from(row.symbol.0) | u64::from(row.revision) << 32 | u64::from(row.present) << 40);
        set(TIP_POSITION, position);
        // SYNC POINT: the commit. Pairs with the first fence in `tip`.
        words[TIP_STAMP / 8].set_release(row.seq + 1);
    }

    /// Forgets every row of the tip: rows below `next_seq` are in the columns, or nowhere.
    pub(crate) fn clear_tip(&self, next_seq: u64) {
        for slot in 0..u64::from(self.geometry.tip_rows) {
            self.map.words64(self.geometry.tip_row(slot) + TIP_STAMP, 1)[0].set(0);
        }
        self.claim_tip(next_seq + u64::from(self.geometry.tip_rows));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use barbus_shm::WriteMap;

    use super::*;
    use crate::{Spec, create};

    /// Promise 3: a row that is written over while it is copied is not given out. The reader reads just where the writer writes next.
    #[test]
    fn a_row_that_is_written_over_meanwhile_is_gone() {
        const ROWS: u64 = 400_000;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bars.ring");
        create(&path, &Spec { blocks: 2, rows_per_block: 64, tip_rows: 64, ..Spec::default() }).unwrap();
        let ring = Ring::new(WriteMap::open(&path).unwrap(), &path).unwrap();
        let row = |seq: u64| {
            let x = seq as f64;
            Row { seq, frame_ms: seq as i64, open: x, high: x, low: x, close: x, volume: x, ..Row::default() }
        };
        let next = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for seq in 0..ROWS {
                    ring.claim_tip(seq + 1);
                    ring.put_tip(&row(seq), seq);
                    next.store(seq + 1, Ordering::Relaxed);
                }
            });
            while next.load(Ordering::Relaxed) < ROWS {
                let seq = next.load(Ordering::Relaxed).saturating_sub(63);
                if let Tip::Row(found, position) = ring.tip(seq) {
                    assert_eq!((found, position), (row(seq), seq));
                }
            }
        });
        assert_eq!(ring.tip(ROWS - 64), Tip::Row(row(ROWS - 64), ROWS - 64));
        assert_eq!(ring.tip(ROWS - 65), Tip::Gone);
        assert_eq!(ring.tip(ROWS), Tip::NotYet);
    }
}
