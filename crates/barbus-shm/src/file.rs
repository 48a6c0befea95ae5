//! Allocates files in full, opens only regular files, and syncs them.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Error, Result};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FallocateFlags, RenameFlags, fallocate, renameat2};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::unistd::geteuid;

use crate::error::ShmError;
use crate::huge_pages::fill_with_huge_pages;
use crate::own_blocks::set_in_place;
use crate::range_lock::has_writer;

/// Creates `path` (mode 0640 for every umask) with `len` bytes of zeros, fully allocated.
///
/// On a full disk, the first store to a page of a sparse file would raise `SIGBUS`; here a full
/// disk is an error. The same holds for a later store on a file system with copy-on-write: the
/// file is made without. On a tmpfs the file has huge pages if the system provides them.
///
/// # Errors
/// The file exists, it cannot be allocated in full, or its file system copies each block that is
/// written; it is then removed again.
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
    let allocated = set_in_place(&file).and_then(|()| i64::try_from(len).map_err(Error::other));
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
    let file = options.clone().custom_flags(libc::O_NONBLOCK | flags).open(path).map_err(|error| {
        let refused = error.raw_os_error() == Some(libc::ELOOP) && flags & libc::O_NOFOLLOW != 0;
        if refused && path.is_symlink() { Error::other("it is a symbolic link") } else { error }
    })?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(Error::other("not a regular file")),
    }
}

/// Removes the file at `path` if a process of this user has left it there: a regular file that no
/// [`crate::WriteMap`] has locked. Anything else stays.
pub fn remove_abandoned(path: &Path) {
    let Ok(file) = open_regular(OpenOptions::new().read(true), libc::O_NOFOLLOW, path) else { return };
    let is_mine = file.metadata().is_ok_and(|found| found.uid() == geteuid().as_raw());
    if is_mine && has_writer(&file) == Ok(false) {
        let _ = std::fs::remove_file(path);
    }
}

/// Renames `from` to `to`, which must not exist.
///
/// # Errors
/// [`std::io::ErrorKind::AlreadyExists`] if it does; then nothing has changed.
pub fn rename_new(from: &Path, to: &Path) -> Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // A file system without this flag.
        Err(Errno::EINVAL) if to.symlink_metadata().is_err() => std::fs::rename(from, to),
        result => Ok(result?),
    }
}

/// Whether `path` leads to `file`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(mine), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (mine.dev(), mine.ino()) == (there.dev(), there.ino())
}
