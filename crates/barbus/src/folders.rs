//! The folders of a bus, and their modes.

use std::fs::{DirBuilder, Permissions, set_permissions};
use std::io::{ErrorKind, Result};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// The bus's group may read; others have no access.
const MODE: u32 = 0o750;

/// In the readers' folder each member of the bus's group may create a position file, and only its
/// owner may remove it (sticky); the files belong to the group (set-group-id).
const READERS_MODE: u32 = 0o3770;

/// The same without the set-group-id bit, which some containers forbid.
const READERS_MODE_WITHOUT_GROUP: u32 = 0o1770;

/// As [`create_folder`], with its missing parents.
pub fn create_folders(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_folders(parent)?;
    }
    create_folder(path)
}

/// Creates a folder of a bus with mode 0750. An existing folder is not changed.
///
/// Its parent must exist: where a bus was moved away while it is written, nothing may be made at
/// its old path.
pub fn create_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    match DirBuilder::new().mode(MODE).create(path) {
        // The umask may have removed the group's bits.
        Ok(()) => set_permissions(path, Permissions::from_mode(MODE)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Creates the folder of the readers' position files. An existing folder is not changed.
pub fn create_readers_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    create_folder(path)?;
    let set_mode = |mode| set_permissions(path, Permissions::from_mode(mode));
    set_mode(READERS_MODE).or_else(|_| set_mode(READERS_MODE_WITHOUT_GROUP))
}
