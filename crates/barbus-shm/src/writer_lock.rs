//! The lock that makes a process the one user of a bus, or of a folder of it.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::{FallocateFlags, fallocate};

use crate::error::ShmError;
use crate::file::{is_at, open_regular};

/// A process that can open the file, even to read, can lock it and keep the writer from starting.
const MODE: u32 = 0o600;
/// What a file keeps of its disk, in the order of the attempts. xfs asks for a quarter of a
/// megabyte before it creates a file.
const RESERVES: [i64; 4] = [1 << 20, 768 << 10, 512 << 10, 256 << 10];
/// Attempts to lock a file that another process removes or replaces meanwhile.
const ATTEMPTS: usize = 8;

/// The lock of the one writer, held while the value lives.
///
/// The kernel releases it when the process dies for any reason. The file's mode is 0600.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
}

impl WriterLock {
    /// Acquires the lock at `path`, without waiting. A missing file is created, empty.
    ///
    /// # Errors
    /// [`ShmError::Held`] while another process holds it, or the system's refusal. A symbolic link
    /// or anything else that is not a regular file is refused.
    pub fn acquire(path: &Path) -> Result<Self, ShmError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(MODE);
        for _ in 0..ATTEMPTS {
            let file =
                open_regular(&options, libc::O_NOFOLLOW, path).map_err(|e| ShmError::io(path, "open the lock", e))?;
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => return Ok(Self { file }),
                // It was removed after it was opened: the file at the path is another one.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(ShmError::Held { path: path.to_owned(), pid: holder(&file).unwrap_or(0) });
                }
                Err(TryLockError::Error(e)) => return Err(ShmError::io(path, "lock", e)),
            }
        }
        Err(ShmError::io(path, "lock", std::io::Error::other("other processes replace it again and again")))
    }

    /// The open lock file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Stores this process's ID in the file, for people and for the message to the next process,
    /// and sets its mode. It gives back what [`WriterLock::reserve`] has taken.
    ///
    /// It succeeds on a full disk too: the text overwrites the old one in place, and if there is
    /// no room for it, the file stays empty.
    pub fn store_pid(&self) {
        let _ = self.file.set_permissions(Permissions::from_mode(MODE));
        let text = format!("{}\n", std::process::id());
        // Truncated first, the file would lose its block, which a full disk does not give back.
        let stored = self.file.write_all_at(text.as_bytes(), 0);
        let _ = self.file.set_len(if stored.is_ok() { text.len() as u64 } else { 0 });
    }

    /// Takes up to a megabyte of the disk for the file, whose length stays.
    ///
    /// The next start of the writer gives it back, so that it can create what it needs on a full
    /// disk. Where that fails, the next start may be refused by a full disk, and nothing else.
    pub fn reserve(&self) {
        for bytes in RESERVES {
            if fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, bytes).is_ok() {
                return;
            }
        }
    }
}

/// The process that holds the lock: by the kernel's list, or by the text in the file.
fn holder(mut file: &File) -> Option<u32> {
    let inode = file.metadata().ok()?.ino().to_string();
    let listed = std::fs::read_to_string("/proc/locks").ok().and_then(|locks| {
        let mut lines = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // `1: FLOCK ADVISORY WRITE 4711 00:2a:123 0 EOF`
        let mine = |words: &Vec<&str>| {
            words.get(1) == Some(&"FLOCK") && words.get(5).and_then(|at| at.rsplit(':').next()) == Some(&inode)
        };
        lines.find(mine)?.get(4)?.parse().ok()
    });
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    // The kernel lists no process of another namespace, and the inode may be that of another disk.
    text.trim().parse().ok().or(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_with_the_first_ones_pid() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        for has_text in [false, true] {
            let first = WriterLock::acquire(&path).unwrap();
            if has_text {
                first.store_pid();
            }
            match WriterLock::acquire(&path) {
                Err(ShmError::Held { pid, .. }) => assert_eq!(pid, std::process::id()),
                other => panic!("expected Held, got {other:?}"),
            }
        }
        WriterLock::acquire(&path).unwrap();
    }

    /// A link would lead the writer to a file that is not its own, and it would overwrite that.
    #[test]
    fn a_link_is_refused_and_its_target_stays() {
        let dir = tempfile::tempdir().unwrap();
        let [target, link] = ["target", "lock"].map(|name| dir.path().join(name));
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let error = WriterLock::acquire(&link).unwrap_err().to_string();
        assert!(error.ends_with("cannot open the lock: it is a symbolic link"), "{error}");
        assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    }
}
