//! The tip: the last rows again, each slot its own little seqlock.
//!
//! A reader at the tip follows the stamps: one cache line or two a row, none shared with the cursor. The writer stamps a row before it
//! writes the row's columns, so the stamp is the commit; whoever takes a ring over completes the columns from the tip.

use barbus_shm::{Load, Memory, Store};

use crate::layout::*;
use crate::{Price, Ring, Row, SymbolId};

/// What a tip slot holds for a sequence number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Tip {
    /// The row, and its place in the columns.
    Row(u64),
    /// Not published yet.
    NotYet,
    /// The slot has gone on to a later row.
    Gone,
}

/// The words of a tip slot.
pub(crate) type TipSlot<W> = [W; TIP_ROW / 8];

impl<M: Memory> Ring<M> {
    /// The tip's slots `from..from + count`.
    #[inline(always)]
    pub(crate) fn tip_slots(&self, from: usize, count: usize) -> &[TipSlot<M::W64>] {
        self.map.words64(self.geometry.tip + TIP_ROW * from, TIP_ROW / 8 * count).as_chunks().0
    }

    #[inline(always)]
    fn tip_slot(&self, seq: u64) -> &TipSlot<M::W64> {
        &self.tip_slots(self.geometry.tip_slot(seq), 1)[0]
    }

    /// The row `seq`, if the tip has it, is in `row` afterwards, whole; else there may be anything.
    #[inline(always)]
    pub(crate) fn tip(&self, seq: u64, row: &mut Row) -> Tip {
        self.tip_lacks(seq).unwrap_or_else(|| self.stamped(seq, row))
    }

    /// Why the tip lacks the row `seq`; `None` where its stamp is there.
    #[inline(always)]
    pub(crate) fn tip_lacks(&self, seq: u64) -> Option<Tip> {
        let (stamp, whole) = (self.tip_slot(seq)[TIP_STAMP / 8].get(), seq.wrapping_add(1));
        if stamp == whole {
            None
        } else if stamp > whole || self.tip_gone(seq) {
            Some(Tip::Gone)
        } else {
            Some(Tip::NotYet)
        }
    }

    /// Has the second line of the slot of row `seq`, which is waited for, come along with the first, and not after it.
    #[inline(always)]
    pub(crate) fn expect_tip(&self, seq: u64) {
        self.map.prefetch(self.geometry.tip_row(seq) + TIP_ROW / 2);
    }

    /// Copies the row `seq`, whose stamp was seen: field by field to where it is wanted, as a copy of a row just copied would wait for that.
    #[inline(always)]
    pub(crate) fn stamped(&self, seq: u64, row: &mut Row) -> Tip {
        // SYNC POINT: pairs with the release store of the stamp in `put_tip`: the row's words are those written before it.
        self.map.fence_acquire();
        let slot = self.tip_slot(seq);
        let f64_at = |offset: usize| f64::from_bits(slot[offset / 8].get());
        row.seq = seq;
        row.frame_ms = slot[TIP_FRAME / 8].get() as i64;
        row.open = f64_at(TIP_OPEN);
        row.high = f64_at(TIP_HIGH);
        row.low = f64_at(TIP_LOW);
        row.close = f64_at(TIP_CLOSE);
        row.volume = f64_at(TIP_VOLUME);
        row.received_ns = slot[TIP_RECEIVED / 8].get() as i64;
        for (value, word) in row.optional.iter_mut().zip(&slot[TIP_OPTIONAL / 8..]).take(self.geometry.optional) {
            *value = f64::from_bits(word.get());
        }
        let symbol = slot[TIP_SYMBOL / 8].get();
        row.symbol = SymbolId(symbol as u32);
        row.revision = (symbol >> 32) as u8;
        row.present = (symbol >> 40) as u8;
        let position = slot[TIP_POSITION / 8].get();
        // SYNC POINT: pairs with the fence in `claim_tip`: if any word above is of a later row, that one is claimed.
        self.map.fence_acquire();
        if self.tip_gone(seq) { Tip::Gone } else { Tip::Row(position) }
    }

    /// Whether row `seq` was put into the tip, or a later one in its place: the fence behind the next load of the cursor makes what was done before
    /// it seen.
    #[inline(always)]
    pub(crate) fn tip_has(&self, seq: u64) -> bool {
        self.tip_slot(seq)[TIP_STAMP / 8].get() > seq
    }

    /// Whether the slot of row `seq` may have been begun to be written over.
    #[inline(always)]
    fn tip_gone(&self, seq: u64) -> bool {
        self.u64(SB_TIP_CLAIMED) > seq.wrapping_add(self.geometry.tip_rows.into())
    }

    /// The rows from `seq` on that the tip has, in the order of their slots.
    pub(crate) fn tip_from(&self, seq: u64) -> impl Iterator<Item = Row> {
        (0..u64::from(self.geometry.tip_rows)).filter_map(move |slot| {
            let stamp = self.tip_slot(slot)[TIP_STAMP / 8].get();
            let found = stamp.checked_sub(1).filter(|&found| found >= seq)?;
            let mut row = Row::default();
            matches!(self.tip(found, &mut row), Tip::Row(_)).then_some(row)
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
        // SYNC POINT: the claim is seen no later than any word of those rows; pairs with the second fence in `stamped`.
        self.map.fence_release();
    }

    /// Writes and stamps `row`, as row `seq`, which was claimed; its prices are rounded to what the columns can hold.
    ///
    /// The slot's second cache line first: a reader waits at the first, and takes it away at every store that it sees there.
    #[inline(always)]
    pub(crate) fn put_tip(&self, seq: u64, row: &Row, position: u64) {
        let slot = self.tip_slot(seq);
        let set = |offset: usize, value: u64| slot[offset / 8].set(value);
        let single = self.geometry.price == Price::Float32;
        let price = |price: f64| if single { f64::from(price as f32) } else { price }.to_bits();
        for (word, value) in slot[TIP_OPTIONAL / 8..].iter().zip(&row.optional).take(self.geometry.optional) {
            word.set(value.to_bits());
        }
        set(TIP_RECEIVED, row.received_ns as u64);
        set(TIP_VOLUME, row.volume.to_bits());
        set(TIP_CLOSE, price(row.close));
        set(TIP_LOW, price(row.low));
        set(TIP_HIGH, price(row.high));
        set(TIP_OPEN, price(row.open));
        set(TIP_FRAME, row.frame_ms as u64);
        set(TIP_SYMBOL, u64::from(row.symbol.0) | u64::from(row.revision) << 32 | u64::from(row.present) << 40);
        set(TIP_POSITION, position);
        // SYNC POINT: the commit. Pairs with the first fence in `stamped`.
        slot[TIP_STAMP / 8].set_release(seq + 1);
    }

    /// Forgets every row of the tip: rows below `next_seq` are in the columns, or nowhere.
    pub(crate) fn clear_tip(&self, next_seq: u64) {
        for slot in 0..u64::from(self.geometry.tip_rows) {
            self.tip_slot(slot)[TIP_STAMP / 8].set(0);
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
                    ring.put_tip(seq, &row(seq), seq);
                    next.store(seq + 1, Ordering::Relaxed);
                }
            });
            while next.load(Ordering::Relaxed) < ROWS {
                let seq = next.load(Ordering::Relaxed).saturating_sub(63);
                let mut found = Row::default();
                if let Tip::Row(position) = ring.tip(seq, &mut found) {
                    assert_eq!((found, position), (row(seq), seq));
                }
            }
        });
        let mut found = Row::default();
        assert_eq!((ring.tip(ROWS - 64, &mut found), found), (Tip::Row(ROWS - 64), row(ROWS - 64)));
        assert_eq!(ring.tip(ROWS - 65, &mut found), Tip::Gone);
        assert_eq!(ring.tip(ROWS, &mut found), Tip::NotYet);
    }
}
