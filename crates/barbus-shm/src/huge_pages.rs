//! Maps of whole files at addresses where huge pages fit, and files whose pages are huge.

use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;

use memmap2::{MmapOptions, MmapRaw};

/// What one entry of the page table maps, on x86-64 and on aarch64 with pages of 4 KiB.
const HUGE_PAGE: usize = 2 << 20;
/// The smallest page of the systems that barbus runs on.
const PAGE: usize = 4096;
/// Attempts to move a map to an aligned address. Narrow gaps and other threads cost attempts.
const ROUNDS: usize = 16;

/// Maps all of `file` `PROT_READ`, as [`map_read_write`] does.
pub(crate) fn map_read_only(file: &File) -> Result<MmapRaw> {
    map_aligned(file, |file| MmapOptions::new().map_raw_read_only(file))
}

/// Maps all of `file`, `MAP_SHARED`, at a multiple of a huge page if it is at least as long as one.
///
/// The kernel maps a huge page of a file only where the address is aligned as the offset is. It
/// picks such addresses itself on most disk file systems, but on a tmpfs only with the mount option
/// `huge=`. An unaligned map costs speed, nothing else: other threads can cause one.
pub(crate) fn map_read_write(file: &File) -> Result<MmapRaw> {
    map_aligned(file, |file| MmapOptions::new().map_raw(file))
}

/// Lets the kernel choose every address, so that no map of another thread is ever in danger.
///
/// The kernel places a map at the end of the first gap that holds it, searching downwards (upwards
/// only in a process whose stack has no limit). A placeholder there moves the map on by its own
/// length, which makes up for the misalignment. It is longer than the file: a shorter one could fit
/// into another gap, where it would move nothing.
fn map_aligned(file: &File, map: impl Fn(&File) -> Result<MmapRaw>) -> Result<MmapRaw> {
    let mut mapped = map(file)?;
    // Maps in gaps that are too narrow for placeholder and file. They stay until the end, so that
    // the next attempt finds another gap.
    let mut rejected = Vec::new();
    for round in 0..ROUNDS {
        if mapped.len() < HUGE_PAGE || is_aligned(&mapped) {
            break;
        }
        let (start, len) = (mapped.as_ptr().addr(), mapped.len().next_multiple_of(PAGE));
        let searches_downwards = round % 2 == 0;
        let missing = if searches_downwards { start.wrapping_sub(len) } else { (start + len).wrapping_neg() };
        drop(mapped);
        // It reaches past the end of the file, and nothing ever touches it.
        let placeholder = MmapOptions::new().len(len + missing % HUGE_PAGE).map_raw_read_only(file);
        mapped = map(file)?;
        if !is_aligned(&mapped) {
            let Ok(next) = map(file) else { break };
            rejected.push((placeholder, std::mem::replace(&mut mapped, next)));
        }
    }
    Ok(mapped)
}

/// Whether the kernel can map huge pages of the file in it.
fn is_aligned(map: &MmapRaw) -> bool {
    map.as_ptr().addr().is_multiple_of(HUGE_PAGE)
}

/// Gives a new, empty file on a tmpfs `len` bytes of zeros in huge pages; returns how many it got.
///
/// The kernel fills a huge page at once and maps it with one entry. A reader that scans the whole
/// ring then does not fault on each small page, and the writer's many columns share fewer entries.
/// Without the mount option `huge=` a tmpfs gives huge pages only on such a request. If the
/// system refuses (before Linux 6.1, by its settings, for lack of memory), the file gets small
/// pages when it is allocated.
pub(crate) fn fill_with_huge_pages(file: &File, len: u64) -> usize {
    if len < HUGE_PAGE as u64 || file.set_len(len).is_err() {
        return 0;
    }
    let Ok(map) = map_read_write(file) else { return 0 };
    let starts = (0..).step_by(HUGE_PAGE).take(map.len() / HUGE_PAGE);
    // The kernel collapses only where the file has a page already.
    let made = |&start: &usize| file.write_all_at(&[0], start as u64).is_ok() && collapse(&map, start);
    // After the first refusal, further requests would only cost time.
    starts.take_while(made).count()
}

/// Asks for a huge page at `offset` in place of the small ones; whether the kernel made it.
fn collapse(map: &MmapRaw, offset: usize) -> bool {
    assert!(offset + HUGE_PAGE <= map.len(), "a huge page at {offset} of {} bytes", map.len());
    // At an unaligned address the kernel has nothing to do and reports success.
    if !is_aligned(map) {
        return false;
    }
    let start = map.as_mut_ptr().wrapping_add(offset).cast();
    // SAFETY: the range lies in the map (asserted), which lives as long as the borrow.
    // MADV_COLLAPSE (Linux 6.1) changes no byte: it moves the bytes to another page of physical
    // memory, as the kernel may do at any time.
    unsafe { libc::madvise(start, HUGE_PAGE, libc::MADV_COLLAPSE) == 0 }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn file(dir: &Path, len: usize) -> File {
        let file = File::options().read(true).write(true).create_new(true).open(dir.join(len.to_string())).unwrap();
        file.set_len(len as u64).unwrap();
        file
    }

    /// A directory of the disk's file system, and one on a tmpfs if the system has one.
    fn directories() -> Vec<tempfile::TempDir> {
        let dirs = [tempfile::tempdir(), tempfile::tempdir_in("/dev/shm")];
        dirs.into_iter().filter_map(Result::ok).collect()
    }

    #[test]
    fn large_files_begin_at_huge_pages_and_every_file_is_mapped_whole() {
        for dir in directories() {
            for len in [0, 1, 4096, HUGE_PAGE - 1, HUGE_PAGE, HUGE_PAGE + 1, 3 * HUGE_PAGE + 4097] {
                let file = file(dir.path(), len);
                let map = map_read_write(&file).unwrap();
                assert_eq!(map.len(), len);
                // Maps that other tests make at the same time cost some attempts.
                let is_soon_aligned = || (0..1_000).any(|_| is_aligned(&map_read_write(&file).unwrap()));
                assert!(len < HUGE_PAGE || is_aligned(&map) || is_soon_aligned(), "{len}");
                if let Some(last) = len.checked_sub(1) {
                    // SAFETY: the last byte of the map, which nothing else uses.
                    unsafe { map.as_mut_ptr().add(last).write(7) };
                    let mut byte = [0];
                    file.read_exact_at(&mut byte, last as u64).unwrap();
                    assert_eq!(byte, [7], "{len}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_mapped_leaves_nothing_mapped() {
        for dir in directories() {
            let path = dir.path().join((2 * HUGE_PAGE).to_string());
            file(dir.path(), 2 * HUGE_PAGE);
            let maps = || std::fs::read_to_string("/proc/self/maps").unwrap().matches(path.to_str().unwrap()).count();
            // Not opened for writing.
            map_read_write(&File::open(&path).unwrap()).unwrap_err();
            assert_eq!(maps(), 0);
            let map = map_read_only(&File::open(&path).unwrap()).unwrap();
            assert_eq!(maps(), 1, "the placeholder is gone");
            drop(map);
            assert_eq!(maps(), 0);
        }
    }

    /// Other threads map and unmap meanwhile: their maps stay whole, and most of ours are aligned.
    /// How many depends on how the threads meet.
    #[test]
    fn maps_of_other_threads_are_left_alone() {
        const ROUNDS: usize = 100;
        let Some(dir) = directories().pop() else { return };
        let [ours, theirs] = [HUGE_PAGE + 4097, HUGE_PAGE].map(|len| file(dir.path(), len));
        let done = AtomicBool::new(false);
        let aligned = std::thread::scope(|scope| {
            for number in 1..=2 {
                let (theirs, done) = (&theirs, &done);
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        let map = map_read_write(theirs).unwrap();
                        // SAFETY: a byte of the map that only this thread uses.
                        let byte = unsafe { std::sync::atomic::AtomicU8::from_ptr(map.as_mut_ptr().add(number)) };
                        byte.store(number as u8, Ordering::Relaxed);
                        std::thread::yield_now();
                        assert_eq!(usize::from(byte.load(Ordering::Relaxed)), number);
                    }
                });
            }
            let aligned = (0..ROUNDS).filter(|_| is_aligned(&map_read_only(&ours).unwrap())).count();
            done.store(true, Ordering::Relaxed);
            aligned
        });
        assert!(aligned > ROUNDS / 3, "{aligned} of {ROUNDS} are aligned");
    }

    /// The kernel reports its huge pages in `smaps`. Skipped if it provides none.
    #[test]
    fn a_file_in_huge_pages_is_mapped_by_them() {
        let Ok(dir) = tempfile::tempdir_in("/dev/shm") else { return eprintln!("skipped: no /dev/shm") };
        let path = dir.path().join("huge");
        let made = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let len = 4 * HUGE_PAGE + 4096;
        let huge = fill_with_huge_pages(&made, len as u64);
        if huge == 0 {
            return eprintln!("skipped: this system provides no huge pages");
        }
        let map = map_read_only(&File::open(&path).unwrap()).unwrap();
        for offset in (0..len).step_by(4096) {
            // SAFETY: inside the map; nothing stores to the file.
            assert_eq!(unsafe { map.as_ptr().add(offset).read() }, 0);
        }
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mine = smaps.split_once(&format!("{:x}-", map.as_ptr().addr())).unwrap().1;
        let found = mine.lines().find_map(|line| line.strip_prefix("ShmemPmdMapped:")).unwrap();
        assert_eq!(found.trim(), format!("{} kB", huge * HUGE_PAGE / 1024));
    }
}
