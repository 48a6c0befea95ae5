//! Work on other threads whose results come in the order in which it was given.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// A piece of work and where its result goes.
type Job<T, R> = (T, Sender<R>);

/// Threads that do the same with everything they are given. They end when this is dropped.
pub(crate) struct Workers<T, R> {
    jobs: Sender<Job<T, R>>,
    /// The results that were not taken, in the order in which the work was given.
    results: VecDeque<Receiver<R>>,
    threads: usize,
}

impl<T: Send + 'static, R: Send + 'static> Workers<T, R> {
    /// Starts `count` threads, each with a worker of its own, or as many as can be started; `None`
    /// if none can.
    pub(crate) fn start<W: FnMut(T) -> R + Send + 'static>(
        count: usize,
        worker: impl Fn() -> W,
    ) -> Option<Workers<T, R>> {
        let (jobs, given) = channel::<Job<T, R>>();
        let given = Arc::new(Mutex::new(given));
        let start = |_: &usize| {
            let (given, mut work) = (given.clone(), worker());
            let run = move || {
                let next = || given.lock().unwrap_or_else(PoisonError::into_inner).recv();
                while let Ok((piece, result)) = next() {
                    // Sending fails when nobody waits for the result any more.
                    let _ = result.send(work(piece));
                }
            };
            std::thread::Builder::new().name("barbus-read".into()).spawn(run).is_ok()
        };
        let threads = (0..count).take_while(start).count();
        (threads > 0).then(|| Workers { jobs, results: VecDeque::new(), threads })
    }

    /// The number of threads.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// The number of results that were not taken.
    pub(crate) fn pending(&self) -> usize {
        self.results.len()
    }

    /// Gives a piece of work.
    pub(crate) fn give(&mut self, piece: T) {
        let (result, taken) = channel();
        // Without any thread the result is missing, which `take` reports.
        let _ = self.jobs.send((piece, result));
        self.results.push_back(taken);
    }

    /// Waits for the next result; `None` if its thread has panicked, or nothing is pending.
    pub(crate) fn take(&mut self) -> Option<R> {
        self.results.pop_front()?.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_work() {
        let mut workers = Workers::start(3, || |piece: u64| piece * 2).unwrap();
        for piece in 0..1000 {
            workers.give(piece);
        }
        assert_eq!((workers.threads(), workers.pending()), (3, 1000));
        assert!((0..1000).all(|piece| workers.take() == Some(piece * 2)));
        assert_eq!(workers.take(), None);
    }

    #[test]
    fn a_panic_is_a_missing_result() {
        let work = |piece: u64| {
            if piece == 1 {
                std::panic::resume_unwind(Box::new("a test"));
            }
            piece
        };
        let mut workers = Workers::start(2, || work).unwrap();
        (0..3).for_each(|piece| workers.give(piece));
        assert_eq!([workers.take(), workers.take(), workers.take()], [Some(0), None, Some(2)]);
    }
}
