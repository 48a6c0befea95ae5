use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::ShmError;

/// Nobody but the writer's user has anything to do with it.
const MODE: u32 = 0o600;

/// The one writer's lock: held while the value lives, dropped by the kernel when the process dies, however it dies.
///
/// The file holds the process number of its last holder, so that whoever is refused can name it. Its mode is 0600: whoever could open it, if only to
/// read, could lock it as well, and keep the writer from starting.
#[derive(Debug)]
pub struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Takes the lock at `path` without waiting; [`ShmError::Held`] where somebody else has it.
    pub fn acquire(path: &Path) -> Result<Self, ShmError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(path)
            .map_err(|e| ShmError::io(path, "open the lock", e))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                return Err(ShmError::Held { path: path.to_owned(), pid: text.trim().parse().unwrap_or(0) });
            }
            Err(e) => return Err(ShmError::io(path, "lock", e)),
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
