//! The watch over the ring's file: whether it is still at its path, and owns its disk blocks.
//!
//! A file that was removed, moved or replaced takes every later bar with it: the next start does
//! not find them. A copy of the file (`cp --reflink`) or a snapshot shares its blocks, and the next
//! store would need a free one.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use barbus::Bus;
use barbus::internal::Monitor;

use crate::current_ring::CurrentRing;
use crate::failure::Failure;
use crate::flusher::RingLossNotice;
use crate::places::mark_archived;
use crate::ticker::Ticker;

/// The interval between two looks at the path.
const INTERVAL: Duration = Duration::from_millis(200);
/// The looks at the path between two looks at the blocks.
const BLOCKS_EVERY: u32 = 4;
/// How long readers of a lost ring see a live writer: a new ring takes less if it can be made.
const GIVE_UP: Duration = Duration::from_secs(3);

/// What the watch shares with the writer.
#[derive(Debug, Default)]
pub(crate) struct RingState {
    lost: AtomicBool,
    /// Why the ring cannot be relied on, until it can.
    failure: Monitor<Option<Failure>>,
}

impl RingState {
    /// Whether the ring's file is not at its path.
    #[inline(always)]
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// The last failure, until the ring is in order.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.lock().clone()
    }

    /// Records why no new ring could take the place of a lost one, or with `None` that one has.
    pub(crate) fn set_failure(&self, error: Option<String>) {
        let mut failure = self.failure.lock();
        let previous = failure.take();
        *failure = error.map(|error| Failure::after(previous.as_ref(), None, error));
    }

    /// Records that the ring is at its path again.
    pub(crate) fn set_found(&self) {
        self.lost.store(false, Ordering::Relaxed);
        self.set_failure(None);
    }
}

/// The watch's thread; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct RingWatch {
    _ticker: Ticker,
}

impl RingWatch {
    pub(crate) fn start(bus: &Bus, ring: CurrentRing, state: Arc<RingState>, notice: RingLossNotice) -> Self {
        let mut watch = Watch {
            directory: File::open(bus.path()).ok(),
            bus: bus.clone(),
            has_marker: false,
            ring,
            state,
            notice,
            lost_since: None,
            logged: None,
        };
        let mut looks = 0_u32;
        let look = move || {
            watch.check_path();
            if looks.is_multiple_of(BLOCKS_EVERY) {
                watch.check_blocks();
                watch.has_marker = watch.has_marker || mark_archived(&watch.bus);
            }
            looks = looks.wrapping_add(1);
            watch.log();
        };
        Self { _ticker: Ticker::start("barbus-watch", INTERVAL, look, || ()) }
    }
}

struct Watch {
    bus: Bus,
    /// The bus's directory, which a person may move.
    directory: Option<File>,
    /// The bus has noted that its archive has days.
    has_marker: bool,
    ring: CurrentRing,
    state: Arc<RingState>,
    notice: RingLossNotice,
    lost_since: Option<Instant>,
    /// The error that was logged last, until the ring is in order.
    logged: Option<String>,
}

impl Watch {
    fn check_path(&mut self) {
        // The ring of a bus that was moved is where the next start looks for it.
        let moved = self.moved_to();
        let lost = moved.is_none() && self.ring.is_lost();
        if let Some(to) = moved {
            let from = self.bus.path().display();
            self.state.set_failure(Some(format!(
                "{from}: the bus was moved to {} while the daemon runs: move it back, or restart the daemon there",
                to.display()
            )));
            return;
        }
        if lost && !self.state.is_lost() {
            let path = self.ring.path();
            self.state.set_failure(Some(format!(
                "{}: removed, moved or replaced while the daemon runs: the open day is saved, and a new ring follows",
                path.display()
            )));
            self.state.lost.store(true, Ordering::Relaxed);
        }
        if !lost && self.state.is_lost() {
            self.state.set_found();
        }
        self.notice.set(lost);
        self.lost_since = self.lost_since.filter(|_| lost).or_else(|| lost.then(Instant::now));
        // Readers that are attached to the lost file must not take it for a quiet market.
        let given_up = self.lost_since.is_some_and(|since| since.elapsed() >= GIVE_UP);
        self.ring.set_beating(!given_up);
    }

    /// Where the bus's directory is, if it is not at its path.
    fn moved_to(&self) -> Option<PathBuf> {
        let directory = self.directory.as_ref()?;
        let (mine, there) = (directory.metadata().ok()?, std::fs::metadata(self.bus.path()));
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino())) {
            return None;
        }
        std::fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd())).ok()
    }

    /// Logs an error once, and its end.
    fn log(&mut self) {
        let error = self.state.failure().map(|failure| failure.error);
        if error == self.logged {
            return;
        }
        match &error {
            Some(error) => tracing::error!("{error}"),
            None => tracing::info!("the ring is in order again"),
        }
        self.logged = error;
    }

    fn check_blocks(&mut self) {
        if self.state.is_lost() || self.moved_to().is_some() {
            return;
        }
        match self.ring.unshare() {
            Ok(false) => self.state.set_failure(None),
            Ok(true) => {
                tracing::info!("the ring had blocks in common with a copy or a snapshot: it has its own");
                self.state.set_failure(None);
            }
            Err(error) => self.state.set_failure(Some(error)),
        }
    }
}
