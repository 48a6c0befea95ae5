//! A mutex with the condition variable that its waiters sleep on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// State that threads share, and wait on until it has changed.
///
/// A panic of a thread that held the lock does not poison it: the other threads continue with the
/// state as it is. A thread that holds the lock must therefore leave the state consistent before it
/// calls anything that may panic.
#[derive(Debug, Default)]
pub struct Monitor<T> {
    state: Mutex<T>,
    changed: Condvar,
}

impl<T> Monitor<T> {
    /// A monitor of `state`.
    pub const fn new(state: T) -> Self {
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Acquires the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes one of the waiting threads.
    pub fn notify_one(&self) {
        self.changed.notify_one();
    }

    /// Wakes all waiting threads.
    pub fn notify_all(&self) {
        self.changed.notify_all();
    }

    /// Releases the lock and sleeps while `condition` holds; returns with the lock acquired again.
    pub fn wait_while<'a>(
        &'a self,
        guard: MutexGuard<'a, T>,
        condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        self.changed.wait_while(guard, condition).unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Monitor::wait_while`], for at most `timeout`. The caller checks the state to see
    /// whether the time ran out.
    pub fn wait_while_for<'a>(
        &'a self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        self.changed.wait_timeout_while(guard, timeout, condition).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Releases the lock and sleeps until a notification, or for at most `timeout`; it may also
    /// wake without either.
    ///
    /// The flag is true if the whole `timeout` passed.
    pub fn wait_for<'a>(&'a self, guard: MutexGuard<'a, T>, timeout: Duration) -> (MutexGuard<'a, T>, bool) {
        let (guard, waited) = self.changed.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner);
        (guard, waited.timed_out())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_waiter_wakes_when_the_state_changes_or_time_runs_out() {
        let monitor = Arc::new(Monitor::new(0));
        let waiter = std::thread::spawn({
            let monitor = Arc::clone(&monitor);
            move || *monitor.wait_while(monitor.lock(), |count| *count < 2)
        });
        for _ in 0..2 {
            *monitor.lock() += 1;
            monitor.notify_all();
        }
        assert_eq!(waiter.join().unwrap(), 2);
        let short = Duration::from_millis(1);
        assert_eq!(*monitor.wait_while_for(monitor.lock(), short, |count| *count == 2), 2);
        let (mut guard, mut timed_out) = (monitor.lock(), false);
        while !timed_out {
            (guard, timed_out) = monitor.wait_for(guard, short);
        }
        assert_eq!(*guard, 2);
    }

    #[test]
    fn a_panic_under_the_lock_does_not_stop_the_other_threads() {
        let monitor = Arc::new(Monitor::new(1));
        let panics = {
            let monitor = Arc::clone(&monitor);
            std::thread::spawn(move || {
                let mut guard = monitor.lock();
                *guard = 2;
                panic!("a test's panic");
            })
        };
        panics.join().unwrap_err();
        assert_eq!(*monitor.lock(), 2);
    }
}
