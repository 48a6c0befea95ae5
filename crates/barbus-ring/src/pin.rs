//! Zero-copy: a block that is held in place, and its columns as plain bytes of the map.
//!
//! Rows below the committed count do not change, and a slot that is pinned is not used again: so what is handed out here is what it was, for as
//! long as it is held. The one exception is a validity bitmap of an open block, whose last bytes the writer still adds bits to: it is copied.

use std::ops::Range;
use std::sync::Arc;

use barbus_shm::{Load, Memory, Pin, PinWatch, PinnedBytes, ReadMap, ReaderMemory};

use crate::layout::*;
use crate::{Position, Ring, RingError, RingReader};

/// Committed rows of one block, which stay where they are and what they are while the value lives, or anything that was made of it.
///
/// The writer does not wait for it: it passes the block's slot over.
#[derive(Debug, Clone)]
pub struct PinnedRows<M: ReaderMemory = ReadMap> {
    pin: Arc<Pin<M>>,
    slot: usize,
    /// The block's number.
    pub block: u64,
    /// The first row, counted from the block's beginning.
    pub from: u32,
    /// Behind the last row.
    pub to: u32,
    /// Sequence number of the row `from`.
    pub first_seq: u64,
    /// The trading day that was open, days since 1970-01-01.
    pub day: Option<i64>,
    /// True when the block will get no more rows.
    pub sealed: bool,
}

/// Bits of a column that say which rows have a value.
#[derive(Debug, Clone)]
pub struct Validity {
    /// The bits, least significant first.
    pub bits: Bits,
    /// The first row's bit.
    pub offset: usize,
}

/// Bytes in place or copied.
#[derive(Debug, Clone)]
pub enum Bits {
    /// In place.
    InPlace(PinnedBytes),
    /// Copied.
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

/// The dictionary of symbols in place: it only grows, and what is counted does not change.
#[derive(Debug, Clone)]
pub struct SymbolBuffers {
    /// Symbols in it.
    pub count: u32,
    /// `count + 1` offsets into `text`, i32 little-endian each. Nothing says that a damaged file's ascend.
    pub offsets: PinnedBytes,
    /// The symbols' bytes, one after the other.
    pub text: PinnedBytes,
}

/// Blocks that are locked ahead by one call, at most; and no more than this part of the ring's.
const RUN: u64 = 16;
const PART_OF_RING: u64 = 8;

impl<M: ReaderMemory> Ring<M> {
    /// Holds `block` with the rows committed in it now; `None` where the ring does not have it any more.
    pub fn pin(&self, block: u64) -> Result<Option<PinnedRows<M>>, RingError> {
        self.slot_of(block).map_or(Ok(None), |slot| self.pin_slot(slot, block))
    }

    /// The same where it is said to be in `slot`.
    pub(crate) fn pin_slot(&self, slot: usize, block: u64) -> Result<Option<PinnedRows<M>>, RingError> {
        // Claimed: the writer is about to use it for another block.
        let Some(pin) = Pin::take(&self.map, self.geometry.slots_from(slot, 1))? else { return Ok(None) };
        // The order matters: the number is looked at under the lock. The writer marks a slot before he gives his claim back.
        let Some(header) = self.header(slot).filter(|header| header.block == block) else { return Ok(None) };
        let to = self.committed(slot, block);
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

/// One block's rows after the other where they lie, from a reader's position on, which goes along: made by [`RingReader::pin_each`].
///
/// Blocks that lie one behind the other in the file are locked together, at most 16 and an eighth of the ring, and let go
/// together: before the next of these runs, at the end, or when this is dropped. What was handed out is held by itself, for as long as it lives.
#[derive(Debug)]
pub struct PinnedBlocks<'a, M: ReaderMemory = ReadMap> {
    reader: &'a mut RingReader,
    ring: &'a Ring<M>,
    run: Option<Run<M>>,
}

/// Slots that are held so that pinning their blocks takes no call.
#[derive(Debug)]
struct Run<M: ReaderMemory> {
    blocks: Range<u64>,
    _pin: Pin<M>,
}

impl<M: ReaderMemory> Run<M> {
    /// From `block` on, in `slot`; `None` where it is one alone. Whether they are still there is looked at when each is pinned.
    fn lock(ring: &Ring<M>, slot: usize, block: u64) -> Result<Option<Self>, RingError> {
        let most = RUN.min(u64::from(ring.geometry.slots) / PART_OF_RING);
        let most = (most as usize).clamp(1, ring.geometry.slots as usize - slot);
        let directory = ring.map.words64(DIRECTORY + 8 * slot, most);
        let count = (block..).zip(directory).take_while(|(block, word)| *block == word.get()).count();
        if count < 2 {
            return Ok(None);
        }
        let pin = Pin::take(&ring.map, ring.geometry.slots_from(slot, count))?;
        Ok(pin.map(|pin| Self { blocks: block..block + count as u64, _pin: pin }))
    }
}

impl<'a, M: ReaderMemory> PinnedBlocks<'a, M> {
    pub(crate) fn new(reader: &'a mut RingReader, ring: &'a Ring<M>) -> Self {
        Self { reader, ring, run: None }
    }

    /// The next row to be read.
    pub fn position(&self) -> Position {
        self.reader.position()
    }

    /// The ring.
    pub fn ring(&self) -> &'a Ring<M> {
        self.ring
    }
}

impl<M: ReaderMemory> Iterator for PinnedBlocks<'_, M> {
    type Item = Result<PinnedRows<M>, RingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { reader, ring, run } = self;
        let pinned = reader.pin_after(ring, |slot, block| {
            if !run.as_ref().is_some_and(|run| run.blocks.contains(&block)) {
                // First the one, then the other: never two of them.
                *run = None;
                *run = Run::lock(ring, slot, block)?;
            }
            Ok(())
        });
        if !matches!(pinned, Ok(Some(_))) {
            self.run = None;
        }
        pinned.transpose()
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

    /// The same without the rows before `from`, counted from the block's beginning.
    pub fn behind(mut self, from: u32) -> Self {
        let from = from.clamp(self.from, self.to);
        self.first_seq = self.first_seq.wrapping_add((from - self.from).into());
        self.from = from;
        self
    }
}

impl PinnedRows {
    /// The values of the `column`-th column of the schema, in the map: [`PinnedRows::len`] times its width in bytes.
    ///
    /// # Panics
    /// When `ring` is another one, or has no such column.
    pub fn values(&self, ring: &Ring, column: usize) -> PinnedBytes {
        let (at, len) = self.place(ring, column);
        PinnedBytes::new(self.pin.map(), Some(Arc::clone(&self.pin)), at, len)
    }

    /// The same, borrowed.
    ///
    /// # Panics
    /// As [`PinnedRows::values`].
    pub fn bytes(&self, ring: &Ring, column: usize) -> &[u8] {
        let (at, len) = self.place(ring, column);
        self.pin.bytes(at, len)
    }

    fn place(&self, ring: &Ring, column: usize) -> (usize, usize) {
        let column = &ring.geometry.columns[column];
        let at = ring.geometry.slot(self.slot) + column.values + self.from as usize * column.width;
        (at, self.len() * column.width)
    }

    /// Which rows have a value in the `column`-th column; `None` where it is not nullable.
    ///
    /// # Panics
    /// When `ring` is another one, or has no such column.
    pub fn validity(&self, ring: &Ring, column: usize) -> Option<Validity> {
        let validity = Some(ring.geometry.columns[column].validity).filter(|&at| at != 0)?;
        let at = ring.geometry.slot(self.slot) + validity;
        let (first, end) = (self.from as usize / 64, (self.to as usize).div_ceil(64));
        let bits = match self.sealed {
            true => Bits::InPlace(PinnedBytes::new(
                self.pin.map(),
                Some(Arc::clone(&self.pin)),
                at + 8 * first,
                8 * (end - first.min(end)),
            )),
            false => {
                let words = self.pin.map().words64(at + 8 * first, end - first.min(end));
                Bits::Copied(words.iter().flat_map(|word| word.get().to_le_bytes()).collect())
            }
        };
        Some(Validity { bits, offset: self.from as usize % 64 })
    }
}

impl Ring {
    /// Has `watch` told of every block that is held by what this ring hands out from now on.
    pub fn watch_pins(&self, watch: Arc<dyn PinWatch>) {
        self.map.watch_pins(watch);
    }

    /// The symbols that are in the dictionary now, in place.
    pub fn symbol_buffers(&self) -> SymbolBuffers {
        let count = self.symbol_count();
        let at = self.geometry.dictionary_offsets;
        let end = self.map.words32(at + 4 * count as usize, 1)[0].get().min(self.geometry.symbol_bytes);
        SymbolBuffers {
            count,
            offsets: PinnedBytes::new(&self.map, None, at, 4 * (count as usize + 1)),
            text: PinnedBytes::new(&self.map, None, self.geometry.dictionary_text, end as usize),
        }
    }

    /// Whether the path that the ring was attached by still leads to this very file.
    pub fn is_at_its_path(&self) -> bool {
        self.map.is_at_its_path()
    }

    /// Whether the file is still as long as it says. A file that somebody truncated must not be touched: its missing pages are a `SIGBUS`.
    pub fn check_length(&self) -> Result<(), RingError> {
        let (found, expected) = (self.map.file_len()?, self.geometry.file_bytes);
        match found >= expected {
            true => Ok(()),
            false => Err(RingError::Truncated { path: self.map.path().to_owned(), found, expected }),
        }
    }
}
