//! The writer's heartbeat: a thread that writes the time into the ring, so that readers see that
//! the writer lives.
//!
//! It is a thread of its own, because a slow sync must not make the writer look dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use barbus_shm::boot_ns;

use crate::clock::{Clock, Moment};
use crate::ticker::Ticker;

/// The interval between two heartbeats.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(100);

/// The heartbeat's thread; dropping it ends the heartbeat.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    /// The newest heartbeat, nanoseconds since the boot.
    last_boot_ns: Arc<AtomicI64>,
    _ticker: Ticker,
}

impl Heartbeat {
    /// Observes `clock` and calls `beat` at each heartbeat, and at the end with a moment of zeros.
    pub(crate) fn start(clock: Clock, beat: impl Fn(Moment) + Send + Sync + 'static) -> Self {
        let beat = Arc::new(beat);
        // A reader that attaches before the thread runs must see a live writer.
        beat(clock.observe().0);
        let last = Arc::clone(&beat);
        let last_boot_ns = Arc::new(AtomicI64::new(boot_ns()));
        let newest = Arc::clone(&last_boot_ns);
        let tick = move || {
            let now = clock.observe().0;
            beat(now);
            newest.store(now.boot_ns, Ordering::Relaxed);
        };
        Self { last_boot_ns, _ticker: Ticker::start("barbus-beat", HEARTBEAT, tick, move || last(Moment::default())) }
    }

    /// How long ago the newest heartbeat was.
    pub(crate) fn age(&self) -> Duration {
        Duration::from_nanos((boot_ns() - self.last_boot_ns.load(Ordering::Relaxed)).max(0) as u64)
    }
}
