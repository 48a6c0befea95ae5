//! How a reader reports its position.

use std::sync::Arc;

use barbus_ring::Ring;

use crate::bus::Bus;
use crate::positions::file::PositionFile;

/// Reports the position of one reader in a position file. Without a file nothing is reported, and
/// reading continues.
#[derive(Debug)]
pub(crate) enum PositionReporter {
    /// The reader has not read yet. If it was given a name, the file will have it.
    Pending(Option<String>),
    /// The reader has a file.
    Active(ActiveFile),
    /// The reader has no file: it is anonymous, the bus does not keep positions, or the file could
    /// not be created.
    Off,
}

#[derive(Debug)]
pub(crate) struct ActiveFile(Arc<PositionFile>);

impl Drop for ActiveFile {
    fn drop(&mut self) {
        // The file stays for as long as anything that the reader pinned is held.
        self.0.close();
    }
}

impl PositionReporter {
    /// Creates the file, before the reader polls for the first time.
    #[cold]
    pub(crate) fn register(&mut self, bus: &Bus, ring: &Ring, seq: u64) {
        let Self::Pending(name) = self else { return };
        let name = name.take().unwrap_or_else(process_name);
        *self = Self::Off;
        if !bus.settings().positions {
            return;
        }
        if let Ok(file) = PositionFile::create(&bus.readers(), &name, ring, seq) {
            let file = Arc::new(file);
            ring.watch_pins(Arc::clone(&file) as _);
            *self = Self::Active(ActiveFile(file));
        }
    }

    #[inline(always)]
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self, Self::Pending(_))
    }

    /// Reports the sequence number of the next row to be read.
    #[inline(always)]
    pub(crate) fn set_position(&self, seq: u64) {
        if let Self::Active(ActiveFile(file)) = self {
            file.set_position(seq);
        }
    }

    /// Records that the reader has switched to another ring.
    pub(crate) fn set_ring(&self, ring: &Ring, seq: u64) {
        if let Self::Active(ActiveFile(file)) = self {
            file.set_ring(ring, seq);
            ring.watch_pins(Arc::clone(file) as _);
        }
    }
}

fn process_name() -> String {
    std::fs::read_to_string("/proc/self/comm").unwrap_or_default().trim_end().to_owned()
}
