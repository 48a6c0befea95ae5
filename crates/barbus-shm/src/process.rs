//! Which process this is, without a system call.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use nix::libc;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// The smallest part of a page: the kernel takes whole ones.
const LEN: usize = size_of::<AtomicU32>();
/// Advice that no kernel knows.
const NO_ADVICE: i32 = -1;

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
    // SAFETY: the advice is for the mapping that `page_advised` made just before, of which nobody has a reference yet; it changes no byte in
    // this process.
    page_advised(|page, advice| unsafe { libc::madvise(page, LEN, advice) } == 0)
}

fn page_advised(advise: impl Fn(*mut c_void, i32) -> bool) -> Option<*mut AtomicU32> {
    // SAFETY: a new private mapping, at an address that the kernel chooses: nothing else is there. It is zeroed, and aligned to a page.
    let page =
        unsafe { mmap_anonymous(null_mut(), LEN, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }.ok()?;
    // Some emulators and sandboxes take any advice and follow none: a child would give its parent's pins back.
    if !advise(page, NO_ADVICE) && advise(page, libc::MADV_WIPEONFORK) {
        return Some(page.cast());
    }
    // SAFETY: mapped above, and nobody else knows of it.
    let _ = unsafe { munmap(page, LEN) };
    None
}

#[cfg(test)]
mod tests {
    use nix::libc;

    /// Who says yes to everything has not understood what a fork must do to the page.
    #[test]
    fn advice_that_is_taken_and_not_followed_is_not_relied_on() {
        let wipe = |_, advice| advice == libc::MADV_WIPEONFORK;
        assert!(super::page_advised(wipe).is_some());
        assert!(super::page_advised(|_, _| true).is_none());
        assert!(super::page_advised(|_, _| false).is_none());
    }

    /// Of a fork, and of a fork of that.
    #[test]
    fn a_forked_child_has_a_number_of_its_own() {
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
