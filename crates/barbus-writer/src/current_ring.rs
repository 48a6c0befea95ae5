//! The ring that the writer appends to.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use barbus_ring::RingMaintenance;

use crate::clock::Moment;
use crate::syncer::SyncTarget;

/// A shared handle of the current ring, for the threads beside the writer.
#[derive(Debug, Clone)]
pub(crate) struct CurrentRing {
    ring: Arc<Mutex<RingMaintenance>>,
    /// Whether the writer shows readers of the ring that it lives.
    beating: Arc<AtomicBool>,
}

impl CurrentRing {
    pub(crate) fn new(ring: RingMaintenance) -> Self {
        Self { ring: Arc::new(Mutex::new(ring)), beating: Arc::new(AtomicBool::new(true)) }
    }

    /// Continues with `ring`, which replaced the current one.
    pub(crate) fn switch_to(&self, ring: RingMaintenance) {
        *self.ring.lock().unwrap_or_else(PoisonError::into_inner) = ring;
    }

    /// Writes the writer's heartbeat; a moment of zeros at its end.
    pub(crate) fn beat(&self, now: Moment) {
        match self.beating.load(Ordering::Relaxed) {
            true => self.get().heartbeat(now.wall_ns as u64, now.boot_ns as u64),
            false => self.get().heartbeat(0, 0),
        }
    }

    /// Continues or stops the heartbeat.
    pub(crate) fn set_beating(&self, beating: bool) {
        self.beating.store(beating, Ordering::Relaxed);
    }

    /// Whether the ring's file was removed, moved or replaced by another program.
    pub(crate) fn is_lost(&self) -> bool {
        let ring = self.get();
        // The writer marks a ring before it puts another one in its place.
        !ring.is_at_its_path() && !ring.ring().superseded() && ring.is_same_ring(&self.get())
    }

    /// The path of the ring's file.
    pub(crate) fn path(&self) -> PathBuf {
        self.get().path().to_owned()
    }

    /// Gives the ring's file disk blocks of its own; returns whether it shared any.
    pub(crate) fn unshare(&self) -> Result<bool, String> {
        self.get().unshare().map_err(|error| error.to_string())
    }

    /// A handle of the ring.
    pub(crate) fn get(&self) -> RingMaintenance {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
