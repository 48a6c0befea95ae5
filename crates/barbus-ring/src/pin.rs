//! Zero-copy reads: a block that is held in place, and its columns as plain bytes of the map.
//!
//! Committed rows do not change, and the writer does not reuse a pinned slot: the bytes returned
//! here stay as they are while they are held. The exception is the validity bitmap of an open
//! block, whose last bytes still get bits; that bitmap is copied.

use std::sync::Arc;

use barbus_shm::{Load, Memory, Pin, PinWatch, PinnedBytes, ReadMap, ReaderMemory};

use crate::{Ring, RingError};

/// Committed rows of one block, in place and unchanged while this value or anything made from it
/// lives.
///
/// The writer does not wait for it: it skips the block's slot and uses another one.
#[derive(Debug, Clone)]
pub struct PinnedRows<M: ReaderMemory = ReadMap> {
    pin: Arc<Pin<M>>,
    slot: usize,
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

/// The validity bitmap of a column: which rows have a value.
#[derive(Debug, Clone)]
pub struct Validity {
    /// The bits, least significant first.
    pub bits: Bits,
    /// The first row's bit.
    pub offset: usize,
}

/// The bytes of a bitmap.
#[derive(Debug, Clone)]
pub enum Bits {
    /// In place, of a sealed block.
    InPlace(PinnedBytes),
    /// Copied, of an open block.
    Copied(Vec<u8>),
}

impl AsRef<[u8]> for Bits {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::InPlace(bytes) => bytes,
            Self::Copied(bytes) => bytes,
        }
    }
}

impl<M: ReaderMemory> Ring<M> {
    /// Pins `block` with its committed rows; `None` if the ring no longer holds it.
    pub fn pin(&self, block: u64) -> Result<Option<PinnedRows<M>>, RingError> {
        self.slot_of(block).map_or(Ok(None), |slot| self.pin_slot(slot, block))
    }

    /// The same, given the slot in which `block` was found.
    pub(crate) fn pin_slot(&self, slot: usize, block: u64) -> Result<Option<PinnedRows<M>>, RingError> {
        // A refused lock means that the writer is about to recycle the slot.
        let Some(pin) = Pin::take(&self.map, self.geometry.slot_ranges(slot, 1))? else { return Ok(None) };
        // SYNC POINT: pairs with `writer/blocks.rs`::`claim_slot`, by the slot's lock. The number
        // is checked under the lock, and the writer marks a slot before it releases its own.
        let Some(header) = self.header(slot).filter(|header| header.block == block) else { return Ok(None) };
        let to = self.committed_rows(slot, block);
        Ok(Some(PinnedRows {
            pin: Arc::new(pin),
            slot,
            block,
            from: 0,
            to,
            first_seq: header.first_seq,
            day: header.day(),
            sealed: header.sealed(),
        }))
    }
}

impl<M: ReaderMemory> PinnedRows<M> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// The same without the rows before `from`, which is counted from the start of the block.
    pub(crate) fn starting_at(mut self, from: u32) -> Self {
        let from = from.clamp(self.from, self.to);
        self.first_seq = self.first_seq.wrapping_add((from - self.from).into());
        self.from = from;
        self
    }
}

impl PinnedRows {
    /// The values of the schema's column number `column`, in place: [`PinnedRows::len`] times the
    /// column's width in bytes.
    ///
    /// # Panics
    /// If `ring` is not the ring of these rows, or has no such column.
    pub fn values(&self, ring: &Ring, column: usize) -> PinnedBytes {
        let (at, len) = self.value_range(ring, column);
        PinnedBytes::new(self.pin.map(), Some(Arc::clone(&self.pin)), at, len)
    }

    /// The same as a borrowed slice.
    ///
    /// # Panics
    /// As [`PinnedRows::values`].
    pub fn bytes(&self, ring: &Ring, column: usize) -> &[u8] {
        let (at, len) = self.value_range(ring, column);
        self.pin.bytes(at, len)
    }

    /// Offset and length of the rows' values in the map.
    fn value_range(&self, ring: &Ring, column: usize) -> (usize, usize) {
        let column = &ring.geometry.columns[column];
        let at = ring.geometry.slot(self.slot) + column.values + self.from as usize * column.width;
        (at, self.len() * column.width)
    }

    /// Which rows have a value in the schema's column number `column`; `None` if it is not
    /// nullable.
    ///
    /// # Panics
    /// As [`PinnedRows::values`].
    pub fn validity(&self, ring: &Ring, column: usize) -> Option<Validity> {
        let validity = Some(ring.geometry.columns[column].validity).filter(|&at| at != 0)?;
        let (first, end) = (self.from as usize / 64, (self.to as usize).div_ceil(64));
        let at = ring.geometry.slot(self.slot) + validity + 8 * first;
        let words = end - first.min(end);
        let bits = match self.sealed {
            true => Bits::InPlace(PinnedBytes::new(self.pin.map(), Some(Arc::clone(&self.pin)), at, 8 * words)),
            false => {
                let words = self.pin.map().words64(at, words);
                Bits::Copied(words.iter().flat_map(|word| word.get().to_le_bytes()).collect())
            }
        };
        Some(Validity { bits, offset: self.from as usize % 64 })
    }
}

impl Ring {
    /// Notifies `watch` of every block that this ring and its clones pin or release from now on.
    pub fn watch_pins(&self, watch: Arc<dyn PinWatch>) {
        self.map.watch_pins(watch);
    }
}
