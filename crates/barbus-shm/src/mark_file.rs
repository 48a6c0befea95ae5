//! A small file that a process maps for writing: it shows others its state and that it lives.
//!
//! The owner holds an `flock` on it, which the kernel releases when the process ends for any
//! reason: the file of a dead process has a free lock.
//! Others read it by copy, never by a map: its owner may truncate it at any moment, and would then
//! harm only itself.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::error::ShmError;
use crate::file::{allocate, open_regular};
use crate::fork_guard::ForkGuard;
use crate::map::WriteMap;

/// A file that this process has created and locked.
///
/// It is removed when the value is dropped, but not when a forked child drops its copy.
#[derive(Debug)]
pub struct MarkFile {
    map: WriteMap,
    path: PathBuf,
    owner: ForkGuard,
    /// The description that has the lock. The map has a descriptor of its own.
    _locked: File,
}

impl MarkFile {
    /// Creates `path` with `len` bytes of zeros (mode 0640) and locks it.
    ///
    /// # Errors
    /// The file exists, the system refuses it, or a [`read_if_alive`] found it before the lock.
    pub fn create(path: &Path, len: u64) -> Result<Self, ShmError> {
        // The process may change its working directory.
        let path = std::path::absolute(path).map_err(|e| ShmError::io(path, "find", e))?;
        let file = allocate(&path, len)?;
        let made = lock(&file, &path).and_then(|()| WriteMap::open(&path));
        let made = made.map(|map| Self { map, path: path.clone(), owner: ForkGuard::new(), _locked: file });
        made.inspect_err(|_| drop(std::fs::remove_file(&path)))
    }

    /// False in a forked child of the process that created it.
    pub fn is_owner(&self) -> bool {
        !self.owner.is_forked()
    }

    /// Its bytes.
    pub fn map(&self) -> &WriteMap {
        &self.map
    }
}

fn lock(file: &File, path: &Path) -> Result<(), ShmError> {
    let refused = |e: std::io::Error| ShmError::io(path, "lock", e);
    // The standard library's lock is an `flock`. Unlike that of `nix` it has no guard that unlocks
    // on drop: in a forked child it would remove the lock of the parent.
    file.try_lock().map_err(|e| refused(e.into()))?;
    // `read_if_alive`, called before the lock was taken, removes the file as that of a dead
    // process.
    match file.metadata().map_err(refused)?.nlink() {
        0 => Err(refused(std::io::ErrorKind::NotFound.into())),
        _ => Ok(()),
    }
}

impl Drop for MarkFile {
    fn drop(&mut self) {
        if self.is_owner() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A copy of a [`MarkFile`], as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The user that owns it.
    pub uid: u32,
}

/// Copies the mark file at `path`, of exactly `len` bytes, if its process lives.
///
/// `None` for anything else. The file of a dead process is removed. It never waits, for any kind of
/// file at `path`.
pub fn read_if_alive(path: &Path, len: u64) -> Option<Snapshot> {
    // A symbolic link could lead to a file that is not ours to remove.
    let file = open_regular(OpenOptions::new().read(true), libc::O_NOFOLLOW, path).ok()?;
    if file.try_lock_shared().is_ok() {
        let _ = std::fs::remove_file(path);
        return None;
    }
    let found = file.metadata().ok()?;
    if found.len() != len {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(Snapshot { bytes, uid: found.uid() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Memory, Store};

    #[test]
    fn a_file_is_read_while_its_owner_lives_and_removed_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine");
        let own = MarkFile::create(&path, 4096).unwrap();
        own.map().words64(8, 1)[0].set(7);
        let snapshot = read_if_alive(&path, 4096).unwrap();
        assert_eq!(snapshot.bytes[8..16], 7u64.to_le_bytes());
        assert_eq!(read_if_alive(&path, 64), None, "another length");
        assert!(path.exists());
        MarkFile::create(&path, 4096).unwrap_err();
        assert!(path.exists(), "a refused second owner does not remove it");
        drop(own);
        assert!(!path.exists());
    }

    /// Promise 2: nothing at the path of a mark file makes a reader wait, and only a regular file
    /// is removed.
    #[test]
    fn the_file_of_a_dead_process_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("dead"), [0; 4096]).unwrap();
        assert_eq!(read_if_alive(&path("dead"), 4096), None);
        assert!(!path("dead").exists());
        std::fs::write(path("elsewhere"), [0; 4096]).unwrap();
        std::os::unix::fs::symlink(path("elsewhere"), path("link")).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        for name in ["link", "folder", "fifo"] {
            assert_eq!(read_if_alive(&path(name), 4096), None, "{name}");
            assert!(path(name).symlink_metadata().is_ok(), "{name}");
        }
        assert!(path("elsewhere").exists());
    }
}
