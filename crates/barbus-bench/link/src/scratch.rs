//! Temporary directories of a benchmark, in shared memory if it has room.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

const MEMORY: &str = "/dev/shm";
/// More bytes than any measure needs there at once.
const ROOM: u64 = 2 << 30;

/// The parent of the directories that [`scratch`] creates.
///
/// It is shared memory, because the limits of the machine involve no disk either.
/// In a container with little shared memory it is the directory for temporary files.
pub fn scratch_place() -> PathBuf {
    let room = nix::sys::statvfs::statvfs(MEMORY).map_or(0, |found| found.blocks_available() * found.fragment_size());
    if room >= ROOM { MEMORY.into() } else { std::env::temp_dir() }
}

/// A directory in [`scratch_place`].
pub fn scratch() -> anyhow::Result<tempfile::TempDir> {
    let place = scratch_place();
    let made = tempfile::Builder::new().prefix(&prefix(std::process::id())).tempdir_in(&place);
    made.with_context(|| place.display().to_string())
}

/// Prefix of the directories of a process.
fn prefix(pid: u32) -> String {
    format!("barbus-bench-{pid}-")
}

/// Prefix of the files that a peer creates in shared memory, beside `directory`.
pub fn beside(directory: &str) -> String {
    directory.replace('-', "_")
}

/// Removes the directories of the process `pid`, which has ended.
///
/// An interrupted process leaves hundreds of megabytes in memory.
pub fn sweep(pid: u32) {
    let own = prefix(pid);
    remove(&beside(&own));
    remove(&own);
}

/// Removes everything with this prefix from the directories that [`scratch`] uses.
pub fn remove(beginning: &str) {
    for file in [MEMORY.into(), std::env::temp_dir()].iter().flat_map(fs::read_dir).flatten().flatten() {
        if file.file_name().to_string_lossy().starts_with(beginning) {
            let _ = fs::remove_file(file.path()).or_else(|_| fs::remove_dir_all(file.path()));
        }
    }
}
