//! Which process this is, without a system call.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

/// The smallest part of a page: the kernel takes whole ones.
const LEN: usize = size_of::<AtomicU32>();

/// Remembers the process's number, and is zero in a forked child. Not a `Once`: a child whose parent was just making it would wait for ever.
static KNOWN: AtomicPtr<AtomicU32> = AtomicPtr::new(null_mut());

/// The number of this process, as [`std::process::id`], which asks the kernel each time.
#[inline]
pub(crate) fn id() -> u32 {
    // SAFETY: the pointer is null or leads to a page that `page` made and nobody unmaps; all that is done to it is done through this atomic.
    match unsafe { KNOWN.load(Ordering::Acquire).as_ref() } {
        Some(known) => match known.load(Ordering::Relaxed) {
            0 => remember(known),
            id => id,
        },
        None => first(),
    }
}

#[cold]
fn remember(known: &AtomicU32) -> u32 {
    let id = std::process::id();
    known.store(id, Ordering::Relaxed);
    id
}

#[cold]
fn first() -> u32 {
    if let Some(page) = page()
        && KNOWN.compare_exchange(null_mut(), page, Ordering::AcqRel, Ordering::Relaxed).is_err()
    {
        // SAFETY: mapped by `page`, and nobody else knows of it. Another thread was quicker.
        let _ = unsafe { munmap(page.cast(), LEN) };
    }
    std::process::id()
}

/// A page that the kernel wipes in forked children; `None` where it does not know how.
fn page() -> Option<*mut AtomicU32> {
    // SAFETY: a new private mapping, at an address that the kernel chooses: nothing else is there. It is zeroed, and aligned to a page.
    let page =
        unsafe { mmap_anonymous(null_mut(), LEN, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }.ok()?;
    // SAFETY: the mapping above, of which nobody has a reference yet; the advice changes no byte in this process.
    match unsafe { madvise(page, LEN, Advice::LinuxWipeOnFork) } {
        Ok(()) => Some(page.cast()),
        Err(_) => {
            // SAFETY: as above.
            let _ = unsafe { munmap(page, LEN) };
            None
        }
    }
}

#[cfg(test)]
mod tests {
    /// Of a fork, and of a fork of that.
    #[test]
    fn a_forked_child_has_a_number_of_its_own() {
        use nix::libc;
        assert_eq!((super::id(), super::id()), (std::process::id(), std::process::id()));
        let right = || super::id() == std::process::id() && super::id() == std::process::id();
        // SAFETY: the child does nothing but loads, stores and system calls: no lock, no allocation, no destructor. The parent only waits.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                let mut status = i32::from(!right());
                let grandchild = libc::fork();
                if grandchild == 0 {
                    libc::_exit(i32::from(!right()));
                }
                let mut of_grandchild = 0;
                libc::waitpid(grandchild, &mut of_grandchild, 0);
                status |= of_grandchild;
                libc::_exit(i32::from(status != 0));
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &mut status, 0), child);
            assert_eq!(status, 0);
        }
        assert_eq!(super::id(), std::process::id());
    }
}
