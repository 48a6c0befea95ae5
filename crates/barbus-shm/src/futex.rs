//! Waits on a 32-bit word of a shared map, and wakes the waiting processes (futex).
//!
//! The futex is shared (not `FUTEX_PRIVATE_FLAG`): it joins processes that map the same file.
//! Waiting works on a read-only map.

use std::ptr::null;
use std::time::Duration;

use libc::{FUTEX_WAIT, FUTEX_WAKE, SYS_futex, c_int, c_long, timespec};

/// Sleeps while the word still holds `expected`, at most for `timeout`.
///
/// Returns early on a wake, on a signal, or when the word already differs: the caller checks again
/// in every case. True if it was a signal that has a handler.
pub(crate) fn wait(word: *const u32, expected: u32, timeout: Duration) -> bool {
    let tv_sec = timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX);
    let limit = timespec { tv_sec, tv_nsec: timeout.subsec_nanos().into() };
    let failed = futex(word, FUTEX_WAIT, expected, &limit) == -1;
    failed && std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
}

/// Wakes at most `most` processes that wait on the word, and returns their number. Those that
/// waited longest come first. It makes one system call.
pub(crate) fn wake(word: *const u32, most: u32) -> u32 {
    futex(word, FUTEX_WAKE, most.min(c_int::MAX as u32), null()).try_into().unwrap_or(0)
}

/// After an error, too, the caller can only check again.
fn futex(word: *const u32, operation: c_int, value: u32, timeout: *const timespec) -> c_long {
    // SAFETY: in these two operations the kernel reads the word and the timeout from the process's
    // memory and writes nothing. A bad address is an error (`EFAULT`), not an access.
    unsafe { libc::syscall(SYS_futex, word, operation, value, timeout) }
}
