//! What the server knows of a bus.
//!
//! A thread follows the ring and keeps the newest bar of each symbol on the [`Board`]. Everything
//! else is read from files when it is asked for, and the daemon completes it if it answers in time.

mod board;
mod daemon;
mod follow;
mod free_space;
mod situation;
mod spark;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use barbus::Bus;
use tokio::sync::broadcast;

pub(crate) use board::Board;
use daemon::DaemonDesk;
use free_space::FreeSpace;
#[cfg(test)]
pub(crate) use free_space::Place;
pub(crate) use situation::Situation;

/// Messages that a slow page may have before it has to start anew.
const LIVE_MESSAGES: usize = 64;

/// A bus that is served.
pub(crate) struct ServedBus {
    name: String,
    bus: Bus,
    board: Mutex<Board>,
    /// New bars for pages, each message as JSON.
    live: broadcast::Sender<Arc<str>>,
    daemon: DaemonDesk,
    free: Mutex<FreeSpace>,
    /// The newest state as pages read it, and when it was made.
    state: tokio::sync::Mutex<Option<(Instant, Arc<str>)>>,
}

impl ServedBus {
    /// # Errors
    /// As [`Bus::open`]; the bus needs no ring yet.
    pub(crate) fn open(name: &str, path: &Path) -> anyhow::Result<Self> {
        let bus = Bus::open(path)?;
        Ok(Self {
            name: name.to_owned(),
            daemon: DaemonDesk::open(&bus)?,
            bus,
            board: Mutex::default(),
            live: broadcast::channel(LIVE_MESSAGES).0,
            free: Mutex::default(),
            state: tokio::sync::Mutex::default(),
        })
    }

    /// The name by which requests ask for it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New bars from here on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<str>> {
        self.live.subscribe()
    }

    /// Pages that listen.
    pub(crate) fn listeners(&self) -> usize {
        self.live.receiver_count()
    }
}
