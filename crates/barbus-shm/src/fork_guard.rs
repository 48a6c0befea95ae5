//! Distinguishes a process from its forked children without a system call.
//!
//! A handler that the C library runs in every child of `fork` counts generations of processes. A
//! bare `clone` system call runs no handler, so its child is not distinguished from its parent.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts the forks between the first process and this one, from 1; 0 before the handler is
/// registered.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Remembers the process that created it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForkGuard {
    generation: u32,
}

impl ForkGuard {
    pub(crate) fn new() -> Self {
        Self { generation: fork_generation() }
    }

    /// True in a forked child of the process that created the guard, and in the child's children.
    ///
    /// Only a child inherits memory, and each fork increases its count: two processes that can
    /// see the same guard never have the same count.
    #[inline]
    pub(crate) fn is_forked(self) -> bool {
        GENERATION.load(Ordering::Relaxed) != self.generation
    }
}

/// A number of this process that no forked child and no parent of it has. It makes no system call
/// after the first time.
#[inline]
pub fn fork_generation() -> u32 {
    match GENERATION.load(Ordering::Relaxed) {
        0 => register(),
        generation => generation,
    }
}

/// Whether this process is the one in which [`fork_generation`] returned `generation`.
#[inline(always)]
pub fn is_generation(generation: u32) -> bool {
    GENERATION.load(Ordering::Relaxed) == generation
}

#[cold]
fn register() -> u32 {
    // SAFETY: the handler takes no arguments and is never unloaded before it is unregistered: the C
    // library does that when it unloads the library that contains it. In the child of a process
    // with threads it may do only things that a signal handler may do: it adds to an atomic and
    // takes no lock.
    let error = unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
    assert_eq!(error, 0, "no memory for a fork handler");
    // Not a `Once`: in a child that is forked while a thread of its parent runs this function,
    // it would wait forever. Two threads may both register; each fork then counts twice, which does
    // no harm.
    match GENERATION.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => 1,
        Err(generation) => generation,
    }
}

extern "C" fn count_fork() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `check` in a forked child and returns whether it was true there.
    ///
    /// `check` must do nothing but loads, stores and system calls: no lock, no allocation.
    fn holds_in_child(check: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child follows the rule above and ends without a destructor. The parent only
        // waits.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(i32::from(!check()));
            }
            let mut status = -1;
            libc::waitpid(child, &mut status, 0) == child && status == 0
        }
    }

    #[test]
    fn children_and_grandchildren_are_distinguished_from_the_guards_process() {
        let guard = ForkGuard::new();
        assert!(!guard.is_forked());
        assert!(holds_in_child(|| {
            let of_child = ForkGuard::new();
            let in_grandchild = || guard.is_forked() && of_child.is_forked() && !ForkGuard::new().is_forked();
            guard.is_forked() && !of_child.is_forked() && holds_in_child(in_grandchild) && !of_child.is_forked()
        }));
        assert!(!guard.is_forked());
        assert!(!ForkGuard::new().is_forked());
    }

    /// Guards of threads that start together are all valid, for every order of registration.
    #[test]
    fn threads_that_register_together_agree() {
        let guards = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ForkGuard::new)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(guards.iter().all(|guard| !guard.is_forked()));
        assert!(holds_in_child(|| guards.iter().all(|guard| guard.is_forked())));
    }
}
