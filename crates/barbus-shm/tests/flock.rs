//! The locks are `flock`s, as docs/FORMAT.md states: programs in other languages rely on it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use barbus_shm::{MarkFile, WriterLock};

/// The kinds of the locks that the kernel has for the file at `path`.
fn locks(path: &Path) -> Vec<String> {
    let inode = format!(":{} ", path.metadata().unwrap().ino());
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let kind = |line: &str| line.split_whitespace().skip(1).take(3).collect::<Vec<_>>().join(" ");
    locks.lines().filter(|line| line.contains(&inode)).map(kind).collect()
}

#[test]
fn the_writer_and_a_mark_file_hold_an_exclusive_flock() {
    let dir = tempfile::tempdir().unwrap();
    let [lock, mark] = ["lock", "mark"].map(|name| dir.path().join(name));
    let _lock = WriterLock::acquire(&lock).unwrap();
    let _mark = MarkFile::create(&mark, 4096).unwrap();
    for path in [lock, mark] {
        assert_eq!(locks(&path), ["FLOCK ADVISORY WRITE"], "{}", path.display());
    }
}
