//! A ring that readers hold: the writer replaces it, or goes on in its reserve. It waits for no
//! reader.
//!
//! A replaced file takes up disk space for as long as a reader has it open, so there is a bound on
//! such files. Beyond the bound, and while there is no room for another file, the writer appends to
//! the few slots of the reserve, which no reader can hold. Other readers then have less time before
//! they are overtaken; nothing else changes.

use std::time::{Duration, Instant};

use barbus_ring::RingFull;
use barbus_shm::free_bytes;

use crate::flusher::RingEvent;
use crate::spec::successor_spec;
use crate::writer::Writer;

/// The pause after a ring could not be replaced.
pub(crate) const REPLACE_PAUSE: Duration = Duration::from_secs(1);

impl Writer {
    /// Makes room in a full ring: returns for how many rows, or `None` if the caller has to wait
    /// for the flusher, which archives closed days and spills the open one, or for a thread that
    /// reads the next block for late bars.
    #[cold]
    pub(crate) fn free_space(&mut self, full: RingFull) -> Option<usize> {
        let rows = self.make_room(full);
        if rows.is_none() {
            self.full_ring.note(full, &self.flusher, &self.syncer);
        }
        rows
    }

    fn make_room(&mut self, full: RingFull) -> Option<usize> {
        if full.unread > 0 {
            return None;
        }
        if !self.is_held(full) {
            // With all rows archived, and a sync, only pinned blocks and the newest one stay.
            self.flusher.request_spill(full.pinned > 0);
            return None;
        }
        if let Err(why) = self.may_replace() {
            return self.append_to_reserve(&why);
        }
        self.ring.seal_full_block();
        if !self.ring.all_persisted() {
            self.flusher.request_spill(true);
            return None;
        }
        match self.replace_ring(0, RingEvent::Replaced) {
            // The next attempt opens the first block of the new ring.
            Ok(()) => None,
            Err(why) => self.append_to_reserve(&why),
        }
    }

    /// Whether readers hold every block that the writer could wait for.
    fn is_held(&self, full: RingFull) -> bool {
        let geometry = self.ring.ring().geometry();
        match geometry.reserve {
            // A ring of an older writer: any pinned block may be the one that is missing.
            0 => full.pinned > 0,
            reserve => full.pinned == geometry.slots - reserve,
        }
    }

    /// Whether the ring may be replaced now, or why not.
    pub(crate) fn may_replace(&self) -> Result<(), String> {
        if let Some((_, why)) = self.replace_failure.as_ref().filter(|(at, _)| at.elapsed() < REPLACE_PAUSE) {
            return Err(why.clone());
        }
        let settings = self.bus.settings();
        let held = self.flusher.held_rings();
        let bytes = self.ring.ring().geometry().file_bytes;
        if held.rings >= settings.held_rings || held.bytes.saturating_add(bytes) > settings.held_size {
            let (rings, megabytes) = (held.rings, held.bytes >> 20);
            return Err(format!("readers hold {rings} replaced rings, {megabytes} MB (readers.held_rings, held_size)"));
        }
        // As much again stays free, for the archive.
        match free_bytes(&self.bus.ring()) {
            Ok(free) if free < 2 * bytes => {
                Err(format!("the disk of the ring has {} MB left, and twice {} MB are needed", free >> 20, bytes >> 20))
            }
            _ => Ok(()),
        }
    }

    /// Continues in a new ring file with room for at least `symbols` symbols. Every row must be
    /// archived. The symbols keep their ids.
    pub(crate) fn replace_ring(&mut self, symbols: u32, event: RingEvent) -> Result<(), String> {
        let spec = successor_spec(&self.bus, self.ring.ring(), symbols);
        let before = self.ring.maintenance();
        let replaced = self.ring.replace(&self.bus.ring(), &spec);
        self.replace_failure = replaced.as_ref().err().map(|error| (Instant::now(), error.to_string()));
        let day = self.day_state.closed_through + 1;
        let replaced = replaced.map(|()| (before, event)).map_err(|error| (day, error.into()));
        self.flusher.switch_to(self.ring.maintenance(), replaced);
        self.current_ring.switch_to(self.ring.maintenance());
        match &self.replace_failure {
            None => Ok(()),
            Some((_, why)) => Err(why.clone()),
        }
    }

    /// Opens a block in the reserve; `None` if no slot of it is archived yet.
    fn append_to_reserve(&mut self, why: &str) -> Option<usize> {
        let rows = self.ring.reserve_rows_despite_pins();
        if rows.is_err() {
            // All rows are archived together: few and large parts, however few blocks there are.
            self.flusher.request_spill(true);
        } else if self.reserve_block.replace(self.ring.newest_block()).is_none() {
            self.flusher.report(RingEvent::InReserve(why.to_owned()));
        }
        rows.ok()
    }

    /// Notes that a block was opened outside the reserve, so readers have released some.
    pub(crate) fn check_reserve(&mut self) {
        if self.reserve_block.is_some_and(|block| block != self.ring.newest_block()) {
            self.reserve_block = None;
            self.flusher.report(RingEvent::LeftReserve);
        }
    }
}
