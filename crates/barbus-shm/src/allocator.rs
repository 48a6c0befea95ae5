//! A program's memory, its large pieces in huge pages.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::ptr::{copy_nonoverlapping, null_mut};

use rustix::io::Result;
use rustix::mm::{Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mremap_fixed, munmap};

use crate::region::HUGE_PAGE;

/// A multiple of the pages of all systems: lengths of mappings are rounded up to it.
const GRANULE: usize = 64 << 10;

/// The system's allocator, but for pieces of 2 MB and more: each of these is a mapping of its own that begins at a huge page and asks for such.
///
/// What a program touches for the first time the kernel gives out page by page, at half a microsecond for each 4 KiB and more in a virtual machine; a day
/// of bars that is gathered, encoded and written is tens of thousands of them. By huge pages it takes a quarter of the time. Where the kernel has none
/// (`/sys/kernel/mm/transparent_hugepage/enabled` is `never`, memory is in pieces) it gives out small ones, as ever. What is freed goes back at once.
///
/// The programs of barbus have it; one that has barbus in it may:
/// ```
/// #[global_allocator]
/// static ALLOCATOR: barbus_shm::HugePageAllocator = barbus_shm::HugePageAllocator;
/// assert!(vec![0_u64; 1 << 20].iter().all(|&word| word == 0));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct HugePageAllocator;

/// Whether it gets a mapping of its own; what is larger than a mapping can be is left to the system, which refuses it.
fn is_large(layout: Layout) -> bool {
    layout.size() >= HUGE_PAGE && layout.align() <= HUGE_PAGE
}

/// As long as the mapping of so many bytes is. A layout's size is at most `isize::MAX`, so nothing overflows.
fn mapped(size: usize) -> usize {
    size.next_multiple_of(GRANULE)
}

/// A new mapping of zeros for so many bytes, at a multiple of a huge page.
fn map(size: usize) -> Result<*mut u8> {
    let len = mapped(size);
    let reserved = len + HUGE_PAGE;
    // SAFETY: a new mapping, at an address that the kernel chooses, touches nothing that is there.
    let start = unsafe { mmap_anonymous(null_mut(), reserved, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }?;
    let skipped = start.addr().wrapping_neg() % HUGE_PAGE;
    let base = start.wrapping_byte_add(skipped);
    // SAFETY: `skipped < HUGE_PAGE`, so that `base..base + len` lies in the new mapping, which nobody else knows of; what is unmapped is what of it lies
    // before and behind. Both have whole pages: the mapping begins at one, and a huge page and a granule are multiples of any.
    unsafe {
        if skipped > 0 {
            munmap(start, skipped)?;
        }
        munmap(base.wrapping_byte_add(len), HUGE_PAGE - skipped)?;
        // Advice: a kernel without huge pages refuses it, and nothing is lost.
        let _ = madvise(base, len, Advice::LinuxHugepage);
    }
    Ok(base.cast())
}

/// Gives a mapping back.
///
/// # Safety
/// `base` is from [`map`] (or moved there) with this size, and nobody uses it any more.
unsafe fn unmap(base: *mut u8, size: usize) {
    // SAFETY: by the caller it is a whole mapping of that length, and unused.
    let _ = unsafe { munmap(base.cast::<c_void>(), mapped(size)) };
}

// SAFETY: a piece is either the system allocator's, with the layout that was asked for, or a mapping of its own; which of them a layout alone tells, so
// that each goes back to where it came from. A mapping has the size (rounded up), an address that is a multiple of any alignment for which it is
// taken, and zeros. Nothing here panics or allocates.
unsafe impl GlobalAlloc for HugePageAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match is_large(layout) {
            true => map(layout.size()).unwrap_or(null_mut()),
            // SAFETY: the caller's promise.
            false => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match is_large(layout) {
            true => map(layout.size()).unwrap_or(null_mut()),
            // SAFETY: the caller's promise.
            false => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match is_large(layout) {
            // SAFETY: `layout` is the piece's, by the caller's promise, so that it came from `map` with this size.
            true => unsafe { unmap(piece, layout.size()) },
            // SAFETY: as above: it is the system allocator's.
            false => unsafe { System.dealloc(piece, layout) },
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: by the caller's promise the size, rounded up to the alignment, is not beyond `isize::MAX`.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (is_large(layout), is_large(new)) {
            // SAFETY: the piece is the system allocator's, and stays so.
            (false, false) => unsafe { System.realloc(piece, layout, new_size) },
            (true, true) => {
                let (len, new_len) = (mapped(layout.size()), mapped(new_size));
                if new_len <= len {
                    if new_len < len {
                        // SAFETY: whole pages at the end of the piece's own mapping, which it does not need any more.
                        let _ = unsafe { munmap(piece.wrapping_add(new_len).cast(), len - new_len) };
                    }
                    return piece;
                }
                let Ok(moved) = map(new_size) else { return null_mut() };
                // Its pages go to the new place as they are, huge ones too: no byte is copied.
                // SAFETY: all of the piece's own mapping moves over all of the new one, which nobody knows of yet.
                let outcome = unsafe { mremap_fixed(piece.cast(), len, new_len, MremapFlags::MAYMOVE, moved.cast()) };
                if outcome.is_err() {
                    // SAFETY: it was mapped above; the piece stays where it was.
                    unsafe { unmap(moved, new_size) };
                    return null_mut();
                }
                moved
            }
            // SAFETY: a new piece of its own, as long as what is copied; the old one goes back with its own layout.
            _ => unsafe {
                let moved = self.alloc(new);
                if !moved.is_null() {
                    copy_nonoverlapping(piece, moved, layout.size().min(new_size));
                    self.dealloc(piece, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [usize; 9] = [
        1,
        4_096,
        HUGE_PAGE - 1,
        HUGE_PAGE,
        HUGE_PAGE + 1,
        HUGE_PAGE + GRANULE,
        2 * HUGE_PAGE,
        3 * HUGE_PAGE + 12_345,
        9 * HUGE_PAGE,
    ];

    fn pattern(i: usize) -> u8 {
        (i.wrapping_mul(0x9e37_79b9) >> 13) as u8
    }

    /// Every byte, or a few thousand of them spread over all.
    fn places(size: usize) -> impl Iterator<Item = usize> {
        (0..size).step_by(size.div_ceil(5_000)).chain([size - 1])
    }

    #[test]
    fn pieces_keep_what_is_in_them_from_any_size_to_any() {
        for (size, new_size) in SIZES.iter().flat_map(|&size| SIZES.map(|new_size| (size, new_size))) {
            for align in [1, 8, 4_096] {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: each piece is touched within its size only, and given back with its own layout.
                unsafe {
                    let piece = HugePageAllocator.alloc(layout);
                    assert!(!piece.is_null() && piece.addr().is_multiple_of(align));
                    places(size).for_each(|i| piece.add(i).write(pattern(i)));
                    let piece = HugePageAllocator.realloc(piece, layout, new_size);
                    assert!(!piece.is_null() && piece.addr().is_multiple_of(align));
                    let kept = places(size).filter(|&i| i < new_size).all(|i| piece.add(i).read() == pattern(i));
                    assert!(kept, "{size} to {new_size} at {align}");
                    places(new_size).for_each(|i| piece.add(i).write(1));
                    HugePageAllocator.dealloc(piece, Layout::from_size_align(new_size, align).unwrap());
                }
            }
        }
    }

    #[test]
    fn zeroed_pieces_are_zero_though_others_were_there() {
        for size in SIZES {
            let layout = Layout::from_size_align(size, 8).unwrap();
            // SAFETY: as above.
            unsafe {
                let dirty = HugePageAllocator.alloc(layout);
                dirty.write_bytes(0xff, size);
                HugePageAllocator.dealloc(dirty, layout);
                let piece = HugePageAllocator.alloc_zeroed(layout);
                assert!((0..size).all(|i| piece.add(i).read() == 0), "{size}");
                HugePageAllocator.dealloc(piece, layout);
            }
        }
    }

    #[test]
    fn large_pieces_begin_at_huge_pages_and_ask_for_them() {
        if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            eprintln!("skipped: this kernel has no huge pages");
            return;
        }
        let layout = Layout::from_size_align(5 * HUGE_PAGE, 8).unwrap();
        // SAFETY: as above.
        unsafe {
            let piece = HugePageAllocator.alloc(layout);
            let piece = HugePageAllocator.realloc(piece, layout, 7 * HUGE_PAGE);
            assert_eq!(piece.addr() % HUGE_PAGE, 0);
            assert!(flags_at(piece.addr()).split(' ').any(|flag| flag == "hg"), "{}", flags_at(piece.addr()));
            HugePageAllocator.dealloc(piece, Layout::from_size_align(7 * HUGE_PAGE, 8).unwrap());
        }
    }

    /// What the kernel says of the mapping in which `address` lies.
    fn flags_at(address: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut here = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let parse = |end: &str| usize::from_str_radix(end, 16).ok();
            if let Some((start, end)) = range.and_then(|(start, end)| Some((parse(start)?, parse(end)?))) {
                here = (start..end).contains(&address);
            }
            if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| here) {
                return flags.trim().to_owned();
            }
        }
        panic!("no mapping has {address:x}");
    }
}
