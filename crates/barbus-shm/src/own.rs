//! A small file of a process's own, mapped for writing, which others may look at: what is in it, and whether its process lives.
//!
//! The owner holds an `flock` on it, which the kernel gives back when the process ends, however it ends: a file whose lock is free is a dead
//! process's. Others read it by copy, never by a map: its owner may cut it off at any moment, and harms himself alone.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::{ShmError, WriteMap, allocate, process};

/// A file that this process made for itself; it is removed when the value is dropped, but not by a forked child.
#[derive(Debug)]
pub struct OwnFile {
    map: WriteMap,
    path: PathBuf,
    pid: u32,
    /// Its description has the lock. The map's descriptor is another one.
    _locked: File,
}

impl OwnFile {
    /// Makes `path` with `len` bytes of zeros (mode 0640) and locks it. Fails where it exists, and where a [`look`] came between.
    pub fn create(path: &Path, len: u64) -> Result<Self, ShmError> {
        // The process may change its directory.
        let path = std::path::absolute(path).map_err(|e| ShmError::io(path, "find", e))?;
        let file = allocate(&path, len)?;
        let made = lock(&file, &path).and_then(|()| WriteMap::open(&path));
        let made = made.map(|map| Self { map, path: path.clone(), pid: process::id(), _locked: file });
        made.inspect_err(|_| drop(std::fs::remove_file(&path)))
    }

    /// False in a forked child of the process that made it.
    pub fn is_mine(&self) -> bool {
        process::id() == self.pid
    }

    /// Its bytes.
    pub fn map(&self) -> &WriteMap {
        &self.map
    }
}

fn lock(file: &File, path: &Path) -> Result<(), ShmError> {
    let refused = |e: std::io::Error| ShmError::io(path, "lock", e);
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|e| refused(e.into()))?;
    // Whoever looked before the lock was there has taken it for a dead process's.
    match file.metadata().map_err(refused)?.nlink() {
        0 => Err(refused(std::io::ErrorKind::NotFound.into())),
        _ => Ok(()),
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if self.is_mine() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Somebody's [`OwnFile`], as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The user that it belongs to.
    pub uid: u32,
}

/// Looks at the file at `path`: `None` where it is not a regular file of exactly `len` bytes, cannot be read, or its process is dead; a dead
/// process's file is removed. It never waits, whatever is there.
pub fn look(path: &Path, len: u64) -> Option<Sight> {
    // A FIFO would wait for its other end, a link would lead elsewhere.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let found = file.metadata().ok()?;
    if !found.is_file() {
        return None;
    }
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        let _ = std::fs::remove_file(path);
        return None;
    }
    if found.len() != len {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(Sight { bytes, uid: found.uid() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Memory, Store};

    #[test]
    fn a_file_is_seen_while_its_owner_lives_and_goes_with_him() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine");
        let own = OwnFile::create(&path, 4096).unwrap();
        own.map().words64(8, 1)[0].set(7);
        let sight = look(&path, 4096).unwrap();
        assert_eq!(sight.bytes[8..16], 7u64.to_le_bytes());
        assert_eq!(look(&path, 64), None, "another length");
        assert!(path.exists());
        OwnFile::create(&path, 4096).unwrap_err();
        assert!(path.exists(), "who was refused has not removed it");
        drop(own);
        assert!(!path.exists());
    }

    /// Promise 2: what lies in the place of such a file makes nobody wait, and what cannot be one is left alone.
    #[test]
    fn a_dead_ones_file_is_removed_and_what_is_no_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("dead"), [0; 4096]).unwrap();
        assert_eq!(look(&path("dead"), 4096), None);
        assert!(!path("dead").exists());
        std::fs::write(path("elsewhere"), [0; 4096]).unwrap();
        std::os::unix::fs::symlink(path("elsewhere"), path("link")).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        for name in ["link", "folder", "fifo"] {
            assert_eq!(look(&path(name), 4096), None, "{name}");
            assert!(path(name).symlink_metadata().is_ok(), "{name}");
        }
        assert!(path("elsewhere").exists());
    }
}
