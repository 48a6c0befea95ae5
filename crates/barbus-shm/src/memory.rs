//! The memory traits of the protocol above: words at offsets, and what writer and reader add.

use std::sync::atomic::{Ordering, fence};

use crate::error::ShmError;
use crate::pins::PinRefusal;
use crate::range_lock::ByteRanges;
use crate::word::{Load, Store};

/// Bytes that the protocol reads as words: a mapped file, or a model of one.
///
/// Offsets are bytes from the start.
/// A range that lies outside the map, or is not aligned to the word, panics.
/// Fences and release stores know their caller, so that a model can omit a single one of them and
/// check that a test then fails.
pub trait Memory {
    /// A 64-bit word.
    type W64: Load<Value = u64>;
    /// A 32-bit word.
    type W32: Load<Value = u32>;
    /// A byte.
    type W8: Load<Value = u8>;
    /// Length in bytes.
    fn len(&self) -> usize;
    /// True for a map of an empty file.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// `count` 64-bit words from `offset`.
    fn words64(&self, offset: usize, count: usize) -> &[Self::W64];
    /// `count` 32-bit words from `offset`.
    fn words32(&self, offset: usize, count: usize) -> &[Self::W32];
    /// `count` bytes from `offset`.
    fn words8(&self, offset: usize, count: usize) -> &[Self::W8];
    /// Starts to fetch the cache line at `offset` and does not wait for it.
    ///
    /// A hint: it may do nothing, and `offset` may lie outside the map.
    #[inline(always)]
    fn prefetch(&self, _offset: usize) {}
    /// Loads before the fence are not reordered with anything after it.
    ///
    /// Pairs with a release store or [`Memory::fence_release`].
    #[inline(always)]
    #[track_caller]
    fn fence_acquire(&self) {
        fence(Ordering::Acquire);
    }
    /// Nothing before the fence is reordered with stores after it.
    ///
    /// Pairs with [`Memory::fence_acquire`].
    #[inline(always)]
    #[track_caller]
    fn fence_release(&self) {
        fence(Ordering::Release);
    }
    /// Of two threads that each store, fence and load, at least one sees the other's store.
    ///
    /// Pairs with another full fence.
    #[inline(always)]
    #[track_caller]
    fn fence_full(&self) {
        fence(Ordering::SeqCst);
    }
}

/// What a writer needs besides words.
pub trait WriterMemory: Memory<W64: Store, W32: Store, W8: Store> {
    /// Takes the exclusive lock on the byte at `offset`, the first one of a range.
    ///
    /// False while a [`crate::Pin`] holds the range. It never waits.
    fn claim(&self, offset: usize) -> bool;
    /// Releases the lock: a reader that pins the range after this sees every earlier store.
    fn unclaim(&self, offset: usize);
    /// Writes every store so far to the disk.
    ///
    /// After an error it may be called again: it then writes the failed pages again.
    fn sync(&self) -> Result<(), ShmError>;
    /// The inode of the file; 0 if it is not known.
    fn inode(&self) -> u64;
    /// Wakes at most `most` processes that wait on the 32-bit word at `offset`, and returns their
    /// number. Those that waited longest come first.
    fn wake(&self, offset: usize, most: u32) -> u32;
    /// As [`Memory::prefetch`], for stores.
    #[inline(always)]
    fn prefetch_for_stores(&self, _offset: usize) {}
    /// Makes `len` bytes from `offset` ready for stores; a hint that may do nothing.
    fn prefault(&self, offset: usize, len: usize);
}

/// What a reader needs besides words: to keep byte ranges from being written again.
///
/// Clones belong to the same map and count their pins together.
pub trait ReaderMemory: Memory + Clone {
    /// Takes a shared lock on each of `ranges`, or counts one more pin where this map has the lock.
    ///
    /// If one of them is refused, nothing is pinned.
    fn pin(&self, ranges: ByteRanges) -> Result<Result<(), PinRefusal>, ShmError>;
    /// Removes one pin from each of `ranges`.
    fn unpin(&self, ranges: ByteRanges);
}
