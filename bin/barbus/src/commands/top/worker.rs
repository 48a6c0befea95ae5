//! A thread that does one step again and again, so that a slow disk or a stopped daemon delays
//! nothing else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;

/// A thread that repeats a step. It ends with the process.
#[derive(Debug)]
pub(super) struct Worker {
    thread: JoinHandle<()>,
    busy_since: Arc<Mutex<Option<Instant>>>,
}

impl Worker {
    /// Starts a thread that repeats `step` after each `pause`.
    ///
    /// # Errors
    /// The system has no room for another thread.
    pub(super) fn start(
        name: &str,
        pause: Duration,
        mut step: impl FnMut() + Send + 'static,
    ) -> anyhow::Result<Worker> {
        let busy_since = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&busy_since);
        let work = move || {
            loop {
                *lock(&shared) = Some(Instant::now());
                step();
                *lock(&shared) = None;
                std::thread::sleep(pause);
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work).context("start a thread")?;
        Ok(Worker { thread, busy_since })
    }

    /// For how long the present step has run; zero between two steps.
    pub(super) fn busy_for(&self) -> Duration {
        lock(&self.busy_since).map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Whether the thread has ended, which only a bug can cause.
    pub(super) fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Locks `mutex`. What a thread that panicked has left there is still shown.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_step_that_hangs_is_known_to_hang() {
        let (begun, begins) = channel();
        let (free, held) = channel::<()>();
        let worker = Worker::start("test", Duration::ZERO, move || {
            begun.send(()).unwrap();
            let _ = held.recv();
        })
        .unwrap();
        begins.recv().unwrap();
        let busy = worker.busy_for();
        assert!(busy > Duration::ZERO && worker.busy_for() >= busy && !worker.has_failed());
        free.send(()).unwrap();
        begins.recv().unwrap();
    }
}
