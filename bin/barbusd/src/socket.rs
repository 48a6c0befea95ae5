//! The socket that producers connect to.

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use barbus::{Error, Result};
use tokio::net::UnixListener;

/// A listening socket and its file, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Binds `path`, mode 0660. To be called by the holder of the writer's lock: a socket that is there is a dead daemon's and is replaced.
    pub(crate) fn bind(path: &Path) -> Result<Self> {
        let refused = |action| move |source| Error::Io { path: path.to_owned(), action, source };
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => {
                std::fs::remove_file(path).map_err(refused("remove the socket of a dead daemon"))?;
            }
            Ok(_) => {
                let there = std::io::Error::new(ErrorKind::AlreadyExists, "there is a file that is no socket");
                return Err(refused("listen")(there));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(refused("look at the socket")(error)),
        }
        let listener = UnixListener::bind(path).map_err(|error| match error.kind() {
            // The kernel's own limit, which the system's message names by a constant of C.
            ErrorKind::InvalidInput => refused("listen")(std::io::Error::new(
                ErrorKind::InvalidInput,
                "a socket's path has at most 107 bytes: set ingest.socket in bus.toml to a shorter one",
            )),
            _ => refused("listen")(error),
        })?;
        let socket = Self { listener, path: path.to_owned() };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(refused("set the mode"))?;
        Ok(socket)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
