use std::fs;
use std::path::PathBuf;

use anyhow::Context;

const MEMORY: &str = "/dev/shm";
/// More than any measure has there at once.
const ROOM: u64 = 2 << 30;

/// Where [`scratch`] makes its directories: in shared memory, as the limits have no disk either. Containers often have little of it, and files
/// are somewhere else then.
pub fn scratch_place() -> PathBuf {
    let room = rustix::fs::statvfs(MEMORY).map_or(0, |found| found.f_bavail * found.f_frsize);
    if room >= ROOM { MEMORY.into() } else { std::env::temp_dir() }
}

/// A directory in [`scratch_place`].
pub fn scratch() -> anyhow::Result<tempfile::TempDir> {
    let place = scratch_place();
    let made = tempfile::Builder::new().prefix(&prefix(std::process::id())).tempdir_in(&place);
    made.with_context(|| place.display().to_string())
}

/// How the names of a process's directories begin.
fn prefix(pid: u32) -> String {
    format!("barbus-bench-{pid}-")
}

/// How the names of those files begin that a peer has in shared memory besides, for a directory of that name.
pub fn beside(directory: &str) -> String {
    directory.replace('-', "_")
}

/// Removes what is left of the directories of process `pid`, which has ended: one that is interrupted leaves hundreds of megabytes in memory.
pub fn sweep(pid: u32) {
    let own = prefix(pid);
    remove(&beside(&own));
    remove(&own);
}

/// Removes what has a name that begins so, where [`scratch`] makes directories.
pub fn remove(beginning: &str) {
    for file in [MEMORY.into(), std::env::temp_dir()].iter().flat_map(fs::read_dir).flatten().flatten() {
        if file.file_name().to_string_lossy().starts_with(beginning) {
            let _ = fs::remove_file(file.path()).or_else(|_| fs::remove_dir_all(file.path()));
        }
    }
}
