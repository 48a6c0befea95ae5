//! Handles that one thread at a time may use: readers and publishers.
//!
//! A handle is a slot that is never freed. A closed slot is used again, after many others, so a
//! program that uses a closed handle gets an error instead of freed memory.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use barbus_shm::{fork_generation, is_generation};

use crate::failure::Failure;
use crate::types::*;

/// Closed slots that are kept before the first of them is used again.
const RESTING: usize = 256;
/// Owners that are not threads: no thread has so low a number.
const NOBODY: usize = 0;
/// Somebody is inside, or a panic has left it.
const INSIDE: usize = 1;

/// What a handle of one thread holds.
pub(crate) trait Handle: Send + Sized + 'static {
    /// Marks an open slot of this kind. Below 2^31, one instruction compares it.
    const TAG: u64;
    /// Its name in messages.
    const NAME: &'static str;
    /// The closed slots.
    fn pool() -> &'static Pool<Self>;
}

/// The closed slots of a kind, the one that was closed first in front.
#[derive(Debug)]
pub(crate) struct Pool<T: 'static>(Mutex<VecDeque<&'static Slot<T>>>);

impl<T: 'static> Pool<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }
}

/// A handle of one thread.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Slot<T> {
    /// [`Handle::TAG`] while it is open, its complement afterwards.
    tag: AtomicU64,
    /// The thread that may use it.
    owner: AtomicUsize,
    /// The process that opened it.
    generation: AtomicU32,
    value: UnsafeCell<Option<Box<T>>>,
}

// SAFETY: only `with`, `open` and `close` touch the value. Each of them owns the slot meanwhile: it
// has changed `owner` to INSIDE, or taken the slot from the pool. So at most one thread has the
// value at a time, and a value that is `Send` may change threads between two calls. The thread that
// takes a slot over synchronizes with the one that handed it over by `owner`.
unsafe impl<T: Handle> Sync for Slot<T> {}

/// A number of this thread, in the C library the address of its descriptor.
///
/// A thread that has ended may leave its number to a later one, which cannot run beside it. In a
/// shared library the address of a thread-local variable would cost three times as much.
#[inline(always)]
fn here() -> usize {
    // SAFETY: the function takes nothing, cannot fail and has no effect.
    unsafe { libc::pthread_self() as usize }
}

impl<T: Handle> Slot<T> {
    /// A handle of this thread.
    pub(crate) fn open(value: T) -> &'static Self {
        let mut pool = T::pool().0.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = if pool.len() > RESTING { pool.pop_front() } else { None };
        drop(pool);
        let slot = rested.unwrap_or_else(|| {
            Box::leak(Box::new(Self {
                tag: AtomicU64::new(!T::TAG),
                owner: AtomicUsize::new(INSIDE),
                generation: AtomicU32::new(0),
                value: UnsafeCell::new(None),
            }))
        });
        // SAFETY: the slot is new or out of the pool, so no call is inside, and none gets inside:
        // its tag is that of a closed slot until the last line.
        unsafe { *slot.value.get() = Some(Box::new(value)) };
        slot.generation.store(fork_generation(), Ordering::Relaxed);
        slot.owner.store(here(), Ordering::Relaxed);
        slot.tag.store(T::TAG, Ordering::Release);
        slot
    }

    /// Runs `work` with the value, if the slot is open and this thread's.
    #[inline(always)]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> Result<R, Failure>) -> Result<R, Failure> {
        let thread = here();
        let is_ours = self.tag.load(Ordering::Relaxed) == T::TAG
            && self.owner.load(Ordering::Relaxed) == thread
            && is_generation(self.generation.load(Ordering::Relaxed));
        if !is_ours {
            self.take_over(thread)?;
        }
        self.owner.store(INSIDE, Ordering::Relaxed);
        // SAFETY: `owner` was this thread's number, which only this thread stores there, and a
        // signal handler of this thread finds INSIDE from here on. So no other reference exists.
        let result = match unsafe { &mut *self.value.get() } {
            Some(value) => work(value),
            None => Err(self.refusal()),
        };
        // After a panic this is skipped: the value may be half changed, and is not used again.
        self.owner.store(thread, Ordering::Relaxed);
        result
    }

    /// Makes this thread the owner of a slot that was handed over; otherwise says why it may not
    /// use it.
    #[cold]
    fn take_over(&self, thread: usize) -> Result<(), Failure> {
        let is_open = self.tag.load(Ordering::Acquire) == T::TAG;
        if !is_open || self.generation.load(Ordering::Relaxed) != fork_generation() {
            return Err(self.refusal());
        }
        let taken = self.owner.compare_exchange(NOBODY, thread, Ordering::Acquire, Ordering::Relaxed);
        taken.map(drop).map_err(|_| self.refusal())
    }

    /// Lets any other thread have the slot: the next one that uses it.
    pub(crate) fn hand_over(&self) -> Result<(), Failure> {
        self.with(|_| Ok(()))?;
        self.owner.store(NOBODY, Ordering::Release);
        Ok(())
    }

    /// Drops the value. In a forked child, whose parent uses it still, nothing happens.
    pub(crate) fn close(&'static self) -> Result<(), Failure> {
        let tag = self.tag.load(Ordering::Acquire);
        if tag == T::TAG && self.generation.load(Ordering::Relaxed) != fork_generation() {
            return Ok(());
        }
        if tag == T::TAG && self.owner.load(Ordering::Relaxed) == INSIDE {
            // A panic has left it: the value stays, because nothing is known of it.
            self.tag.store(!T::TAG, Ordering::Relaxed);
            return Ok(());
        }
        self.take().map(drop)
    }

    /// Takes the value out of the slot, which is closed then.
    pub(crate) fn take(&'static self) -> Result<Box<T>, Failure> {
        self.with(|_| Ok(()))?;
        self.tag.store(!T::TAG, Ordering::Relaxed);
        self.owner.store(INSIDE, Ordering::Relaxed);
        // SAFETY: `with` has shown that the slot is this thread's, and now nobody gets inside.
        let value = unsafe { (*self.value.get()).take() };
        T::pool().0.lock().unwrap_or_else(PoisonError::into_inner).push_back(self);
        value.ok_or_else(|| self.refusal())
    }

    /// Why this thread may not use the slot.
    #[cold]
    fn refusal(&self) -> Failure {
        let (name, tag) = (T::NAME, self.tag.load(Ordering::Relaxed));
        let is_ours = self.generation.load(Ordering::Relaxed) == fork_generation();
        match self.owner.load(Ordering::Relaxed) {
            _ if tag == !T::TAG => {
                Failure::new(BARBUS_ERROR_CLOSED, format!("{name}: it was closed: open another one"))
            }
            _ if tag != T::TAG => Failure::argument(format!("{name}: the pointer is that of another kind of handle")),
            _ if !is_ours => {
                let what = format!("{name}: opened before a fork: open another one in this process");
                Failure::new(BARBUS_ERROR_FORKED, what)
            }
            INSIDE => {
                let what = format!("{name}: another call uses it, or one has failed within: open another one");
                Failure::new(BARBUS_ERROR_THREAD, what)
            }
            _ => {
                let what = format!("{name}: it belongs to another thread: hand it over there first");
                Failure::new(BARBUS_ERROR_THREAD, what)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::call;

    struct Counter(u32);

    impl Handle for Counter {
        const TAG: u64 = 0x1234;
        const NAME: &'static str = "counter";
        fn pool() -> &'static Pool<Self> {
            static POOL: Pool<Counter> = Pool::new();
            &POOL
        }
    }

    fn add(slot: &Slot<Counter>) -> i32 {
        call(|| {
            slot.with(|counter| {
                counter.0 += 1;
                Ok(())
            })
        })
    }

    #[test]
    fn a_closed_slot_is_refused_and_not_freed() {
        let slot = Slot::open(Counter(0));
        assert_eq!((add(slot), call(|| slot.close())), (BARBUS_OK, BARBUS_OK));
        assert_eq!((add(slot), call(|| slot.close())), (BARBUS_ERROR_CLOSED, BARBUS_ERROR_CLOSED));
    }

    #[test]
    fn only_its_thread_uses_a_slot_until_it_is_handed_over() {
        let slot = Slot::open(Counter(0));
        let elsewhere = || std::thread::scope(|scope| scope.spawn(|| add(slot)).join().unwrap());
        assert_eq!((add(slot), elsewhere()), (BARBUS_OK, BARBUS_ERROR_THREAD));
        assert_eq!(call(|| slot.hand_over()), BARBUS_OK);
        assert_eq!((elsewhere(), call(|| slot.close())), (BARBUS_OK, BARBUS_ERROR_THREAD));
    }

    #[test]
    fn a_slot_is_not_used_within_its_own_use_or_after_a_panic() {
        let slot = Slot::open(Counter(0));
        let within = |_: &mut Counter| Ok(add(slot));
        assert!(slot.with(within).is_ok_and(|code| code == BARBUS_ERROR_THREAD));
        assert_eq!(call(|| slot.with(|_| -> Result<(), Failure> { panic!("within") })), BARBUS_ERROR_PANIC);
        assert_eq!((add(slot), call(|| slot.close())), (BARBUS_ERROR_THREAD, BARBUS_OK));
        assert_eq!(add(slot), BARBUS_ERROR_CLOSED);
    }
}
