//! Handles that all threads may use at once: buses, answers and panels.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use barbus_shm::fork_generation;

use crate::failure::Failure;
use crate::types::*;

/// Closed handles that are kept before the first of them is used again.
const RESTING: usize = 256;

/// What a handle of all threads holds.
pub(crate) trait SharedHandle: Send + Sync + Sized + 'static {
    /// Marks an open handle of this kind.
    const TAG: u64;
    /// Its name in messages.
    const NAME: &'static str;
    /// The closed handles.
    fn pool() -> &'static SharedPool<Self>;
}

/// The closed handles of a kind, the one that was closed first in front.
#[derive(Debug)]
pub(crate) struct SharedPool<T: 'static>(Mutex<VecDeque<&'static Shared<T>>>);

impl<T: 'static> SharedPool<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }
}

/// A handle of all threads. As a slot of one thread, it is never freed.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Shared<T> {
    /// [`SharedHandle::TAG`] while it is open, its complement afterwards.
    tag: AtomicU64,
    /// The process that opened it.
    generation: AtomicU32,
    value: Mutex<Option<Arc<T>>>,
}

impl<T: SharedHandle> Shared<T> {
    pub(crate) fn open(value: T) -> &'static Self {
        let mut pool = T::pool().0.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = if pool.len() > RESTING { pool.pop_front() } else { None };
        drop(pool);
        let shared = rested.unwrap_or_else(|| {
            Box::leak(Box::new(Self { tag: AtomicU64::new(0), generation: AtomicU32::new(0), value: Mutex::new(None) }))
        });
        *shared.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(value));
        shared.generation.store(fork_generation(), Ordering::Relaxed);
        shared.tag.store(T::TAG, Ordering::Release);
        shared
    }

    /// The value, if the handle is open.
    pub(crate) fn get(&self) -> Result<Arc<T>, Failure> {
        let (name, tag) = (T::NAME, self.tag.load(Ordering::Acquire));
        if tag == !T::TAG {
            return Err(Failure::new(BARBUS_ERROR_CLOSED, format!("{name}: it was closed: open another one")));
        }
        if tag != T::TAG {
            return Err(Failure::argument(format!("{name}: the pointer is that of another kind of handle")));
        }
        // Before the mutex: a thread of the parent may have held it at the fork.
        if self.generation.load(Ordering::Relaxed) != fork_generation() {
            let what = format!("{name}: opened before a fork: open another one in this process");
            return Err(Failure::new(BARBUS_ERROR_FORKED, what));
        }
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner).clone();
        value.ok_or_else(|| Failure::new(BARBUS_ERROR_CLOSED, format!("{name}: it was closed: open another one")))
    }

    /// Drops the value. In a forked child, whose parent uses it still, nothing happens.
    pub(crate) fn close(&'static self) -> Result<(), Failure> {
        let is_open = self.tag.load(Ordering::Acquire) == T::TAG;
        if is_open && self.generation.load(Ordering::Relaxed) != fork_generation() {
            return Ok(());
        }
        self.get()?;
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Of two threads that close it at once, one has the value.
        if value.is_some() {
            self.tag.store(!T::TAG, Ordering::Release);
            T::pool().0.lock().unwrap_or_else(PoisonError::into_inner).push_back(self);
        }
        Ok(())
    }
}
