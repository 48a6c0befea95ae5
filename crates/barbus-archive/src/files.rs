//! Every operation the archive does on files, behind one small trait, so that each can be made to fail in a test.
//!
//! A path that is not there is `NotFound`, except in [`Files::list`], where a missing directory has no entries.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::Path;
use std::{panic, thread};

use bytes::Bytes;

/// What the archive asks of a file system.
pub trait Files: std::fmt::Debug + Send + Sync {
    /// Makes a directory and those above it, with this mode whatever the umask; one that is there is fine, and stays as it is.
    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Names in a directory, in any order; none when there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>>;
    /// The whole file.
    fn read(&self, path: &Path) -> io::Result<Bytes>;
    /// Whether the whole file is `contents`.
    fn is(&self, path: &Path, contents: &[u8]) -> io::Result<bool> {
        Ok(self.read(path)? == contents)
    }
    /// Creates a file that must not be there yet, empty.
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;
    /// Gives the file at `from` the name `to`, replacing what had it, at once.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes what was created, renamed and removed in `dir` outlive a power loss.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file just created, not yet in its place.
pub trait NewFile: Send + Sync {
    /// Appends all of `bytes`; after an error any part of them may be there.
    fn write(&self, bytes: &[u8]) -> io::Result<()>;
    /// Writes `bytes` over as many that were written before.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written before the call outlive a power loss. May be called in another thread, which goes on writing meanwhile.
    fn sync(&self) -> io::Result<()>;
}

/// Bytes that are read at a time to be compared.
const PIECE_BYTES: usize = 1 << 17;
/// A file of so many is compared by two threads.
const HALVES_BYTES: usize = 4 << 20;

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

    fn is(&self, path: &Path, contents: &[u8]) -> io::Result<bool> {
        let file = File::open(path)?;
        if file.metadata()?.len() != contents.len() as u64 {
            return Ok(false);
        }
        let half = contents.len() / 2;
        if contents.len() < HALVES_BYTES {
            return has(&file, 0, contents);
        }
        thread::scope(|scope| {
            let second = scope.spawn(|| has(&file, half, &contents[half..]));
            let first = has(&file, 0, &contents[..half])?;
            Ok(second.join().unwrap_or_else(|panic| panic::resume_unwind(panic))? && first)
        })
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

/// Whether a file has these contents from there on.
fn has(file: &File, from: usize, contents: &[u8]) -> io::Result<bool> {
    // Piece by piece: a second copy of a day need not be in memory.
    let mut piece = vec![0; PIECE_BYTES.min(contents.len())];
    for (i, meant) in contents.chunks(PIECE_BYTES).enumerate() {
        let found = &mut piece[..meant.len()];
        match file.read_exact_at(found, (from + i * PIECE_BYTES) as u64) {
            Ok(()) if found == meant => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_file_is_compared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("day");
        for bytes in [0, 1, PIECE_BYTES + 1, HALVES_BYTES - 1, HALVES_BYTES + 3] {
            let mut contents: Vec<u8> = (0..bytes).map(|i| ((i * 31) >> 3) as u8).collect();
            fs::write(&path, &contents).unwrap();
            assert!(DiskFiles.is(&path, &contents).unwrap());
            for at in [0, PIECE_BYTES, (bytes / 2).saturating_sub(1), bytes / 2, bytes.saturating_sub(1)] {
                if let Some(byte) = contents.get_mut(at) {
                    *byte ^= 1;
                    assert!(!DiskFiles.is(&path, &contents).unwrap(), "byte {at} of {bytes}");
                    contents[at] ^= 1;
                }
            }
            contents.push(0);
            assert!(!DiskFiles.is(&path, &contents).unwrap());
            contents.truncate(bytes.saturating_sub(1));
            assert!(bytes == 0 || !DiskFiles.is(&path, &contents).unwrap());
        }
    }
}
