//! A whole file mapped where the kernel can map huge pages of it, and files put into such pages.

use std::ffi::c_void;
use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::fs::FileExt;
use std::ptr::null_mut;

use nix::libc;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// What the kernel maps with one entry where file and address allow it, on x86-64 and on aarch64 with pages of 4 KiB.
const HUGE_PAGE: usize = 2 << 20;
/// `statfs` says it of a tmpfs (`linux/magic.h`).
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;

/// A file mapped `MAP_SHARED`, as it was long then; unmapped when the value is dropped.
///
/// Where it is as large as a huge page it begins at a multiple of one: the kernel maps huge pages of a file only at addresses that are to them
/// as their places are in the file, and not every kernel chooses such an address by itself.
#[derive(Debug)]
pub(crate) struct Region {
    base: *mut u8,
    len: usize,
    /// The addresses that belong to it; the map lies among them.
    reserved: (*mut c_void, usize),
}

// SAFETY: the mapping belongs to the process, not to a thread; `Region` hands out its address only, and never changes.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Maps all of `file`; `protection` must not be more than the file was opened for.
    pub(crate) fn map(file: &File, protection: ProtFlags) -> Result<Self> {
        let len = usize::try_from(file.metadata()?.len()).map_err(Error::other)?;
        // Nothing cannot be mapped: for an empty file one byte, which nobody is let at.
        let mapped = len.max(1);
        let slack = if mapped < HUGE_PAGE { 0 } else { HUGE_PAGE };
        let size = mapped.checked_add(slack).ok_or(std::io::ErrorKind::OutOfMemory)?;
        let addresses_only = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping, at an address that the kernel chooses, touches nothing that is there.
        let start = unsafe { mmap_anonymous(null_mut(), size, ProtFlags::empty(), addresses_only) }?;
        let skipped = if slack == 0 { 0 } else { start.addr().wrapping_neg() % slack };
        let base = start.wrapping_byte_add(skipped);
        let region = Self { base: base.cast(), len, reserved: (start, size) };
        // SAFETY: `base..base + mapped` lies in the reservation, since `skipped < slack`, or both are 0: what is replaced was made above, and nobody
        // knows of it.
        unsafe { mmap(base, mapped, protection, MapFlags::SHARED | MapFlags::FIXED, file, 0) }?;
        Ok(region)
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
        // SAFETY: the range lies in this mapping (asserted), which lives as long as `self`. MADV_COLLAPSE (Linux 6.1) changes no byte: it moves
        // what is there to another page of physical memory, as the kernel may at any time.
        unsafe { libc::madvise(self.base.wrapping_add(offset).cast(), HUGE_PAGE, libc::MADV_COLLAPSE) == 0 }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let (start, size) = self.reserved;
        // SAFETY: these addresses were reserved by `map`, for this value; whoever was told of them has borrowed it.
        let _ = unsafe { munmap(start, size) };
    }
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
