//! A thread that does something at an interval until it is dropped.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use barbus::internal::Monitor;

/// The handle of the thread; dropping it ends the thread and waits for its end.
#[derive(Debug)]
pub(crate) struct Ticker {
    stop: Arc<Monitor<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Calls `tick` at once and then after each `interval`, and at the end `end`.
    pub(crate) fn start(
        name: &str,
        interval: Duration,
        mut tick: impl FnMut() + Send + 'static,
        end: impl FnOnce() + Send + 'static,
    ) -> Self {
        let stop = Arc::new(Monitor::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            loop {
                tick();
                if *stopped.wait_while_for(stopped.lock(), interval, |stop| !*stop) {
                    return end();
                }
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        Self { stop, thread: Some(thread.expect("a thread can be started")) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        *self.stop.lock() = true;
        self.stop.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
