//! The free space of a file system.

use std::io::Result;
use std::path::Path;

/// The bytes that an ordinary user may still write to the file system of `path`.
///
/// # Errors
/// The system cannot report the file system of `path`.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let found = nix::sys::statvfs::statvfs(path)?;
    Ok(found.blocks_available().saturating_mul(found.fragment_size()))
}
