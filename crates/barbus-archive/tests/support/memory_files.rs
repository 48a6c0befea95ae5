//! A file system in memory that can fail at any operation, die there, and lose what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use barbus_archive::files::{Files, NewFile};
use bytes::Bytes;

/// The effect of the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It fails and does nothing.
    Refused,
    /// It fails half done: a write leaves half of its bytes, as on a full disk. Others do nothing.
    Half,
    /// It is done, but reports an error.
    Done,
    /// A write leaves half of its bytes and reports nothing. Others are done.
    Silent,
}

/// The operation that fails, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Number of the operation, from 0.
    pub(crate) at: usize,
    pub(crate) effect: Effect,
    /// Every later operation fails too, with no effect: the process is dead.
    pub(crate) dead: bool,
}

/// What a loss of power takes of unsynced names and contents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PowerLoss {
    /// Names go back to the last sync of their directory.
    pub(crate) names: bool,
    /// Contents go back to the last sync of the file.
    pub(crate) contents: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    synced_dirs: BTreeSet<PathBuf>,
    fault: Option<Fault>,
    operations: usize,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    contents: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryFiles(Arc<Mutex<Disk>>);

impl MemoryFiles {
    /// An independent copy of the present state.
    pub(crate) fn fork(&self) -> MemoryFiles {
        MemoryFiles(Arc::new(Mutex::new(self.disk().clone())))
    }

    pub(crate) fn arm(&self, fault: Fault) {
        let mut disk = self.disk();
        disk.operations = 0;
        disk.fault = Some(fault);
    }

    /// Removes the fault; returns the number of operations since it was armed.
    pub(crate) fn disarm(&self) -> usize {
        let mut disk = self.disk();
        disk.fault = None;
        std::mem::take(&mut disk.operations)
    }

    pub(crate) fn lose_power(&self, loss: PowerLoss) {
        let mut disk = self.disk();
        if loss.names {
            let Disk { synced_dirs, synced_names, .. } = &*disk;
            let mut names = synced_names.clone();
            names.retain(|name, _| synced_dirs.contains(name.parent().unwrap()));
            disk.names = names;
        }
        if loss.contents {
            for inode in &mut disk.inodes {
                inode.contents = inode.synced.clone();
            }
        }
    }

    /// The names of all files.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.disk().names.keys().cloned().collect::<Vec<_>>();
        names.iter().map(|name| name.display().to_string()).collect()
    }

    /// All directories.
    pub(crate) fn dirs(&self) -> Vec<PathBuf> {
        self.disk().dirs.iter().cloned().collect()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    fn operation<T>(
        &self,
        half: impl FnOnce(&mut Disk),
        whole: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut disk = self.disk();
        let number = disk.operations;
        disk.operations += 1;
        let error = || io::Error::new(ErrorKind::StorageFull, "injected");
        match disk.fault {
            Some(fault) if fault.at == number && fault.effect != Effect::Silent => {
                match fault.effect {
                    Effect::Refused | Effect::Silent => {}
                    Effect::Half => half(&mut disk),
                    Effect::Done => drop(whole(&mut disk)),
                }
                Err(error())
            }
            Some(fault) if fault.dead && fault.at < number => Err(error()),
            _ => whole(&mut disk),
        }
    }
}

impl Disk {
    fn inode(&self, path: &Path) -> io::Result<usize> {
        let found = self.names.get(path).copied();
        found.ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Files for MemoryFiles {
    fn create_dir(&self, path: &Path, _mode: u32) -> io::Result<()> {
        self.operation(
            |_| {},
            |disk| {
                disk.dirs.insert(path.to_owned());
                Ok(())
            },
        )
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.operation(
            |_| {},
            |disk| {
                let names = disk.names.keys();
                let inside = names.filter(|name| name.parent() == Some(dir));
                Ok(inside.map(|name| name.file_name().unwrap().into()).collect())
            },
        )
    }

    fn read(&self, path: &Path) -> io::Result<Bytes> {
        self.operation(
            |_| {},
            |disk| {
                let inode = disk.inode(path)?;
                Ok(disk.inodes[inode].contents.clone().into())
            },
        )
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let inode = self.operation(
            |_| {},
            |disk| {
                assert!(disk.dirs.contains(path.parent().unwrap()), "{path:?}");
                if disk.names.contains_key(path) {
                    return Err(ErrorKind::AlreadyExists.into());
                }
                let inode = disk.inodes.len();
                disk.inodes.push(Inode::default());
                disk.names.insert(path.to_owned(), inode);
                Ok(inode)
            },
        )?;
        let files = self.clone();
        Ok(Box::new(MemoryFile { files, inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operation(
            |_| {},
            |disk| {
                let inode = disk.inode(from)?;
                disk.names.remove(from);
                disk.names.insert(to.to_owned(), inode);
                Ok(())
            },
        )
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operation(
            |_| {},
            |disk| {
                disk.inode(path)?;
                disk.names.remove(path);
                Ok(())
            },
        )
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.operation(
            |_| {},
            |disk| {
                let inside = |name: &PathBuf| name.parent() == Some(dir);
                disk.synced_dirs.retain(|dir| !inside(dir));
                disk.synced_dirs.extend(disk.dirs.iter().filter(|dir| inside(dir)).cloned());
                disk.synced_names.retain(|name, _| !inside(name));
                for (name, &inode) in disk.names.iter().filter(|(name, _)| inside(name)) {
                    disk.synced_names.insert(name.clone(), inode);
                }
                Ok(())
            },
        )
    }
}

struct MemoryFile {
    files: MemoryFiles,
    inode: usize,
}

impl NewFile for MemoryFile {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let inode = self.inode;
        let append = |disk: &mut Disk, bytes: &[u8]| {
            disk.inodes[inode].contents.extend_from_slice(bytes);
        };
        self.files.operation(
            |disk| append(disk, &bytes[..bytes.len() / 2]),
            |disk| {
                let now = disk.operations - 1;
                let cut = disk.fault.is_some_and(|fault| fault.effect == Effect::Silent && fault.at == now);
                append(disk, if cut { &bytes[..bytes.len() / 2] } else { bytes });
                Ok(())
            },
        )
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let inode = self.inode;
        let replace = |disk: &mut Disk, bytes: &[u8]| {
            disk.inodes[inode].contents[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        };
        self.files.operation(
            |disk| replace(disk, &bytes[..bytes.len() / 2]),
            |disk| {
                let now = disk.operations - 1;
                let cut = disk.fault.is_some_and(|fault| fault.effect == Effect::Silent && fault.at == now);
                replace(disk, if cut { &bytes[..bytes.len() / 2] } else { bytes });
                Ok(())
            },
        )
    }

    fn sync(&self) -> io::Result<()> {
        let inode = self.inode;
        self.files.operation(
            |_| {},
            |disk| {
                disk.inodes[inode].synced = disk.inodes[inode].contents.clone();
                Ok(())
            },
        )
    }
}
