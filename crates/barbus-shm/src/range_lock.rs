//! Locks on byte ranges of a file that belong to its open file description (`F_OFD_SETLK`).
//!
//! They work on a read-only descriptor. The kernel releases them when the last copy of the
//! descriptor is closed, so also when the process dies for any reason. A forked child has such a
//! copy: the locks of its parent stay until the child ends as well. Locks of one description merge:
//! one unlock removes a range that was locked twice. [`crate::pins`] therefore counts.

use std::fs::File;
use std::ops::Range;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

/// Byte ranges of equal length that follow one another in a file.
///
/// Each one is pinned or claimed separately; one system call locks all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRanges {
    /// First byte of the first range.
    pub offset: usize,
    /// Bytes of each range.
    pub len: usize,
    /// Number of ranges.
    pub count: usize,
}

impl ByteRanges {
    /// First byte of each range.
    pub fn offsets(self) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |i| self.offset + i * self.len)
    }

    /// All ranges as one.
    pub(crate) fn bytes(self) -> Range<usize> {
        self.offset..self.offset + self.count * self.len
    }
}

/// Locks `bytes` against exclusive locks of others; false if one exists. It never waits.
pub(crate) fn lock_shared(file: &File, bytes: Range<usize>) -> Result<bool, Errno> {
    set_lock(file, bytes, libc::F_RDLCK)
}

/// Locks `bytes` against all locks of others; false if one exists. It never waits.
pub(crate) fn lock_exclusive(file: &File, bytes: Range<usize>) -> Result<bool, Errno> {
    set_lock(file, bytes, libc::F_WRLCK)
}

/// The byte that the writer of a file locks: far behind the end of every file, and no reader's pin.
const WRITER_BYTE: Range<usize> = (1 << 62)..(1 << 62) + 1;

/// Locks `file` for the one process that writes it, by its inode: whatever path leads to it.
///
/// False while only shared locks of others are in the way. Such a lock needs no permission to
/// write, so it must not keep a writer from its work; an exclusive one does.
///
/// # Errors
/// `EAGAIN` while another writer has the lock, or the system's refusal.
pub(crate) fn lock_writer(file: &File) -> Result<bool, Errno> {
    match lock_exclusive(file, WRITER_BYTE)? {
        true => Ok(true),
        false if has_writer(file)? => Err(Errno::EAGAIN),
        false => Ok(false),
    }
}

/// Whether another description of `file` has the writer's lock.
pub(crate) fn has_writer(file: &File) -> Result<bool, Errno> {
    // A shared lock conflicts with exclusive locks only, and those need permission to write.
    let mut lock = lock_of(WRITER_BYTE, libc::F_RDLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock))?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

/// Removes every lock of this description on `bytes`.
pub(crate) fn unlock(file: &File, bytes: Range<usize>) {
    // A length of 0 would mean: up to the end of the file.
    if !bytes.is_empty() {
        let _ = set_lock(file, bytes, libc::F_UNLCK);
    }
}

fn set_lock(file: &File, bytes: Range<usize>, kind: libc::c_int) -> Result<bool, Errno> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&lock_of(bytes, kind))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error),
    }
}

fn lock_of(bytes: Range<usize>, kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: bytes.start as libc::off_t,
        l_len: bytes.len() as libc::off_t,
        l_pid: 0,
    }
}
