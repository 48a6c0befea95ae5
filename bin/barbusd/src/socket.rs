//! The listening socket, and its file in the bus directory.

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use barbus::{Error, Result};
use tokio::net::UnixListener;

/// A listening socket. Dropping it removes its file.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Binds `path` with mode 0660, and replaces the socket of a dead daemon.
    ///
    /// Only the holder of the writer's lock may call it: any other socket at the path then belongs
    /// to a dead daemon.
    pub(crate) fn bind(path: &Path) -> Result<Self> {
        let failed = |action| move |source| Error::Io { path: path.to_owned(), action, source };
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => {
                std::fs::remove_file(path).map_err(failed("remove the socket of a dead daemon"))?;
            }
            Ok(_) => {
                let found = std::io::Error::new(ErrorKind::AlreadyExists, "a file that is no socket is in the way");
                return Err(failed("listen")(found));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed("inspect the socket")(error)),
        }
        let listener = UnixListener::bind(path).map_err(|error| match error.kind() {
            // The kernel's limit; the system's message names it by a constant of C.
            ErrorKind::InvalidInput => failed("listen")(std::io::Error::new(
                ErrorKind::InvalidInput,
                "a socket's path has at most 107 bytes: set ingest.socket in bus.toml to a shorter one",
            )),
            _ => failed("listen")(error),
        })?;
        let socket = Self { listener, path: path.to_owned() };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed("set the mode"))?;
        Ok(socket)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
