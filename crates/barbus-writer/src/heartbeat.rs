//! The writer's heartbeat: a thread that writes the time into the ring, so that readers see that
//! the writer lives.
//!
//! It is a thread of its own, because a slow sync must not make the writer look dead.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use barbus::internal::Monitor;

use crate::clock::{Clock, Moment};

/// The interval between two heartbeats.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(100);

/// The handle of the heartbeat's thread; dropping it ends the heartbeat.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    stop: Arc<Monitor<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Observes `clock` and calls `beat` at each heartbeat, and at the end with a moment of zeros.
    pub(crate) fn start(clock: Clock, mut beat: impl FnMut(Moment) + Send + 'static) -> Self {
        // A reader that attaches before the thread runs must see a live writer.
        beat(clock.observe().0);
        let stop = Arc::new(Monitor::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            loop {
                beat(clock.observe().0);
                if *stopped.wait_while_for(stopped.lock(), HEARTBEAT, |stop| !*stop) {
                    return beat(Moment::default());
                }
            }
        };
        let thread = std::thread::Builder::new().name("barbus-beat".into()).spawn(run);
        Self { stop, thread: Some(thread.expect("a thread can be started")) }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        *self.stop.lock() = true;
        self.stop.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
