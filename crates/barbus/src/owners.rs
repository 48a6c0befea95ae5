//! Who may own the files of a bus.
//!
//! A ring on a shared file system such as `/dev/shm` is beside files of all users. A process that
//! took the file of another user for its ring would show the prices of that user, and the other
//! user could truncate the file, which ends every process that has mapped it.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::geteuid;

use crate::bus::Bus;
use crate::error::{Error, Result};

/// Write permission of the group and of all others.
const OTHERS_MAY_WRITE: u32 = 0o002;
const GROUP_MAY_WRITE: u32 = 0o020;
const ROOT: u32 = 0;

/// The users whose files a process may use as those of a bus: root, its own user, and the owner of
/// the bus's directory.
#[derive(Debug, Clone, Copy)]
pub struct Owners {
    users: [u32; 3],
}

impl Owners {
    /// Those of `bus`.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be examined.
    pub fn of(bus: &Bus) -> Result<Self> {
        let found = examine(bus.path(), std::fs::metadata(bus.path()))?;
        Ok(Self { users: [ROOT, geteuid().as_raw(), found.uid()] })
    }

    /// Checks an open file at `path`: its owner, and that no other user may write it.
    ///
    /// # Errors
    /// [`Error::Untrusted`] with the reason, [`Error::Io`] if it cannot be examined.
    pub fn check_file(&self, file: &File, path: &Path) -> Result<()> {
        let found = examine(path, file.metadata())?;
        self.check_owner(&found, path)?;
        check_mode(&found, GROUP_MAY_WRITE | OTHERS_MAY_WRITE, "go-w", path)
    }

    /// Checks the owner of an open file at `path`, whose mode the caller sets.
    ///
    /// # Errors
    /// As [`Owners::check_file`].
    pub fn check_owner_of(&self, file: &File, path: &Path) -> Result<()> {
        self.check_owner(&examine(path, file.metadata())?, path)
    }

    /// Checks a folder that only the writer may change: its owner, and that not every user may
    /// write it.
    ///
    /// # Errors
    /// As [`Owners::check_file`].
    pub fn check_folder(&self, path: &Path) -> Result<()> {
        let found = examine(path, std::fs::metadata(path))?;
        if !found.is_dir() {
            return Err(untrusted(path, "it is not a directory: move it away".into()));
        }
        self.check_owner(&found, path)?;
        // Members of the group are users that the operator has put there.
        check_mode(&found, OTHERS_MAY_WRITE, "o-w", path)
    }

    fn check_owner(&self, found: &Metadata, path: &Path) -> Result<()> {
        match self.users.contains(&found.uid()) {
            true => Ok(()),
            false => Err(untrusted(
                path,
                format!(
                    "it belongs to user {}, and not to the owner of the bus: find out who made it, and move it away",
                    found.uid()
                ),
            )),
        }
    }
}

fn check_mode(found: &Metadata, forbidden: u32, change: &str, path: &Path) -> Result<()> {
    let mode = found.mode() & 0o7777;
    match mode & forbidden {
        0 => Ok(()),
        _ => Err(untrusted(
            path,
            format!("its mode {mode:04o} lets other users write it: chmod {change} {}", path.display()),
        )),
    }
}

fn examine(path: &Path, found: io::Result<Metadata>) -> Result<Metadata> {
    found.map_err(|error| Error::io(path, "examine", error))
}

fn untrusted(path: &Path, why: String) -> Error {
    Error::Untrusted { path: path.to_owned(), why }
}
