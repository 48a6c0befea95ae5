//! Rows that do not change while they are held: pinned in place, or copied.
//!
//! Committed rows do not change, and the writer does not reuse a pinned slot: the bytes returned
//! here stay as they are while they are held. The exception is the validity bitmap of an open
//! block, whose last bytes still get bits; that bitmap is copied.
//!
//! Rows in the reserve are copied as a whole, because the writer reuses its slots in any case. So
//! are the rows of a reader that has pinned as many blocks as it may ([`Ring::limit_pins`]).

use std::sync::Arc;

use arrow::buffer::Buffer;
use barbus_shm::{Pin, PinRefusal, PinWatch, PinnedBytes, ReadMap, ReaderMemory};

use crate::{Ring, RingError};

/// Committed rows of one block, unchanged while this value or anything made from it lives: in place
/// or copied.
///
/// The writer does not wait for it: it skips a pinned slot and uses another one.
#[derive(Debug, Clone)]
pub struct HeldRows<M: ReaderMemory = ReadMap> {
    storage: Storage<M>,
    /// The block's number.
    pub block: u64,
    /// Number of the first row, counted from the start of the block.
    pub from: u32,
    /// End of the rows (exclusive), counted from the start of the block.
    pub to: u32,
    /// Sequence number of the row `from`.
    pub first_seq: u64,
    /// The trading day that was open when the block was, days since 1970-01-01.
    pub day: Option<i64>,
    /// True if the block gets no more rows.
    pub sealed: bool,
}

/// Where held rows are.
#[derive(Debug, Clone)]
enum Storage<M: ReaderMemory> {
    /// In the ring, in this slot.
    Pinned(Arc<Pin<M>>, usize),
    /// In memory of this process, column by column.
    Copied(Arc<[CopiedColumn]>, CopyReason),
}

/// Why rows were copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyReason {
    /// Their slot is in the reserve.
    Reserve,
    /// The reader has pinned as many blocks as it may.
    PinLimit,
}

/// The rows of one column, copied.
#[derive(Debug)]
pub(crate) struct CopiedColumn {
    pub(crate) values: Buffer,
    /// The words of the bitmap that have a bit of the rows; empty if the column is not nullable.
    pub(crate) validity: Buffer,
}

/// The validity bitmap of a column: which rows have a value.
#[derive(Debug, Clone)]
pub struct Validity {
    /// The bits, least significant first.
    pub bits: ColumnBytes,
    /// The first row's bit.
    pub offset: usize,
}

/// The bytes of a column or of its bitmap.
#[derive(Debug, Clone)]
pub enum ColumnBytes {
    /// In the ring.
    InPlace(PinnedBytes),
    /// A copy.
    Copied(Buffer),
}

impl AsRef<[u8]> for ColumnBytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::InPlace(bytes) => bytes,
            Self::Copied(bytes) => bytes,
        }
    }
}

impl<M: ReaderMemory> Ring<M> {
    /// Holds `block` with its committed rows; `None` if the ring no longer has it.
    pub fn hold(&self, block: u64) -> Result<Option<HeldRows<M>>, RingError> {
        self.slot_of(block).map_or(Ok(None), |slot| self.hold_slot(slot, block, 0))
    }

    /// The same from row `from` of the block on, given the slot in which `block` was found.
    pub(crate) fn hold_slot(&self, slot: usize, block: u64, from: u32) -> Result<Option<HeldRows<M>>, RingError> {
        if self.geometry.is_in_reserve(slot) {
            return Ok(self.copy_slot(slot, block, from, CopyReason::Reserve));
        }
        let pin = match Pin::take(&self.map, self.geometry.slot_ranges(slot, 1))? {
            Ok(pin) => pin,
            Err(PinRefusal::LimitReached) => return Ok(self.copy_slot(slot, block, from, CopyReason::PinLimit)),
            // The writer is about to recycle the slot.
            Err(PinRefusal::Claimed) => return Ok(None),
        };
        // SYNC POINT: pairs with `writer/blocks.rs`::`claim_slot`, by the slot's lock. The number
        // is checked under the lock, and the writer marks a slot before it releases its own.
        Ok(self.rows_held_by(Storage::Pinned(Arc::new(pin), slot), slot, block, from))
    }

    /// Copies the committed rows of `block` in `slot`; `None` if the block is gone.
    fn copy_slot(&self, slot: usize, block: u64, from: u32, why: CopyReason) -> Option<HeldRows<M>> {
        let mut rows = self.rows_held_by(Storage::Copied([].into(), why), slot, block, from)?;
        let columns = 0..self.geometry.columns.len();
        let columns = columns.map(|column| self.copy_column(slot, column, rows.from, rows.to)).collect();
        rows.storage = Storage::Copied(columns, why);
        self.is_current(slot, block).then_some(rows)
    }

    fn rows_held_by(&self, storage: Storage<M>, slot: usize, block: u64, from: u32) -> Option<HeldRows<M>> {
        let header = self.header(slot).filter(|header| header.block == block)?;
        let to = self.committed_rows(slot, block);
        let from = from.min(to);
        Some(HeldRows {
            storage,
            block,
            from,
            to,
            first_seq: header.first_seq.wrapping_add(from.into()),
            day: header.day(),
            sealed: header.sealed(),
        })
    }
}

impl<M: ReaderMemory> HeldRows<M> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Why the rows are a copy; `None` if they are in the ring itself.
    pub fn copied(&self) -> Option<CopyReason> {
        match self.storage {
            Storage::Pinned(..) => None,
            Storage::Copied(_, why) => Some(why),
        }
    }
}

#[cfg(test)]
impl<M: ReaderMemory> HeldRows<M> {
    /// The values of a column that was copied.
    pub(crate) fn copied_bytes(&self, column: usize) -> &[u8] {
        let Storage::Copied(columns, _) = &self.storage else { panic!("the rows are in the ring") };
        &columns[column].values
    }
}

impl HeldRows {
    /// The values of the schema's column number `column`: [`HeldRows::len`] times the column's
    /// width in bytes.
    ///
    /// # Panics
    /// If `ring` is not the ring of these rows, or has no such column.
    pub fn values(&self, ring: &Ring, column: usize) -> ColumnBytes {
        match &self.storage {
            Storage::Pinned(pin, slot) => {
                let (at, len) = self.value_range(ring, *slot, column);
                ColumnBytes::InPlace(PinnedBytes::new(pin.map(), Some(Arc::clone(pin)), at, len))
            }
            Storage::Copied(columns, _) => ColumnBytes::Copied(columns[column].values.clone()),
        }
    }

    /// The same as a borrowed slice.
    ///
    /// # Panics
    /// As [`HeldRows::values`].
    pub fn bytes(&self, ring: &Ring, column: usize) -> &[u8] {
        match &self.storage {
            Storage::Pinned(pin, slot) => {
                let (at, len) = self.value_range(ring, *slot, column);
                pin.bytes(at, len)
            }
            Storage::Copied(columns, _) => &columns[column].values,
        }
    }

    /// Offset and length of the rows' values in the map.
    fn value_range(&self, ring: &Ring, slot: usize, column: usize) -> (usize, usize) {
        let column = &ring.geometry.columns[column];
        let at = ring.geometry.slot(slot) + column.values + self.from as usize * column.width;
        (at, self.len() * column.width)
    }

    /// Which rows have a value in the schema's column number `column`; `None` if it is not
    /// nullable.
    ///
    /// # Panics
    /// As [`HeldRows::values`].
    pub fn validity(&self, ring: &Ring, column: usize) -> Option<Validity> {
        let (at, words) = ring.geometry.validity_words(column, self.from, self.to)?;
        let bits = match &self.storage {
            Storage::Pinned(pin, slot) if self.sealed => {
                let at = ring.geometry.slot(*slot) + at;
                ColumnBytes::InPlace(PinnedBytes::new(pin.map(), Some(Arc::clone(pin)), at, 8 * words))
            }
            Storage::Pinned(_, slot) => ColumnBytes::Copied(ring.copy_validity(*slot, column, self.from, self.to)),
            Storage::Copied(columns, _) => ColumnBytes::Copied(columns[column].validity.clone()),
        };
        Some(Validity { bits, offset: self.from as usize % 64 })
    }
}

impl Ring {
    /// Notifies `watch` of every block that this ring and its clones pin or release from now on.
    pub fn watch_pins(&self, watch: Arc<dyn PinWatch>) {
        self.map.watch_pins(watch);
    }

    /// Pins at most `blocks` blocks at once through this ring and its clones from now on. Beyond
    /// them rows are copied.
    pub fn limit_pins(&self, blocks: usize) {
        self.map.limit_pins(blocks);
    }
}
