//! The ring that the writer appends to.

use std::sync::{Arc, Mutex, PoisonError};

use barbus_ring::RingMaintenance;

use crate::clock::Moment;
use crate::syncer::SyncTarget;

/// A shared handle of the current ring, for the threads beside the writer.
#[derive(Debug, Clone)]
pub(crate) struct CurrentRing(Arc<Mutex<RingMaintenance>>);

impl CurrentRing {
    pub(crate) fn new(ring: RingMaintenance) -> Self {
        Self(Arc::new(Mutex::new(ring)))
    }

    /// Continues with `ring`, which replaced the current one.
    pub(crate) fn switch_to(&self, ring: RingMaintenance) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ring;
    }

    /// Writes the writer's heartbeat; a moment of zeros at its end.
    pub(crate) fn beat(&self, now: Moment) {
        self.get().heartbeat(now.wall_ns as u64, now.boot_ns as u64);
    }

    fn get(&self) -> RingMaintenance {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SyncTarget for CurrentRing {
    fn progress(&mut self) -> (u64, u32) {
        let maintenance = self.get();
        let commits = maintenance.ring().commits();
        (maintenance.ring().status().next_seq, commits)
    }

    fn sync(&mut self) -> Result<(), String> {
        // If the ring is replaced meanwhile, all of its rows are in the archive, which is synced.
        self.get().sync().map_err(|error| error.to_string())
    }
}
