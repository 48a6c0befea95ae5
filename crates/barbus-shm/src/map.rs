//! Maps of whole files: [`ReadMap`] from a read-only descriptor, [`WriteMap`] for the one writer.
//!
//! The assumption about other processes, stated once: other processes may store to the same file at any time. Therefore no
//! `&[u8]` or `&u64` over mapped bytes ever leaves this module, only atomics, for which concurrent change is defined.
//! Concurrent access of *mixed sizes* to the same bytes is avoided above: each byte of the layout has one word size.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::mm::ProtFlags;

use crate::pin::Pins;
use crate::region::{Region, in_memory};
use crate::{Load, Pieces, ReadOnly, ShmError, Store};

/// The smallest page of the systems that barbus runs on.
const PAGE: usize = 4096;

/// Bytes that the protocol reads as words: a mapped file, or a model of one.
///
/// Offsets are bytes from the start; a range that is outside of the map, or not aligned to the word, panics. Fences and release stores know their
/// caller, so that a model can leave out the one of a single place, to see whether anything fails without it.
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
    /// Has the cache line at `offset` fetched, and does not wait for it; a hint that may do nothing, and need not lie inside of the map.
    #[inline(always)]
    fn prefetch(&self, _offset: usize) {}
    /// Loads before it are not reordered with anything after it. Pairs with a release store or [`Memory::fence_release`].
    #[inline(always)]
    #[track_caller]
    fn fence_acquire(&self) {
        fence(Ordering::Acquire);
    }
    /// Nothing before it is reordered with stores after it. Pairs with [`Memory::fence_acquire`].
    #[inline(always)]
    #[track_caller]
    fn fence_release(&self) {
        fence(Ordering::Release);
    }
    /// Stores before it are seen by whoever finds, after such a fence of his own, that his stores before that were not seen by loads after this.
    #[inline(always)]
    #[track_caller]
    fn fence_full(&self) {
        fence(Ordering::SeqCst);
    }
}

/// What a writer needs besides words.
pub trait WriterMemory: Memory<W64: Store, W32: Store, W8: Store> {
    /// Takes the exclusive lock on the byte at `offset`, a piece's first; false where somebody holds a [`crate::Pin`] on it. It never waits.
    fn claim(&self, offset: usize) -> bool;
    /// Gives it back: whoever pins the piece after this sees what was stored before.
    fn unclaim(&self, offset: usize);
    /// Puts everything that was stored so far on disk. After an error it may be called again: what the disk did not take is written anew.
    fn sync(&self) -> Result<(), ShmError>;
    /// Wakes every process that waits on the 32-bit word at `offset`.
    fn wake_all(&self, offset: usize);
    /// As [`Memory::prefetch`], for stores.
    #[inline(always)]
    fn prefetch_for_stores(&self, _offset: usize) {}
    /// Makes `len` bytes from `offset` ready for stores; a hint that may do nothing.
    fn prefault(&self, offset: usize, len: usize);
}

/// What a reader needs, besides words, to hold on to bytes. Its clones are of the same map, and count their pins together.
pub trait ReaderMemory: Memory + Clone {
    /// Takes a shared lock on each of `pieces`, once more where this map has it already; false, and none is taken, while a writer has claimed
    /// one of them, which is for a moment.
    fn pin(&self, pieces: Pieces) -> Result<bool, ShmError>;
    /// Gives one of each back.
    fn unpin(&self, pieces: Pieces);
}

/// A file mapped `PROT_READ`, `MAP_SHARED`, from a read-only descriptor: nothing done through it can change the file.
///
/// A clone is the same map again; it is unmapped when the last clone, and the last [`crate::Frozen`] bytes of it, are dropped.
#[derive(Debug, Clone)]
pub struct ReadMap {
    /// Where `mapped` begins and how long it is: at hand, because every access needs them.
    base: *const u8,
    len: usize,
    mapped: Arc<Mapped>,
}

#[derive(Debug)]
struct Mapped {
    _region: Region,
    file: File,
    path: PathBuf,
    pins: Pins,
}

// SAFETY: `base` points to the mapping that `mapped` keeps, which may be used and dropped in any thread (`Region` is `Send` and `Sync`);
// through it memory is only loaded, as atomics (`words!`) or as bytes that do not change (`Frozen`).
unsafe impl Send for ReadMap {}
// SAFETY: as above; no method of `&ReadMap` has unsynchronized state: `Pins` is a mutex.
unsafe impl Sync for ReadMap {}

/// A file mapped for reading and writing, `MAP_SHARED`.
#[derive(Debug)]
pub struct WriteMap {
    region: Region,
    file: File,
    path: PathBuf,
    /// On a tmpfs, whose pages stay ready for stores once they were: where those begin that are.
    ready: Option<Mutex<BTreeSet<usize>>>,
}

impl ReadMap {
    /// Maps the whole of `path` as it is long now.
    pub fn open(path: &Path) -> Result<Self, ShmError> {
        let file = regular(OpenOptions::new().read(true), path, "open")?;
        let region = Region::map(&file, ProtFlags::READ).map_err(|e| ShmError::io(path, "map", e))?;
        Ok(Self {
            base: region.base(),
            len: region.len(),
            mapped: Arc::new(Mapped { _region: region, file, path: path.to_owned(), pins: Pins::default() }),
        })
    }

    /// The open file under the map.
    pub fn file(&self) -> &File {
        &self.mapped.file
    }

    /// The path that it was opened by (the file may have been renamed or replaced since).
    pub fn path(&self) -> &Path {
        &self.mapped.path
    }

    /// Whether the path that it was opened by still leads to this very file, as long as it was when it was mapped.
    pub fn is_at_its_path(&self) -> bool {
        let (Ok(mine), Ok(there)) = (self.file().metadata(), std::fs::metadata(self.path())) else { return false };
        (mine.dev(), mine.ino()) == (there.dev(), there.ino())
    }

    /// Length of the file now, bytes: less than [`Memory::len`] where somebody truncated it, and then its last pages must not be touched.
    pub fn file_len(&self) -> Result<u64, ShmError> {
        self.file().metadata().map(|found| found.len()).map_err(|e| ShmError::io(self.path(), "look at", e))
    }

    /// Has `watch` told of every piece that is pinned through this map, and its clones, from now on.
    pub fn watch_pins(&self, watch: Arc<dyn crate::PinWatch>) {
        self.pins().watch(watch);
    }

    pub(crate) fn pins(&self) -> &Pins {
        &self.mapped.pins
    }

    /// The bytes `offset..offset + len`, for [`crate::Frozen`].
    pub(crate) fn bytes(&self, offset: usize, len: usize) -> *const [u8] {
        check::<AtomicU8>(self.len, offset, len);
        // The offset is inside of the mapping.
        std::ptr::slice_from_raw_parts(self.base.wrapping_add(offset), len)
    }

    pub(crate) fn futex_word(&self, offset: usize) -> &AtomicU32 {
        check::<AtomicU32>(self.len, offset, 1);
        // SAFETY: in bounds and aligned by `check`; the page is mapped while `self` lives. The reference is only handed to
        // FUTEX_WAIT, which loads the word in the kernel and never stores: std's rule against stores to read-only memory holds.
        unsafe { &*self.base.add(offset).cast::<AtomicU32>() }
    }
}

impl WriteMap {
    /// Maps the whole of `path` as it is long now. Exclusiveness is the caller's, by a [`crate::WriterLock`].
    pub fn open(path: &Path) -> Result<Self, ShmError> {
        let file = regular(OpenOptions::new().read(true).write(true), path, "open for writing")?;
        let region =
            Region::map(&file, ProtFlags::READ | ProtFlags::WRITE).map_err(|e| ShmError::io(path, "map", e))?;
        let ready = in_memory(&file).then(Mutex::default);
        Ok(Self { region, file, path: path.to_owned(), ready })
    }

    /// Under the path that the file is to have, for messages.
    pub fn renamed(self, path: &Path) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// The open file under the map.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes every page one that the next sync writes, without changing a byte, whatever other threads store meanwhile.
    ///
    /// After a sync that failed the kernel takes the pages for clean that it could not write: the next one would succeed without them.
    fn touch(&self) {
        for offset in (0..self.region.len() / 8 * 8).step_by(PAGE) {
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

    pub(crate) fn futex_word(&self, offset: usize) -> &AtomicU32 {
        &self.words32(offset, 1)[0]
    }
}

impl WriterMemory for WriteMap {
    fn claim(&self, offset: usize) -> bool {
        crate::pin::claim(&self.file, offset)
    }

    fn unclaim(&self, offset: usize) {
        crate::pin::unclaim(&self.file, offset);
    }

    fn sync(&self) -> Result<(), ShmError> {
        crate::sync(&self.file, &self.path).inspect_err(|_| self.touch())
    }

    fn wake_all(&self, offset: usize) {
        crate::wake_all(self, offset);
    }

    #[inline(always)]
    fn prefetch_for_stores(&self, offset: usize) {
        prefetch::<true>(self.base().wrapping_add(offset));
    }

    /// Faults the pages in, so that the hot path does not.
    fn prefault(&self, offset: usize, len: usize) {
        let page = 4096;
        let start = offset / page * page;
        let end = (offset + len).min(self.region.len());
        let is_ready =
            |ready: &Mutex<BTreeSet<usize>>| !ready.lock().unwrap_or_else(PoisonError::into_inner).insert(start);
        if start >= end || self.ready.as_ref().is_some_and(is_ready) {
            return;
        }
        // SAFETY: `start..end` lies in this map (clamped above), which lives as long as `self`. MADV_POPULATE_WRITE
        // (Linux 5.14) changes no bytes: it triggers the write faults that a store would. Errors mean it was not done.
        let _ = unsafe {
            rustix::mm::madvise(
                self.region.base().add(start).cast(),
                end - start,
                rustix::mm::Advice::LinuxPopulateWrite,
            )
        };
    }
}

impl ReaderMemory for ReadMap {
    fn pin(&self, pieces: Pieces) -> Result<bool, ShmError> {
        check::<AtomicU8>(self.len, pieces.offset, pieces.len.saturating_mul(pieces.count));
        self.pins().take(self.file(), pieces).map_err(|e| ShmError::io(self.path(), "lock a block of", e))
    }

    fn unpin(&self, pieces: Pieces) {
        self.pins().give_back(self.file(), pieces);
    }
}

impl ReadMap {
    #[inline(always)]
    fn base(&self) -> *const u8 {
        self.base
    }
}

impl WriteMap {
    #[inline(always)]
    fn base(&self) -> *const u8 {
        self.region.base()
    }
}

/// Opens `path`, which must be a regular file, without waiting: a FIFO or a device in its place is an error at once.
fn regular(options: &mut OpenOptions, path: &Path, action: &'static str) -> Result<File, ShmError> {
    let refused = |e: std::io::Error| ShmError::io(path, action, e);
    // For a regular file the flag means nothing.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = options.custom_flags(nonblock).open(path).map_err(refused)?;
    match file.metadata().map_err(refused)?.is_file() {
        true => Ok(file),
        false => Err(refused(std::io::Error::other("not a regular file"))),
    }
}

/// Panics unless `count` words of `W` at `offset` lie within `len` bytes, aligned (the base of a map is page-aligned).
#[inline(always)]
fn check<W>(len: usize, offset: usize, count: usize) {
    let fits = count.checked_mul(size_of::<W>()).and_then(|n| n.checked_add(offset)).is_some_and(|end| end <= len);
    if !fits || !offset.is_multiple_of(align_of::<W>()) {
        outside(len, offset, count);
    }
}

/// By itself, so that the message costs nothing where it is not needed.
#[cold]
#[inline(never)]
fn outside(len: usize, offset: usize, count: usize) -> ! {
    panic!("{count} words at {offset} of {len} bytes");
}

/// Has the cache line at `line` fetched.
#[inline(always)]
fn prefetch<const FOR_STORES: bool>(line: *const u8) {
    // SAFETY: the instructions change nothing but the caches, and fault on no address; a processor without the first takes it for a no-op.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        if FOR_STORES {
            std::arch::asm!("prefetchw [{}]", in(reg) line.addr(), options(nostack, preserves_flags, nomem));
        } else {
            std::arch::asm!("prefetcht0 [{}]", in(reg) line.addr(), options(nostack, preserves_flags, nomem));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

macro_rules! words {
    ($name:ident, $word:ty) => {
        #[inline(always)]
        fn $name(&self, offset: usize, count: usize) -> &[$word] {
            check::<$word>(self.len(), offset, count);
            // SAFETY: `check` proves that the range is inside the mapping and aligned: mmap returns page-aligned addresses.
            // The mapping lives as long as `self`, to which the slice is bound. Any bit pattern is a valid atomic integer.
            // Other processes may store concurrently, which atomics allow. For a read-only map the word is `ReadOnly`,
            // which can only be loaded, relaxed, at most 8 bytes: the accesses that std permits on read-only memory.
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
        self.region.len()
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
