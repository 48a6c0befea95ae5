//! Maps of whole files: [`ReadMap`] from a read-only descriptor, [`WriteMap`] for the one writer.
//!
//! The assumption about other processes, stated once: other processes may store to the same file at any time. Therefore no
//! `&[u8]` or `&u64` over mapped bytes ever leaves this module, only atomics, for which concurrent change is defined.
//! Concurrent access of *mixed sizes* to the same bytes is avoided above: each byte of the layout has one word size.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use memmap2::{MmapOptions, MmapRaw};

use crate::{Load, ReadOnly, ShmError};

/// The smallest page of the systems that barbus runs on.
const PAGE: usize = 4096;

/// Bytes that the protocol reads as words: a mapped file, or a model of one.
///
/// Offsets are bytes from the start; a range that is outside of the map, or not aligned to the word, panics.
pub trait Memory {
    /// A 64-bit word.
    type W64: Load<Value = u64>;
    /// A 32-bit word.
    type W32: Load<Value = u32>;
    /// A byte.
    type W8: Load<Value = u8>;
    /// Length in bytes.
    fn len(&self) -> usize;
    /// True when there is nothing mapped.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// `count` 64-bit words from `offset`.
    fn words64(&self, offset: usize, count: usize) -> &[Self::W64];
    /// `count` 32-bit words from `offset`.
    fn words32(&self, offset: usize, count: usize) -> &[Self::W32];
    /// `count` bytes from `offset`.
    fn words8(&self, offset: usize, count: usize) -> &[Self::W8];
    /// Loads before it are not reordered with anything after it. Pairs with a release store or [`Memory::fence_release`].
    #[inline(always)]
    fn fence_acquire(&self) {
        fence(Ordering::Acquire);
    }
    /// Nothing before it is reordered with stores after it. Pairs with [`Memory::fence_acquire`].
    #[inline(always)]
    fn fence_release(&self) {
        fence(Ordering::Release);
    }
}

/// A file mapped `PROT_READ`, `MAP_SHARED`, from a read-only descriptor: nothing done through it can change the file.
#[derive(Debug)]
pub struct ReadMap {
    raw: MmapRaw,
    file: File,
    path: PathBuf,
}

/// A file mapped for reading and writing, `MAP_SHARED`.
#[derive(Debug)]
pub struct WriteMap {
    raw: MmapRaw,
    file: File,
    path: PathBuf,
}

impl ReadMap {
    /// Maps the whole of `path` as it is long now.
    pub fn open(path: &Path) -> Result<Self, ShmError> {
        let file = File::open(path).map_err(|e| ShmError::io(path, "open", e))?;
        let raw = MmapOptions::new().map_raw_read_only(&file).map_err(|e| ShmError::io(path, "map", e))?;
        Ok(Self { raw, file, path: path.to_owned() })
    }

    /// The open file under the map.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The path that it was opened by (the file may have been renamed or replaced since).
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn futex_word(&self, offset: usize) -> &AtomicU32 {
        check::<AtomicU32>(self.raw.len(), offset, 1);
        // SAFETY: in bounds and aligned by `check`; the page is mapped while `self` lives. The reference is only handed to
        // FUTEX_WAIT, which loads the word in the kernel and never stores: std's rule against stores to read-only memory holds.
        unsafe { &*self.raw.as_ptr().add(offset).cast::<AtomicU32>() }
    }
}

impl WriteMap {
    /// Maps the whole of `path` as it is long now. Exclusiveness is the caller's, by a [`crate::WriterLock`].
    pub fn open(path: &Path) -> Result<Self, ShmError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|e| ShmError::io(path, "open for writing", e))?;
        let raw = MmapOptions::new().map_raw(&file).map_err(|e| ShmError::io(path, "map", e))?;
        Ok(Self { raw, file, path: path.to_owned() })
    }

    /// The open file under the map.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes every page one that the next sync writes, without changing a byte, whatever other threads store meanwhile.
    ///
    /// After a sync that failed the kernel takes the pages for clean that it could not write: the next one would succeed without them.
    pub fn touch(&self) {
        for offset in (0..self.raw.len() / 8 * 8).step_by(PAGE) {
            let word = &self.words64(offset, 1)[0];
            let value = word.load(Ordering::Relaxed);
            // Where this fails somebody else has stored to the page.
            let _ = word.compare_exchange(value, value, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// The path that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Faults the pages of `len` bytes from `offset` in, ready for stores, so that the hot path does not; a hint that may
    /// do nothing.
    pub fn prefault(&self, offset: usize, len: usize) {
        let page = 4096;
        let start = offset / page * page;
        let end = (offset + len).min(self.raw.len());
        if start >= end {
            return;
        }
        // SAFETY: `start..end` lies in this map (clamped above), which lives as long as `self`. MADV_POPULATE_WRITE
        // (Linux 5.14) changes no bytes: it triggers the write faults that a store would. Errors mean it was not done.
        let _ = unsafe {
            rustix::mm::madvise(
                self.raw.as_mut_ptr().add(start).cast(),
                end - start,
                rustix::mm::Advice::LinuxPopulateWrite,
            )
        };
    }

    pub(crate) fn futex_word(&self, offset: usize) -> &AtomicU32 {
        &self.words32(offset, 1)[0]
    }
}

/// Panics unless `count` words of `W` at `offset` lie within `len` bytes, aligned (the base of a map is page-aligned).
#[inline(always)]
fn check<W>(len: usize, offset: usize, count: usize) {
    let fits = count.checked_mul(size_of::<W>()).and_then(|n| n.checked_add(offset)).is_some_and(|end| end <= len);
    assert!(fits && offset.is_multiple_of(align_of::<W>()), "{count} words at {offset} of {len} bytes");
}

macro_rules! words {
    ($name:ident, $word:ty) => {
        #[inline(always)]
        fn $name(&self, offset: usize, count: usize) -> &[$word] {
            check::<$word>(self.raw.len(), offset, count);
            // SAFETY: `check` proves that the range is inside the mapping and aligned: mmap returns page-aligned addresses.
            // The mapping lives as long as `self`, to which the slice is bound. Any bit pattern is a valid atomic integer.
            // Other processes may store concurrently, which atomics allow. For a read-only map the word is `ReadOnly`,
            // which can only be loaded, relaxed, at most 8 bytes: the accesses that std permits on read-only memory.
            unsafe { std::slice::from_raw_parts(self.raw.as_ptr().add(offset).cast::<$word>(), count) }
        }
    };
}

impl Memory for ReadMap {
    type W64 = ReadOnly<AtomicU64>;
    type W32 = ReadOnly<AtomicU32>;
    type W8 = ReadOnly<AtomicU8>;
    #[inline(always)]
    fn len(&self) -> usize {
        self.raw.len()
    }
    words!(words64, ReadOnly<AtomicU64>);
    words!(words32, ReadOnly<AtomicU32>);
    words!(words8, ReadOnly<AtomicU8>);
}

impl Memory for WriteMap {
    type W64 = AtomicU64;
    type W32 = AtomicU32;
    type W8 = AtomicU8;
    #[inline(always)]
    fn len(&self) -> usize {
        self.raw.len()
    }
    words!(words64, AtomicU64);
    words!(words32, AtomicU32);
    words!(words8, AtomicU8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Store, allocate};

    fn maps() -> (tempfile::TempDir, WriteMap, ReadMap) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("map");
        allocate(&path, 8192).unwrap();
        (dir, WriteMap::open(&path).unwrap(), ReadMap::open(&path).unwrap())
    }

    #[test]
    fn a_store_is_seen_through_the_other_map() {
        let (_dir, writer, reader) = maps();
        writer.words64(8, 2)[1].set(7);
        writer.words8(100, 1)[0].set(9);
        assert_eq!(reader.words64(16, 1)[0].get(), 7);
        assert_eq!(reader.words8(100, 1)[0].get(), 9);
    }

    #[test]
    #[should_panic(expected = "words at 8192")]
    fn a_word_past_the_end_panics() {
        let (_dir, _writer, reader) = maps();
        reader.words8(8192, 1);
    }

    #[test]
    #[should_panic(expected = "words at 4")]
    fn a_misaligned_word_panics() {
        let (_dir, _writer, reader) = maps();
        reader.words64(4, 1);
    }

    /// Promise 2: a reader's pages are mapped without PROT_WRITE, from a descriptor that could not be used to write.
    #[test]
    fn a_read_map_is_read_only_for_the_kernel() {
        let (dir, _writer, reader) = maps();
        drop(_writer);
        let path = dir.path().join("map");
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps.lines().find(|l| l.ends_with(path.to_str().unwrap())).unwrap();
        assert!(line.contains(" r--s "), "{line}");
        let flags = rustix::fs::fcntl_getfl(reader.file()).unwrap();
        assert!(!flags.intersects(rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::RDWR));
    }
}
