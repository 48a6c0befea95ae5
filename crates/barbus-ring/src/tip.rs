//! The tip: a write-through cache of the newest rows, in slots that are small sequence locks.
//!
//! A reader that keeps up polls the stamp of the next tip slot. It touches one or two cache lines a
//! row and shares none of them with the cursor. The writer stamps a row before it writes the row's
//! columns: the stamp is the commit. After a crash, recovery completes the columns from the tip.

use barbus_shm::{Load, Memory, Store};

use crate::layout::*;
use crate::{Price, Ring, Row, SymbolId};

/// What the tip holds for a sequence number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TipRead {
    /// The row, and its position in the columns (`block << 32 | row`).
    Row(u64),
    /// The row is not published yet.
    NotYet,
    /// The slot holds a later row, or is claimed for one.
    Overwritten,
}

/// The words of a tip slot.
pub(crate) type TipSlot<W> = [W; TIP_ROW / 8];

impl<M: Memory> Ring<M> {
    /// The tip slots `from..from + count`.
    #[inline(always)]
    pub(crate) fn tip_slots(&self, from: usize, count: usize) -> &[TipSlot<M::W64>] {
        self.map.words64(self.geometry.tip + TIP_ROW * from, TIP_ROW / 8 * count).as_chunks().0
    }

    #[inline(always)]
    fn tip_slot(&self, seq: u64) -> &TipSlot<M::W64> {
        &self.tip_slots(self.geometry.tip_index(seq), 1)[0]
    }

    /// Copies row `seq` into `row`. Unless the result is [`TipRead::Row`], `row` may hold anything.
    #[inline(always)]
    pub(crate) fn read_tip(&self, seq: u64, row: &mut Row) -> TipRead {
        self.tip_miss(seq).unwrap_or_else(|| self.copy_tip_row(seq, row))
    }

    /// Why the tip does not hold row `seq`; `None` if the slot has the row's stamp.
    #[inline(always)]
    pub(crate) fn tip_miss(&self, seq: u64) -> Option<TipRead> {
        let (stamp, wanted) = (self.tip_slot(seq)[TIP_STAMP / 8].get(), seq.wrapping_add(1));
        if stamp == wanted {
            None
        } else if stamp > wanted || self.tip_overwritten(seq) {
            Some(TipRead::Overwritten)
        } else {
            Some(TipRead::NotYet)
        }
    }

    /// Prefetches the second cache line of the slot of row `seq`, for which the reader polls.
    ///
    /// Without it the two cache misses of a new row follow one another.
    #[inline(always)]
    pub(crate) fn prefetch_tip(&self, seq: u64) {
        self.map.prefetch(self.geometry.tip_slot(seq) + TIP_ROW / 2);
    }

    /// Copies row `seq`, whose stamp the caller has just loaded, into `row`.
    ///
    /// It stores each field directly into its destination: a second copy of the whole row would
    /// have to wait for the stores of the first.
    #[inline(always)]
    pub(crate) fn copy_tip_row(&self, seq: u64, row: &mut Row) -> TipRead {
        // SYNC POINT: pairs with `tip.rs`::`store_tip`. After the stamp, the loads below find the
        // words that were stored before it.
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
        // SYNC POINT: pairs with `tip.rs`::`claim_tip`. If any word above belongs to a later row,
        // the load below finds that row claimed.
        self.map.fence_acquire();
        if self.tip_overwritten(seq) { TipRead::Overwritten } else { TipRead::Row(position) }
    }

    /// Whether row `seq`, or a later row in the same slot, was published.
    ///
    /// It has no fence of its own: the caller loads the cursor before it reads columns, and the
    /// fence after that load orders what the writer did before.
    #[inline(always)]
    pub(crate) fn tip_reached(&self, seq: u64) -> bool {
        self.tip_slot(seq)[TIP_STAMP / 8].get() > seq
    }

    /// Whether the writer may have started to overwrite the slot of row `seq`.
    #[inline(always)]
    fn tip_overwritten(&self, seq: u64) -> bool {
        self.u64(SB_TIP_CLAIMED) > seq.wrapping_add(self.geometry.tip_rows.into())
    }

    /// The rows of the tip from `seq` on, in the order of their slots.
    pub(crate) fn tip_rows_from(&self, seq: u64) -> impl Iterator<Item = Row> {
        (0..u64::from(self.geometry.tip_rows)).filter_map(move |slot| {
            let stamp = self.tip_slot(slot)[TIP_STAMP / 8].get();
            let found = stamp.checked_sub(1).filter(|&found| found >= seq)?;
            let mut row = Row::default();
            matches!(self.read_tip(found, &mut row), TipRead::Row(_)).then_some(row)
        })
    }
}

impl<M: Memory> Ring<M>
where
    M::W64: Store,
{
    /// Announces that the tip slots of all rows below `seq` may be overwritten from now on.
    #[inline]
    pub(crate) fn claim_tip(&self, seq: u64) {
        self.map.words64(SB_TIP_CLAIMED, 1)[0].set(seq);
        // SYNC POINT: pairs with `tip.rs`::`copy_tip_row`. A reader that loads any word of a
        // claimed row also finds the claim.
        self.map.fence_release();
    }

    /// Stores `row` as row `seq`, which must be claimed, and stamps it.
    ///
    /// Prices are rounded to the width of the columns, so that both copies of a row are equal. The
    /// slot's second cache line is stored first: a reader polls the first line, and each of its
    /// loads takes that line away from the writer.
    #[inline(always)]
    pub(crate) fn store_tip(&self, seq: u64, row: &Row, position: u64) {
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
        // SYNC POINT: pairs with `tip.rs`::`copy_tip_row`. This store is the commit of the row.
        slot[TIP_STAMP / 8].set_release(seq + 1);
    }

    /// Removes every row from the tip. Rows below `next_seq` are in the columns or lost.
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

    /// Promise 3: the tip never returns a row that was overwritten while it was copied. The reader
    /// copies exactly the row that the writer overwrites next.
    #[test]
    fn a_row_overwritten_during_the_copy_is_not_returned() {
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
                    ring.store_tip(seq, &row(seq), seq);
                    next.store(seq + 1, Ordering::Relaxed);
                }
            });
            while next.load(Ordering::Relaxed) < ROWS {
                let seq = next.load(Ordering::Relaxed).saturating_sub(63);
                let mut found = Row::default();
                if let TipRead::Row(position) = ring.read_tip(seq, &mut found) {
                    assert_eq!((found, position), (row(seq), seq));
                }
            }
        });
        let mut found = Row::default();
        assert_eq!((ring.read_tip(ROWS - 64, &mut found), found), (TipRead::Row(ROWS - 64), row(ROWS - 64)));
        assert_eq!(ring.read_tip(ROWS - 65, &mut found), TipRead::Overwritten);
        assert_eq!(ring.read_tip(ROWS, &mut found), TipRead::NotYet);
    }
}
