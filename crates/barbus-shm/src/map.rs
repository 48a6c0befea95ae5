//! Maps of whole files: [`ReadMap`] from a read-only descriptor, [`WriteMap`] for the one writer.
//!
//! The assumption about other processes, stated once: they may store to the same file at any time.
//! Therefore this module returns atomics, for which concurrent change is defined. It returns a
//! `&[u8]` only for bytes that the file's format keeps from being written ([`crate::PinnedBytes`]).
//! Concurrent accesses of different sizes to the same bytes are avoided by the layer above: each
//! byte of the layout has one word size.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use memmap2::{Advice, MmapRaw};
use nix::errno::Errno;

use crate::error::ShmError;
use crate::file::{is_at, is_on_tmpfs, open_regular, sync};
use crate::futex;
use crate::huge_pages::{map_read_only, map_read_write};
use crate::memory::{Memory, ReaderMemory, WriterMemory};
use crate::open_file;
use crate::own_blocks::{check_in_place, shared_ranges};
use crate::pins::{PinRefusal, PinWatch, Pins};
use crate::prefetch::prefetch;
use crate::range_lock::{ByteRanges, lock_exclusive, lock_writer, unlock};
use crate::word::ReadOnly;

/// The smallest page of the systems that barbus runs on.
const PAGE: usize = 4096;

/// A file mapped `PROT_READ`, `MAP_SHARED`, from a read-only descriptor: it cannot change the file.
///
/// A clone is the same map. The file is unmapped when the last clone, and the last
/// [`crate::PinnedBytes`] of it, are dropped. A map of at least 2 MB begins at a multiple of 2 MB,
/// so that the kernel can map it by huge pages.
#[derive(Debug, Clone)]
pub struct ReadMap {
    /// Start and length of the mapping in `mapped`: without a second pointer to follow, because
    /// every access needs them.
    base: *const u8,
    len: usize,
    mapped: Arc<Mapped>,
}

#[derive(Debug)]
struct Mapped {
    _map: MmapRaw,
    file: File,
    path: PathBuf,
    pins: Pins,
}

// SAFETY: `base` points to the mapping that `mapped` owns, which any thread may use and drop
// (`MmapRaw` is `Send` and `Sync`). Memory is only loaded through it, as atomics (`words!`) or as
// bytes that do not change (`unchanging_bytes`).
unsafe impl Send for ReadMap {}
// SAFETY: as above; no method of `&ReadMap` has unsynchronized state: `Pins` is a mutex.
unsafe impl Sync for ReadMap {}

/// A file mapped for reading and writing, `MAP_SHARED`; aligned as a [`ReadMap`] is.
#[derive(Debug)]
pub struct WriteMap {
    map: MmapRaw,
    file: File,
    path: PathBuf,
    /// On a tmpfs, the starts of the ranges that are ready for stores: there they stay ready.
    ready: Option<Mutex<BTreeSet<usize>>>,
}

impl ReadMap {
    /// Maps the whole file at `path`; its current length is the length of the map.
    ///
    /// # Errors
    /// `path` is not a regular file, or cannot be opened or mapped. A symbolic link is refused.
    pub fn open(path: &Path) -> Result<Self, ShmError> {
        let file = open_regular(OpenOptions::new().read(true), libc::O_NOFOLLOW, path)
            .map_err(|e| ShmError::io(path, "open", e))?;
        let map = map_read_only(&file).map_err(|e| ShmError::io(path, "map", e))?;
        let (base, len) = (map.as_ptr(), map.len());
        let mapped = Mapped { _map: map, file, path: path.to_owned(), pins: Pins::default() };
        Ok(Self { base, len, mapped: Arc::new(mapped) })
    }

    /// The open file under the map.
    pub fn file(&self) -> &File {
        &self.mapped.file
    }

    /// The path that it was opened by; the file may have been renamed or replaced since.
    pub fn path(&self) -> &Path {
        &self.mapped.path
    }

    /// Whether the path that it was opened by still leads to this file.
    pub fn is_at_its_path(&self) -> bool {
        is_at(self.file(), self.path())
    }

    /// Current length of the file, bytes.
    ///
    /// It is less than [`Memory::len`] after a truncation; the last pages must then not be touched.
    pub fn file_len(&self) -> Result<u64, ShmError> {
        self.file().metadata().map(|found| found.len()).map_err(|e| ShmError::io(self.path(), "read the length of", e))
    }

    /// Reports to `watch` each range that this map and its clones pin after this call.
    pub fn watch_pins(&self, watch: Arc<dyn PinWatch>) {
        self.mapped.pins.watch(watch);
    }

    /// Pins at most `ranges` ranges at once through this map and its clones from now on.
    pub fn limit_pins(&self, ranges: usize) {
        self.mapped.pins.limit(ranges);
    }

    /// Sleeps while the 32-bit word at `offset` still holds `expected`, at most for `timeout`.
    ///
    /// It may return early: the caller checks again in every case. True if a signal that has a
    /// handler ended the sleep.
    pub fn wait(&self, offset: usize, expected: u32, timeout: Duration) -> bool {
        futex::wait(self.words32(offset, 1).as_ptr().cast(), expected, timeout)
    }

    /// The bytes `offset..offset + len`, which nothing may store to while the slice lives.
    ///
    /// Only for [`crate::Pin`] and [`crate::PinnedBytes`], whose contract states why this holds.
    pub(crate) fn unchanging_bytes(&self, offset: usize, len: usize) -> &[u8] {
        check::<AtomicU8>(self.len, offset, len);
        // SAFETY: `check` proves that the range is inside the mapping, which lives as long as
        // `self`, to which the slice is bound. That nothing stores to it is the caller's contract.
        unsafe { std::slice::from_raw_parts(self.base.add(offset), len) }
    }

    #[inline(always)]
    fn base(&self) -> *const u8 {
        self.base
    }
}

impl WriteMap {
    /// Maps the whole file at `path`; its current length is the length of the map.
    ///
    /// The caller makes sure that it is the only writer, by [`WriteMap::lock`] or otherwise.
    ///
    /// # Errors
    /// `path` is not a regular file, or cannot be opened or mapped. A symbolic link is refused.
    pub fn open(path: &Path) -> Result<Self, ShmError> {
        let file = open_regular(OpenOptions::new().read(true).write(true), libc::O_NOFOLLOW, path)
            .map_err(|e| ShmError::io(path, "open for writing", e))?;
        let map = map_read_write(&file).map_err(|e| ShmError::io(path, "map", e))?;
        let ready = is_on_tmpfs(path).unwrap_or(false).then(Mutex::default);
        Ok(Self { map, file, path: path.to_owned(), ready })
    }

    /// Locks the file for this map as its one writer, until the map is dropped.
    ///
    /// The lock belongs to the file itself: a second writer is refused whatever path it opens.
    /// False if a process that may only read the file has a lock in the way. It cannot keep the
    /// writer from its work, but as long as it has its lock, a second writer is not refused.
    ///
    /// # Errors
    /// [`ShmError::Held`], with the process ID 0, while another map has the lock; or the system's
    /// refusal.
    pub fn lock(&self) -> Result<bool, ShmError> {
        lock_writer(&self.file).map_err(|error| match error {
            Errno::EAGAIN => ShmError::Held { path: self.path.clone(), pid: 0 },
            error => ShmError::io(&self.path, "lock", error),
        })
    }

    /// Whether the file system writes the file's blocks in place.
    ///
    /// # Errors
    /// It copies each block that is written: on a full disk a store would raise `SIGBUS`.
    pub fn check_in_place(&self) -> Result<(), ShmError> {
        check_in_place(&self.file).map_err(|e| ShmError::io(&self.path, "use", e))
    }

    /// Gives the file blocks of its own where it shares them with a copy or a snapshot; returns
    /// whether it shared any. Other threads may store to the map meanwhile.
    ///
    /// # Errors
    /// The disk has no room for them. A store may then raise `SIGBUS`.
    pub fn unshare(&self) -> Result<bool, ShmError> {
        let refused = |e: std::io::Error| ShmError::io(&self.path, "give blocks of its own to", e);
        let shared = shared_ranges(&self.file).map_err(refused)?;
        for range in &shared {
            let start = range.start as usize / PAGE * PAGE;
            let len = (range.end as usize).min(self.map.len()).saturating_sub(start);
            // It makes each page ready for a store, for which the file system takes a free block,
            // and changes no byte. Where a store would raise a signal, this call fails.
            self.map.advise_range(Advice::PopulateWrite, start, len).map_err(|error| match error.raw_os_error() {
                Some(libc::EFAULT) => refused(std::io::Error::other(
                    "it shares blocks with a copy or a snapshot, and the disk has no room for others: \
                         make room, or remove the copy",
                )),
                _ => refused(error),
            })?;
        }
        if shared.is_empty() {
            return Ok(false);
        }
        // The new blocks are assigned when the pages are written.
        self.sync()?;
        Ok(true)
    }

    /// Whether the path that it was opened by, or is renamed to, still leads to this file.
    pub fn is_at_its_path(&self) -> bool {
        is_at(&self.file, &self.path)
    }

    /// The same map, with the path that the file is about to be renamed to, for messages.
    pub fn renamed(self, path: &Path) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// The open file under the map.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The path that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether another process, or another map of this one, has the file open.
    ///
    /// If the system cannot tell, it counts as open.
    pub fn is_open_elsewhere(&self) -> bool {
        !open_file::is_only_one(&self.file)
    }

    /// Marks every page dirty without changing a byte, whatever other threads store meanwhile.
    ///
    /// After a failed sync the kernel considers the pages clean that it could not write: the next
    /// sync would succeed without them.
    fn dirty_all_pages(&self) {
        for offset in (0..self.map.len() / 8 * 8).step_by(PAGE) {
            let word = &self.words64(offset, 1)[0];
            let value = word.load(Ordering::Relaxed);
            // A failure means that another thread has stored to the page: it is dirty.
            let _ = word.compare_exchange(value, value, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn base(&self) -> *const u8 {
        self.map.as_ptr()
    }
}

impl WriterMemory for WriteMap {
    /// A refusal for another reason counts as a pin.
    fn claim(&self, offset: usize) -> bool {
        lock_exclusive(&self.file, offset..offset + 1).unwrap_or(false)
    }

    fn unclaim(&self, offset: usize) {
        unlock(&self.file, offset..offset + 1);
    }

    fn sync(&self) -> Result<(), ShmError> {
        sync(&self.file, &self.path).inspect_err(|_| self.dirty_all_pages())
    }

    fn inode(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.ino())
    }

    fn wake(&self, offset: usize, most: u32) -> u32 {
        futex::wake(self.words32(offset, 1).as_ptr().cast(), most)
    }

    #[inline(always)]
    fn prefetch_for_stores(&self, offset: usize) {
        prefetch::<true>(self.base().wrapping_add(offset));
    }

    /// Faults the pages in, so that the hot path does not.
    fn prefault(&self, offset: usize, len: usize) {
        let start = offset / PAGE * PAGE;
        let end = (offset + len).min(self.map.len());
        let is_ready =
            |ready: &Mutex<BTreeSet<usize>>| !ready.lock().unwrap_or_else(PoisonError::into_inner).insert(start);
        if start >= end || self.ready.as_ref().is_some_and(is_ready) {
            return;
        }
        // MADV_POPULATE_WRITE (Linux 5.14). After an error the stores fault the pages in.
        let _ = self.map.advise_range(Advice::PopulateWrite, start, end - start);
    }
}

impl ReaderMemory for ReadMap {
    fn pin(&self, ranges: ByteRanges) -> Result<Result<(), PinRefusal>, ShmError> {
        check::<AtomicU8>(self.len, ranges.offset, ranges.len.saturating_mul(ranges.count));
        self.mapped.pins.pin(self.file(), ranges).map_err(|e| ShmError::io(self.path(), "lock a block of", e))
    }

    fn unpin(&self, ranges: ByteRanges) {
        self.mapped.pins.unpin(self.file(), ranges);
    }
}

/// Panics unless `count` words of `W` at `offset` lie within `len` bytes and are aligned.
///
/// The base of a map is aligned to a page.
#[inline(always)]
fn check<W>(len: usize, offset: usize, count: usize) {
    let fits = count.checked_mul(size_of::<W>()).and_then(|n| n.checked_add(offset)).is_some_and(|end| end <= len);
    if !fits || !offset.is_multiple_of(align_of::<W>()) {
        out_of_bounds(len, offset, count);
    }
}

/// A separate function, so that callers do not contain the code that formats the message.
#[cold]
#[inline(never)]
fn out_of_bounds(len: usize, offset: usize, count: usize) -> ! {
    panic!("{count} words at {offset} of {len} bytes");
}

macro_rules! words {
    ($name:ident, $word:ty) => {
        #[inline(always)]
        fn $name(&self, offset: usize, count: usize) -> &[$word] {
            check::<$word>(self.len(), offset, count);
            // SAFETY: `check` proves that the range is inside the mapping and aligned: mmap returns
            // page-aligned addresses. The mapping lives as long as `self`, to which the slice is
            // bound. Any bit pattern is a valid atomic integer. Other processes may store
            // concurrently, which atomics allow. For a read-only map the word is `ReadOnly`, which
            // can only be loaded, relaxed, at most 8 bytes: the accesses that std permits on
            // read-only memory.
            unsafe { std::slice::from_raw_parts(self.base().add(offset).cast::<$word>(), count) }
        }
    };
}

impl Memory for ReadMap {
    type W64 = ReadOnly<AtomicU64>;
    type W32 = ReadOnly<AtomicU32>;
    type W8 = ReadOnly<AtomicU8>;
    #[inline(always)]
    fn len(&self) -> usize {
        self.len
    }
    #[inline(always)]
    fn prefetch(&self, offset: usize) {
        prefetch::<false>(self.base().wrapping_add(offset));
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
        self.map.len()
    }
    words!(words64, AtomicU64);
    words!(words32, AtomicU32);
    words!(words8, AtomicU8);
}

#[cfg(test)]
mod tests {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    use super::*;
    use crate::{Load, Store, allocate};

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

    /// Promise 2: a reader's pages are mapped without PROT_WRITE, from a descriptor that cannot be
    /// used to write.
    #[test]
    fn a_read_map_is_read_only_for_the_kernel() {
        let (dir, writer, reader) = maps();
        drop(writer);
        let path = dir.path().join("map");
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps.lines().find(|l| l.ends_with(path.to_str().unwrap())).unwrap();
        assert!(line.contains(" r--s "), "{line}");
        let flags = OFlag::from_bits_retain(fcntl(reader.file(), FcntlArg::F_GETFL).unwrap());
        assert!(!flags.intersects(OFlag::O_WRONLY | OFlag::O_RDWR));
    }
}
