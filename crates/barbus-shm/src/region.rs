//! A whole file mapped where the kernel can map huge pages of it, and files put into such pages.

use std::ffi::c_void;
use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::fs::FileExt;
use std::ptr::{null_mut, without_provenance_mut};

use nix::libc;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// What the kernel maps with one entry where file and address allow it, on x86-64 and on aarch64 with pages of 4 KiB.
const HUGE_PAGE: usize = 2 << 20;
/// `statfs` says it of a tmpfs (`linux/magic.h`).
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;

/// Places that are looked for, where other threads map something there first.
const TRIES: usize = 8;

/// A file mapped `MAP_SHARED`, as it was long then; unmapped when the value is dropped.
///
/// Where it is as large as a huge page it begins at a multiple of one: the kernel maps huge pages of a file only at addresses that are to them
/// as their places are in the file, and not every kernel chooses such an address by itself.
#[derive(Debug)]
pub(crate) struct Region {
    base: *mut u8,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread; `Region` hands out its address only, and never changes.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Maps all of `file`; `protection` must not be more than the file was opened for.
    pub(crate) fn map(file: &File, protection: ProtFlags) -> Result<Self> {
        let len = usize::try_from(file.metadata()?.len()).map_err(Error::other)?;
        let mut region = Self::map_at(file, protection, len, free_place(len))?;
        for _ in 1..TRIES {
            if len < HUGE_PAGE || region.is_aligned() {
                break;
            }
            let Ok(other) = Self::map_at(file, protection, len, free_place(len)) else { break };
            region = other;
        }
        Ok(region)
    }

    /// Maps `len` bytes of `file` at `place`, or elsewhere where that is taken.
    ///
    /// Never `MAP_FIXED` over addresses that were reserved: a kernel that refuses the file then (9p, FUSE, want of memory) has given them up already, and
    /// who gives back what he reserved would take away what another thread has mapped there meanwhile.
    fn map_at(file: &File, protection: ProtFlags, len: usize, place: *mut c_void) -> Result<Self> {
        // SAFETY: a new mapping where nothing is: without `MAP_FIXED` the address is a wish.
        let base = unsafe { mmap(place, size(len), protection, MapFlags::SHARED, file, 0) }?;
        Ok(Self { base: base.cast(), len })
    }

    /// Whether huge pages of the file can be mapped in it.
    fn is_aligned(&self) -> bool {
        self.base.addr().is_multiple_of(HUGE_PAGE)
    }

    /// Where it begins.
    #[inline(always)]
    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    /// Its length, that of the file when it was mapped, bytes.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Has the huge page at `offset` made of what the file has there, if it can be; says whether it was.
    fn collapse(&self, offset: usize) -> bool {
        assert!(offset + HUGE_PAGE <= self.len, "a huge page at {offset} of {} bytes", self.len);
        // At another address the kernel finds nothing to do, and says that it is done.
        if !self.is_aligned() {
            return false;
        }
        // SAFETY: the range lies in this mapping (asserted), which lives as long as `self`. MADV_COLLAPSE (Linux 6.1) changes no byte: it moves
        // what is there to another page of physical memory, as the kernel may at any time.
        unsafe { libc::madvise(self.base.wrapping_add(offset).cast(), HUGE_PAGE, libc::MADV_COLLAPSE) == 0 }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: it was mapped by `map_at`, for this value; whoever was told of its addresses has borrowed it.
        let _ = unsafe { munmap(self.base.cast(), size(self.len)) };
    }
}

/// Bytes that are mapped for a file of `len`: nothing cannot be, so for an empty file one, which nobody is let at.
fn size(len: usize) -> usize {
    len.max(1)
}

/// An address where `len` bytes were free just now, a multiple of a huge page; null, where the kernel likes it best, for less than such a page.
fn free_place(len: usize) -> *mut c_void {
    let Some(size) = len.checked_add(HUGE_PAGE).filter(|_| len >= HUGE_PAGE) else { return null_mut() };
    let addresses_only = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping, at an address that the kernel chooses, touches nothing that is there.
    let Ok(start) = (unsafe { mmap_anonymous(null_mut(), size, ProtFlags::empty(), addresses_only) }) else {
        return null_mut();
    };
    // SAFETY: mapped just above, and nobody knows of it.
    let _ = unsafe { munmap(start, size) };
    without_provenance_mut(start.addr().next_multiple_of(HUGE_PAGE))
}

/// Whether the file's pages are nowhere but in memory.
pub(crate) fn in_memory(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type == TMPFS_MAGIC)
}

/// Gives a new, empty file on a tmpfs `len` bytes of zeros in huge pages, as far as the system lets it have them; says how many it got.
///
/// The kernel fills a huge page in one go and maps it with one entry: readers that go over all of a ring do not wait for its mapping, page by page,
/// and the writer's many columns find their addresses sooner. A tmpfs has them without the mount's option `huge` only where they are asked for like
/// this. Where it refuses (before Linux 6.1, by its settings, for want of memory), the file gets its usual pages when it is allocated.
pub(crate) fn fill_with_huge_pages(file: &File, len: u64) -> usize {
    if len < HUGE_PAGE as u64 || !in_memory(file) || file.set_len(len).is_err() {
        return 0;
    }
    let Ok(region) = Region::map(file, ProtFlags::READ | ProtFlags::WRITE) else { return 0 };
    let starts = (0..).step_by(HUGE_PAGE).take(region.len() / HUGE_PAGE);
    // Where there is no page yet there is nothing to be made a huge one.
    let made = |&start: &usize| file.write_all_at(&[0], start as u64).is_ok() && region.collapse(start);
    // After one refusal the next ones would only take their time.
    starts.take_while(made).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &std::path::Path, len: usize) -> File {
        let file = File::options().read(true).write(true).create_new(true).open(dir.join(len.to_string())).unwrap();
        file.set_len(len as u64).unwrap();
        file
    }

    #[test]
    fn large_files_begin_at_huge_pages_and_all_are_mapped_whole() {
        let dir = tempfile::tempdir().unwrap();
        for len in [0, 1, 4096, HUGE_PAGE - 1, HUGE_PAGE, HUGE_PAGE + 1, 3 * HUGE_PAGE + 4097] {
            let file = file(dir.path(), len);
            let region = Region::map(&file, ProtFlags::READ | ProtFlags::WRITE).unwrap();
            assert_eq!(region.len(), len);
            assert!(len < HUGE_PAGE || region.base().addr().is_multiple_of(HUGE_PAGE), "{len}");
            if let Some(last) = len.checked_sub(1) {
                // SAFETY: the last byte of the region, which nobody else knows of.
                unsafe { region.base().add(last).write(7) };
                let mut byte = [0];
                file.read_exact_at(&mut byte, last as u64).unwrap();
                assert_eq!(byte, [7], "{len}");
            }
        }
    }

    #[test]
    fn what_cannot_be_mapped_leaves_nothing_mapped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join((2 * HUGE_PAGE).to_string());
        file(dir.path(), 2 * HUGE_PAGE);
        let maps = || std::fs::read_to_string("/proc/self/maps").unwrap().matches(path.to_str().unwrap()).count();
        // Not opened for writing.
        Region::map(&File::open(&path).unwrap(), ProtFlags::READ | ProtFlags::WRITE).unwrap_err();
        assert_eq!(maps(), 0);
        drop(Region::map(&File::open(&path).unwrap(), ProtFlags::READ).unwrap());
        assert_eq!(maps(), 0);
    }

    /// The place that a map wishes for may be another thread's by then: it goes elsewhere, and what is there stays.
    #[test]
    fn a_place_that_is_taken_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let made = file(dir.path(), HUGE_PAGE + 4097);
        let taken = Region::map(&made, ProtFlags::READ | ProtFlags::WRITE).unwrap();
        // SAFETY: bytes of the region, which nobody else knows of.
        unsafe { taken.base().add(5).write(7) };
        let other = file(dir.path(), HUGE_PAGE);
        let elsewhere = Region::map_at(&other, ProtFlags::READ, HUGE_PAGE, taken.base().cast()).unwrap();
        let (first, second) = (taken.base().addr(), elsewhere.base().addr());
        assert!(second + HUGE_PAGE <= first || first + taken.len() <= second);
        drop(elsewhere);
        // SAFETY: as above.
        assert_eq!(unsafe { taken.base().add(5).read() }, 7);
    }

    /// The kernel's own account, where it gives huge pages at all.
    #[test]
    fn a_file_in_huge_pages_is_mapped_by_them() {
        let Ok(dir) = tempfile::tempdir_in("/dev/shm") else { return eprintln!("skipped: no /dev/shm") };
        let path = dir.path().join("huge");
        let made = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let len = 4 * HUGE_PAGE + 4096;
        let huge = fill_with_huge_pages(&made, len as u64);
        if huge == 0 {
            return eprintln!("skipped: this system gives no huge pages");
        }
        let region = Region::map(&File::open(&path).unwrap(), ProtFlags::READ).unwrap();
        for offset in (0..len).step_by(4096) {
            // SAFETY: inside of the region; nobody stores to the file.
            assert_eq!(unsafe { region.base().add(offset).read() }, 0);
        }
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mine = smaps.split_once(&format!("{:x}-", region.base().addr())).unwrap().1;
        let found = mine.lines().find_map(|line| line.strip_prefix("ShmemPmdMapped:")).unwrap();
        assert_eq!(found.trim(), format!("{} kB", huge * HUGE_PAGE / 1024));
    }
}
