//! The directory of a backup: nothing else may be in it, and one backup is made at a time.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::manifest::{MANIFEST, Manifest};
use super::tree::is_tree;
use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::folders::create_folders;

/// The file that a backup locks.
const LOCK: &str = "lock";

/// The directory, locked.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    _lock: File,
}

impl Place {
    /// Opens `dir` for a backup of `bus`, and creates it if it is missing.
    pub(super) fn open(bus: &Bus, dir: &Path) -> Result<Self> {
        let refused = |what: &str| Err(Error::Backup { path: dir.to_owned(), what: what.into() });
        create_folders(dir).map_err(|error| Error::io(dir, "create", error))?;
        let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let own = resolved(dir);
        if [bus.path(), &bus.archive()].iter().any(|place| own.starts_with(resolved(place))) {
            return refused("it is in the bus, and would be lost with it: name a directory elsewhere");
        }
        let foreign = |name: &str| name != LOCK && !name.starts_with(MANIFEST) && !is_tree(name);
        if names(dir)?.iter().any(|name| foreign(name)) {
            return refused("it has other files than those of a backup: name a directory of its own");
        }
        let path = dir.join(LOCK);
        let lock = File::options().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(|error| Error::io(&path, "create", error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => refused("another backup is being made in it: wait for its end"),
            Err(TryLockError::Error(error)) => Err(Error::io(&path, "lock", error)),
        }
    }

    /// Removes the trees that an interrupted backup has left.
    pub(super) fn remove_trees(&self, manifest: Option<&Manifest>) -> Result<()> {
        let named = manifest.map(|manifest| manifest.tree.as_str());
        for name in names(&self.dir)?.iter().filter(|name| is_tree(name) && Some(name.as_str()) != named) {
            let path = self.dir.join(name);
            std::fs::remove_dir_all(&path).map_err(|error| Error::io(&path, "remove", error))?;
        }
        Ok(())
    }

    /// Removes a tree; the next backup removes what cannot be removed here.
    pub(super) fn remove_tree(&self, name: &str) {
        let _ = std::fs::remove_dir_all(self.dir.join(name));
    }

    /// As [`Place::remove_tree`], unless the manifest names it already.
    pub(super) fn remove_tree_unless_named(&self, name: &str) {
        if Manifest::load(&self.dir).is_ok_and(|manifest| manifest.is_none_or(|manifest| manifest.tree != name)) {
            self.remove_tree(name);
        }
    }
}

fn names(dir: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::io(dir, "read", error);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    entries.map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned())).collect()
}
