use std::time::Duration;

use rustix::thread::futex;

use crate::{ReadMap, WriteMap};

/// Sleeps while the 32-bit word at `offset` still holds `expected`, at most `timeout`.
///
/// Returns early on a wake, a signal, or when the word already differs: the caller looks again in every case. The futex is
/// shared (not `PRIVATE`), so it joins processes that map the same file, and waiting works on a read-only map.
pub fn wait(map: &ReadMap, offset: usize, expected: u32, timeout: Duration) {
    let word = map.futex_word(offset);
    let timeout = rustix::fs::Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos() as i64 };
    // Every outcome means the same to the caller: look again.
    let _ = futex::wait(word, futex::Flags::empty(), expected, Some(&timeout));
}

/// Wakes every process that waits on the 32-bit word at `offset`; one system call.
pub fn wake_all(map: &WriteMap, offset: usize) {
    let _ = futex::wake(map.futex_word(offset), futex::Flags::empty(), i32::MAX as u32);
}
