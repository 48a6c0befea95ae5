//! A pin: a guard that keeps the writer from reusing byte ranges of a file.

use crate::error::ShmError;
use crate::map::ReadMap;
use crate::memory::ReaderMemory;
use crate::pins::PinRefusal;
use crate::range_lock::ByteRanges;

/// Holds a shared lock on byte ranges of a file. Their writer does not reuse them while it lives.
#[derive(Debug)]
pub struct Pin<M: ReaderMemory = ReadMap> {
    map: M,
    ranges: ByteRanges,
}

impl<M: ReaderMemory> Pin<M> {
    /// Pins all of `ranges`, or says why it pinned none.
    ///
    /// It makes no system call where this map has pinned all of them already.
    ///
    /// # Errors
    /// The system refuses the lock for another reason than a claim.
    pub fn take(map: &M, ranges: ByteRanges) -> Result<Result<Self, PinRefusal>, ShmError> {
        Ok(map.pin(ranges)?.map(|()| Self { map: map.clone(), ranges }))
    }

    /// The map.
    pub fn map(&self) -> &M {
        &self.map
    }
}

impl Pin {
    /// `len` pinned bytes from `offset`, which do not change while they are pinned.
    ///
    /// The contract is that of [`crate::PinnedBytes`]; this borrows the pin and holds nothing more.
    ///
    /// # Panics
    /// The bytes are not inside the pinned ranges.
    pub fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        let (pinned, end) = (self.ranges.bytes(), offset.saturating_add(len));
        assert!(pinned.start <= offset && end <= pinned.end, "{offset}..{end} is not in {pinned:?}");
        self.map.unchanging_bytes(offset, len)
    }
}

impl<M: ReaderMemory> Drop for Pin<M> {
    fn drop(&mut self) {
        self.map.unpin(self.ranges);
    }
}
