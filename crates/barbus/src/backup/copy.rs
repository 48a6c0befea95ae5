//! Files that are copied and written for good.

use std::fs::{File, FileTimes, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// Copies `source`, which is open, to a new file at `to`, which is on disk when this returns.
/// It has the mode and the time of the source. Without its last line if that has no end.
///
/// The file system may share the blocks of both files.
pub(super) fn copy_file(source: &File, to: &Path, whole_lines: bool) -> Result<()> {
    let failed = |error| Error::io(to, "copy to", error);
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(to).map_err(failed)?;
    // The standard library copies in the kernel (copy_file_range) where that is possible.
    std::io::copy(&mut &*source, &mut file).map_err(failed)?;
    if whole_lines {
        file.set_len(end_of_last_line(to)?).map_err(failed)?;
    }
    let metadata = source.metadata().map_err(failed)?;
    file.set_permissions(metadata.permissions()).map_err(failed)?;
    if let Ok(modified) = metadata.modified() {
        file.set_times(FileTimes::new().set_modified(modified)).map_err(failed)?;
    }
    file.sync_all().map_err(failed)
}

/// A file that another process appends to may have been read in the middle of a line.
fn end_of_last_line(path: &Path) -> Result<u64> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
    Ok(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1))
}

/// The size and the CRC-32C of a file.
pub(super) fn size_and_crc(path: &Path) -> Result<(u64, u32)> {
    let failed = |error| Error::io(path, "read", error);
    let mut file = File::open(path).map_err(failed)?;
    let (mut bytes, mut crc, mut piece) = (0, 0, vec![0; PIECE]);
    loop {
        let read = file.read(&mut piece).map_err(failed)?;
        if read == 0 {
            return Ok((bytes, crc));
        }
        bytes += read as u64;
        crc = crc32c::crc32c_append(crc, &piece[..read]);
    }
}

/// Writes a file, which is on disk when this returns.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| Error::io(path, "write", error))
}

/// Makes the names in a folder survive a loss of power.
pub(super) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| Error::io(path, "sync", error))
}
