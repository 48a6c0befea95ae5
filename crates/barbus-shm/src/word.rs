//! Words of shared memory, which can be loaded or stored.
//!
//! The protocol above uses [`Load`] and [`Store`], not `std` atomics, because the atomics of a
//! model checker cannot be laid over a mapped file.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A word that can be loaded. The load is relaxed;
/// [`crate::Memory::fence_acquire`] gives the order.
///
/// `std` allows nothing stronger on read-only memory: "all atomic accesses on read-only memory are
/// undefined behavior in general", except relaxed loads of at most the pointer's size
/// (`std::sync::atomic`, "Atomic accesses to read-only memory").
pub trait Load {
    /// The integer inside.
    type Value: Copy + Eq;
    /// Loads it, relaxed.
    fn get(&self) -> Self::Value;
}

/// A word that can also be stored.
pub trait Store: Load {
    /// Stores, relaxed.
    fn set(&self, value: Self::Value);
    /// Stores, release: a thread that loads the value and then fences sees all earlier stores of
    /// this thread.
    #[track_caller]
    fn set_release(&self, value: Self::Value);
}

/// A word of a read-only map: it can only be loaded.
#[derive(Debug)]
#[repr(transparent)]
pub struct ReadOnly<A>(A);

macro_rules! word {
    ($atomic:ty, $int:ty) => {
        impl Load for $atomic {
            type Value = $int;
            #[inline(always)]
            fn get(&self) -> $int {
                <$atomic>::load(self, Ordering::Relaxed)
            }
        }
        impl Store for $atomic {
            #[inline(always)]
            fn set(&self, value: $int) {
                <$atomic>::store(self, value, Ordering::Relaxed);
            }
            #[inline(always)]
            fn set_release(&self, value: $int) {
                <$atomic>::store(self, value, Ordering::Release);
            }
        }
        impl Load for ReadOnly<$atomic> {
            type Value = $int;
            #[inline(always)]
            fn get(&self) -> $int {
                self.0.load(Ordering::Relaxed)
            }
        }
    };
}
word!(AtomicU64, u64);
word!(AtomicU32, u32);
word!(AtomicU8, u8);
