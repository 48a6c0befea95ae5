//! Whether, and how, a reader is seen by others.

use std::sync::Arc;

use barbus_ring::Ring;

use crate::Bus;
use crate::position::PositionFile;

/// A reader's position, told to whoever looks; nothing is said where it cannot be.
#[derive(Debug)]
pub(crate) enum Presence {
    /// It has not read yet: the name that it will have, where it was given one.
    Due(Option<String>),
    /// It is seen.
    Seen(Seen),
    /// It is not seen: it does not wish to be, the bus does not want it, or its file could not be made.
    Unseen,
}

#[derive(Debug)]
pub(crate) struct Seen(Arc<PositionFile>);

impl Drop for Seen {
    fn drop(&mut self) {
        // The file stays while something is held that was pinned.
        self.0.close();
    }
}

impl Presence {
    /// Makes the file, at the first look for bars.
    #[cold]
    pub(crate) fn appear(&mut self, bus: &Bus, ring: &Ring, seq: u64) {
        let Self::Due(name) = self else { return };
        let name = name.take().unwrap_or_else(process_name);
        *self = Self::Unseen;
        if !bus.settings().positions {
            return;
        }
        if let Ok(file) = PositionFile::create(&bus.readers(), &name, ring, seq) {
            let file = Arc::new(file);
            ring.watch_pins(Arc::clone(&file) as _);
            *self = Self::Seen(Seen(file));
        }
    }

    #[inline(always)]
    pub(crate) fn is_due(&self) -> bool {
        matches!(self, Self::Due(_))
    }

    /// The next row to be read.
    #[inline(always)]
    pub(crate) fn moved(&self, seq: u64) {
        if let Self::Seen(Seen(file)) = self {
            file.moved(seq);
        }
    }

    /// The reader goes on in another ring.
    pub(crate) fn turn_to(&self, ring: &Ring, seq: u64) {
        if let Self::Seen(Seen(file)) = self {
            file.turn_to(ring, seq);
            ring.watch_pins(Arc::clone(file) as _);
        }
    }
}

fn process_name() -> String {
    std::fs::read_to_string("/proc/self/comm").unwrap_or_default().trim_end().to_owned()
}
