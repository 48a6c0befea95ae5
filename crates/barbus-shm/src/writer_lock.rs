//! The lock that makes a process the one writer of a bus.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::ShmError;

/// A process that can open the file, even to read, can lock it and keep the writer from starting.
const MODE: u32 = 0o600;

/// The lock of the one writer, held while the value lives.
///
/// The kernel releases it when the process dies for any reason. The file has the process ID of its
/// last holder, for the message to the next one. Its mode is 0600.
#[derive(Debug)]
pub struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Acquires the lock at `path`, without waiting.
    ///
    /// # Errors
    /// [`ShmError::Held`] while another process holds it, or the system's refusal.
    pub fn acquire(path: &Path) -> Result<Self, ShmError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(path)
            .map_err(|e| ShmError::io(path, "open the lock", e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                return Err(ShmError::Held { path: path.to_owned(), pid: text.trim().parse().unwrap_or(0) });
            }
            Err(TryLockError::Error(e)) => return Err(ShmError::io(path, "lock", e)),
        }
        file.set_permissions(Permissions::from_mode(MODE))
            .and_then(|()| file.set_len(0))
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|e| ShmError::io(path, "write the lock", e))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_with_the_first_ones_pid() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = WriterLock::acquire(&path).unwrap();
        match WriterLock::acquire(&path) {
            Err(ShmError::Held { pid, .. }) => assert_eq!(pid, std::process::id()),
            other => panic!("expected Held, got {other:?}"),
        }
        drop(first);
        WriterLock::acquire(&path).unwrap();
    }
}
