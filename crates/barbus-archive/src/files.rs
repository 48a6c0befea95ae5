//! Every operation of the archive on files, behind one trait: a test can make each of them fail.
//!
//! A missing path is `NotFound`, except in [`Files::list`]: a missing directory has no entries.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::Path;

use bytes::Bytes;

/// The operations of a file system that the archive uses.
pub trait Files: std::fmt::Debug + Send + Sync {
    /// Makes a directory and those above it, with this mode whatever the umask. An existing
    /// directory keeps its mode.
    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Names in a directory, in any order; none when there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>>;
    /// The whole file.
    fn read(&self, path: &Path) -> io::Result<Bytes>;
    /// Creates an empty file; one that exists is an error.
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;
    /// Gives the file at `from` the name `to`, and replaces a file of that name, in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes every creation, rename and removal in `dir` survive a loss of power.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file just created, under a temporary name.
pub trait NewFile: Send + Sync {
    /// Appends all of `bytes`; after an error the file may have any part of them.
    fn write(&self, bytes: &[u8]) -> io::Result<()>;
    /// Replaces bytes that were written before; after an error any part of them may be replaced.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written survive a loss of power. Another thread may read the file meanwhile.
    fn sync(&self) -> io::Result<()>;
}

/// The real file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            self.create_dir(above, mode)?;
        }
        match DirBuilder::new().mode(mode).create(path) {
            Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        match fs::read_dir(dir) {
            Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Bytes> {
        fs::read(path).map(Bytes::from)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

struct DiskFile(File);

impl NewFile for DiskFile {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}
