//! Whether a file is open anywhere else: the space of a removed file is free only when it is not.

use std::fs::File;
use std::os::fd::AsRawFd;

/// Whether `file` is the only open file description of its file on this machine. A map counts as
/// one, also after its descriptor was closed.
///
/// The kernel grants a write lease only then. Nothing else tells it across containers and users.
/// The lease is given back at once: nobody who opens the file meanwhile waits for it, and no signal
/// is sent. False if the system refuses leases: the file has another owner, or the file system has
/// no leases.
pub(crate) fn is_only_one(file: &File) -> bool {
    let lease = |kind: libc::c_int| {
        // SAFETY: `fcntl` with F_SETLEASE takes an integer, and touches no memory of this process.
        // The descriptor is open as long as `file` is borrowed.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) == 0 }
    };
    let granted = lease(libc::F_WRLCK);
    if granted {
        lease(libc::F_UNLCK);
    }
    granted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReadMap, allocate};

    /// A reader that has only a map left still keeps the file's space.
    #[test]
    fn a_map_counts_as_open_also_after_the_file_was_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ring");
        let file = allocate(&path, 8192).unwrap();
        if !is_only_one(&file) {
            return println!("skipped: the file system of {} has no leases", path.display());
        }
        let reader = ReadMap::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!is_only_one(&file));
        let clone = reader.clone();
        drop(reader);
        assert!(!is_only_one(&file));
        drop(clone);
        assert!(is_only_one(&file));
        // A duplicate is the same description.
        let _duplicate = file.try_clone().unwrap();
        assert!(is_only_one(&file));
    }
}
