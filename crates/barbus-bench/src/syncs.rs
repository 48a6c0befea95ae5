//! A `Files` implementation that measures the time of syncs.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use barbus_archive::files::{DiskFiles, Files, NewFile};
use bytes::Bytes;

/// Counters in nanoseconds since their creation.
#[derive(Debug, Clone, Default)]
pub(crate) struct TimedSyncs(Arc<AtomicU64>);

impl TimedSyncs {
    pub(crate) fn taken(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn time(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let start = Instant::now();
        let outcome = sync();
        self.0.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        outcome
    }
}

impl Files for TimedSyncs {
    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        DiskFiles.create_dir(path, mode)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        DiskFiles.list(dir)
    }

    fn read(&self, path: &Path) -> io::Result<Bytes> {
        DiskFiles.read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        Ok(Box::new(TimedFile { file: DiskFiles.create(path)?, syncs: self.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskFiles.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.time(|| DiskFiles.sync_dir(dir))
    }
}

struct TimedFile {
    file: Box<dyn NewFile>,
    syncs: TimedSyncs,
}

impl NewFile for TimedFile {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.write(bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.time(|| self.file.sync())
    }
}
