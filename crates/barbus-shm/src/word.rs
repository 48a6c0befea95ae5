//! Words of shared memory, and what may be done to them.
//!
//! The protocol above is written over [`Load`] and [`Store`], not over `std` atomics, because a model checker's atomics
//! cannot lie over a mapped file.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A word that can be loaded. The load is relaxed: order comes from [`crate::Memory::fence_acquire`].
///
/// `std` allows nothing stronger on read-only memory: "all atomic accesses on read-only memory are undefined behavior in
/// general", with the exception of relaxed loads of at most the pointer's size (`std::sync::atomic`, "Atomic accesses
/// to read-only memory").
pub trait Load {
    /// The integer inside.
    type Value: Copy + Eq;
    /// Loads it, relaxed.
    fn get(&self) -> Self::Value;
}

/// A word that can be stored to.
pub trait Store: Load {
    /// Stores, relaxed.
    fn set(&self, value: Self::Value);
    /// Stores, release: what this thread did before is seen by whoever sees the value and then fences.
    #[track_caller]
    fn set_release(&self, value: Self::Value);
}

/// A word of a read-only map: it can be loaded and nothing else.
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
