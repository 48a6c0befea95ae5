use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

use crate::ShmError;
use crate::region::fill_with_huge_pages;

/// Creates `path` (mode 0640, whatever the umask) with `len` bytes of zeros, every block of it allocated.
///
/// A sparse file on a full disk would be a `SIGBUS` at the first store to a page; here a full disk is an error. On a tmpfs it has huge pages, where
/// the system gives them.
/// Fails when the file exists. A file that could not be allocated in full is removed again.
pub fn allocate(path: &Path, len: u64) -> Result<File, ShmError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(path)
        .map_err(|e| ShmError::io(path, "create", e))?;
    // The umask may have taken the group's part away.
    file.set_permissions(Permissions::from_mode(0o640)).map_err(|e| ShmError::io(path, "set the mode of", e))?;
    // A hint; the rest of the file, and all of it elsewhere, is allocated in any case.
    fill_with_huge_pages(&file, len);
    if let Err(e) = fallocate(&file, FallocateFlags::empty(), 0, len) {
        let _ = std::fs::remove_file(path);
        return Err(ShmError::io(path, "allocate", e));
    }
    Ok(file)
}

/// Makes what was stored through any shared mapping of `file` durable (`fdatasync` writes dirty mapped pages too).
pub fn sync(file: &File, path: &Path) -> Result<(), ShmError> {
    file.sync_data().map_err(|e| ShmError::io(path, "sync", e))
}
