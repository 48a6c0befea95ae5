//! A ring's memory under loom: the words that threads share, the other words, and slot locks.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;

use barbus_shm::{ByteRanges, Memory, PinRefusal, ReaderMemory, ShmError, WriterMemory};
use loom::sync::atomic::{Ordering, fence};
use loom::sync::{Mutex, MutexGuard};

use super::words::{ProtocolStep, Word8, Word32, Word64, is_intact, start_run, step_done};
use crate::Geometry;
use crate::layout::*;

struct Words {
    words64: Arc<Vec<Word64>>,
    words32: Vec<Word32>,
    words8: Vec<Word8>,
    /// For each byte that can be locked: the number of pins, or -1 for the writer's lock.
    locks: BTreeMap<usize, Mutex<i32>>,
}

/// A ring's memory, shared by the threads of a model.
#[derive(Clone)]
pub(super) struct ModelMemory(Arc<Words>);

impl std::fmt::Debug for ModelMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ModelMemory")
    }
}

/// What a store to the word at `offset` is for.
fn step_of(geometry: &Geometry, offset: usize) -> ProtocolStep {
    match offset {
        SB_CURSOR => return ProtocolStep::Cursor,
        SB_SUPERSEDED => return ProtocolStep::Superseded,
        SB_TIP_CLAIMED => return ProtocolStep::Claim,
        SB_DURABLE_NEXT => return ProtocolStep::DurableNext,
        SB_DURABLE_CURSOR => return ProtocolStep::Durable,
        SB_DURABLE_BEFORE => return ProtocolStep::DurableBefore,
        _ => {}
    }
    if (DIRECTORY..DIRECTORY + 8 * geometry.slots as usize).contains(&offset) {
        return ProtocolStep::Directory;
    }
    if offset >= geometry.tip {
        return if (offset - geometry.tip).is_multiple_of(TIP_ROW) {
            ProtocolStep::Stamp
        } else {
            ProtocolStep::TipWord
        };
    }
    if offset >= geometry.slots_offset {
        return match (offset - geometry.slots_offset) % geometry.slot_bytes {
            BH_BLOCK => ProtocolStep::Number,
            BH_FIRST_SEQ => ProtocolStep::FirstSeq,
            BH_STATE => ProtocolStep::State,
            BH_PERSISTED => ProtocolStep::Persisted,
            at if at >= SLOT_BODY => ProtocolStep::Column,
            at if at < BLOCK_HEADER => ProtocolStep::Length,
            _ => ProtocolStep::Other,
        };
    }
    ProtocolStep::Other
}

impl ModelMemory {
    /// The bytes of a ring file. Threads share the 64-bit words at the offsets `shared64` and the
    /// 32-bit words at `shared32`.
    pub(super) fn new(image: &[u8], geometry: &Geometry, shared64: &[usize], shared32: &[usize]) -> Self {
        let mut words64: Vec<Word64> = image
            .chunks_exact(8)
            .enumerate()
            .map(|(i, bytes)| {
                Word64::new(i, u64::from_le_bytes(bytes.try_into().expect("8 bytes")), step_of(geometry, 8 * i))
            })
            .collect();
        for &offset in shared64 {
            words64[offset / 8].share();
        }
        let mut words32: Vec<Word32> = image
            .chunks_exact(4)
            .map(|bytes| Word32::new(u32::from_le_bytes(bytes.try_into().expect("4 bytes"))))
            .collect();
        for &offset in shared32 {
            words32[offset / 4].share();
        }
        let words8 = image.iter().map(|&byte| Word8::new(byte)).collect();
        let locks = (0..geometry.slots as usize).map(|slot| (geometry.slot(slot), Mutex::new(0))).collect();
        let words64 = Arc::new(words64);
        start_run(&words64);
        Self(Arc::new(Words { words64, words32, words8, locks }))
    }

    fn locked(&self, offset: usize) -> MutexGuard<'_, i32> {
        self.0.locks[&offset].lock().expect("no model panics under it")
    }

    /// Adds `by` to the lock of a byte if `may` allows it.
    fn lock(&self, offset: usize, may: impl FnOnce(i32) -> bool, by: i32) -> bool {
        let mut held = self.locked(offset);
        let granted = may(*held);
        *held += if granted { by } else { 0 };
        granted
    }
}

impl Memory for ModelMemory {
    type W64 = Word64;
    type W32 = Word32;
    type W8 = Word8;
    fn len(&self) -> usize {
        self.0.words8.len()
    }
    fn words64(&self, offset: usize, count: usize) -> &[Word64] {
        &self.0.words64[offset / 8..offset / 8 + count]
    }
    fn words32(&self, offset: usize, count: usize) -> &[Word32] {
        &self.0.words32[offset / 4..offset / 4 + count]
    }
    fn words8(&self, offset: usize, count: usize) -> &[Word8] {
        &self.0.words8[offset..offset + count]
    }
    #[track_caller]
    fn fence_acquire(&self) {
        if is_intact(Location::caller()) {
            fence(Ordering::Acquire);
        }
    }
    #[track_caller]
    fn fence_release(&self) {
        if is_intact(Location::caller()) {
            fence(Ordering::Release);
        }
    }
    #[track_caller]
    fn fence_full(&self) {
        if is_intact(Location::caller()) {
            fence(Ordering::SeqCst);
        }
    }
}

impl ReaderMemory for ModelMemory {
    fn pin(&self, ranges: ByteRanges) -> Result<Result<(), PinRefusal>, ShmError> {
        // All locks or none, in one step, as the kernel takes them.
        let mut held: Vec<_> = ranges.offsets().map(|offset| self.locked(offset)).collect();
        let granted = held.iter().all(|held| **held >= 0);
        held.iter_mut().for_each(|held| **held += i32::from(granted));
        Ok(if granted { Ok(()) } else { Err(PinRefusal::Claimed) })
    }
    fn unpin(&self, ranges: ByteRanges) {
        ranges.offsets().for_each(|offset| *self.locked(offset) -= 1);
    }
}

impl WriterMemory for ModelMemory {
    fn claim(&self, offset: usize) -> bool {
        self.lock(offset, |held| held == 0, -1)
    }
    fn unclaim(&self, offset: usize) {
        self.lock(offset, |_| true, 1);
        step_done(ProtocolStep::Unclaim);
    }
    fn sync(&self) -> Result<(), ShmError> {
        Ok(())
    }
    fn inode(&self) -> u64 {
        0
    }
    fn wake(&self, _offset: usize, _most: u32) -> u32 {
        0
    }
    fn prefault(&self, _offset: usize, _len: usize) {}
}
