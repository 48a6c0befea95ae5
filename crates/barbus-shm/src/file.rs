//! Allocates files in full, opens only regular files, and syncs them.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Error, Result};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use crate::error::ShmError;
use crate::huge_pages::fill_with_huge_pages;

/// Creates `path` (mode 0640 for every umask) with `len` bytes of zeros, fully allocated.
///
/// On a full disk, the first store to a page of a sparse file would raise `SIGBUS`; here a full
/// disk is an error. On a tmpfs the file has huge pages if the system provides them.
///
/// # Errors
/// The file exists, or it cannot be allocated in full; it is then removed again.
pub fn allocate(path: &Path, len: u64) -> std::result::Result<File, ShmError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(path)
        .map_err(|e| ShmError::io(path, "create", e))?;
    // The umask may have removed the group's permission.
    file.set_permissions(Permissions::from_mode(0o640)).map_err(|e| ShmError::io(path, "set the mode of", e))?;
    if is_on_tmpfs(path).unwrap_or(false) {
        // A hint: the call below allocates what is missing.
        fill_with_huge_pages(&file, len);
    }
    let allocated = i64::try_from(len).map_err(Error::other);
    let allocated = allocated.and_then(|len| Ok(fallocate(&file, FallocateFlags::empty(), 0, len)?));
    if let Err(e) = allocated {
        let _ = std::fs::remove_file(path);
        return Err(ShmError::io(path, "allocate", e));
    }
    Ok(file)
}

/// Makes every store through a shared map of `file` durable.
///
/// `fdatasync` writes dirty mapped pages too.
pub fn sync(file: &File, path: &Path) -> std::result::Result<(), ShmError> {
    file.sync_data().map_err(|e| ShmError::io(path, "sync", e))
}

/// Whether `path`, a file or a directory, is on a tmpfs, whose files do not survive a reboot.
///
/// # Errors
/// The system cannot report the file system of `path`.
pub fn is_on_tmpfs(path: &Path) -> Result<bool> {
    Ok(statfs(path)?.filesystem_type() == TMPFS_MAGIC)
}

/// Opens `path`, which must be a regular file, with `flags` besides those of `options`.
///
/// It never waits: a FIFO or a device at `path` is an error at once.
pub(crate) fn open_regular(options: &OpenOptions, flags: i32, path: &Path) -> Result<File> {
    // On a regular file O_NONBLOCK has no effect.
    let file = options.clone().custom_flags(libc::O_NONBLOCK | flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(Error::other("not a regular file")),
    }
}
