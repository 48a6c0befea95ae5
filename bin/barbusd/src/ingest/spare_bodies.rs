//! The memory of messages that were processed, for the next messages of any producer.
//!
//! Each minute brings a message of half a megabyte. The kernel would clear new pages for it while
//! all readers wait.

use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use arrow::buffer::Buffer;

/// Bodies that are kept: as many as may be in work at a time. `ingest.memory` does not count them.
const MOST_BODIES: usize = 4;
/// Bytes of a body that is kept. The memory of shorter ones is had without the kernel.
const BYTES: RangeInclusive<usize> = 64 * 1024..=1024 * 1024;

/// The bodies of this process.
pub(crate) static SPARE_BODIES: SpareBodies = SpareBodies(Mutex::new(Vec::new()));

/// Memory of bodies; the last one was given back last.
#[derive(Debug)]
pub(crate) struct SpareBodies(Mutex<Vec<Vec<u8>>>);

impl SpareBodies {
    /// A vector of `length` bytes, which have any values. Its memory is at most twice as long,
    /// because only the bytes of a message are counted.
    pub(crate) fn take(&self, length: usize) -> Vec<u8> {
        let fits = |spare: &Vec<u8>| (length..=2 * length).contains(&spare.capacity());
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = spare.iter().rposition(fits) else { return vec![0; length] };
        let mut bytes = spare.remove(at);
        bytes.resize(length, 0);
        bytes
    }

    /// Keeps the memory of a body, unless something still uses it.
    pub(crate) fn give_back(&self, body: Buffer) {
        let Ok(bytes) = body.into_vec::<u8>() else { return };
        if BYTES.contains(&bytes.capacity()) {
            let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() == MOST_BODIES {
                spare.remove(0);
            }
            spare.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_used_again_when_nothing_else_has_it() {
        let spare = SpareBodies(Mutex::default());
        let lengths = || spare.0.lock().unwrap().iter().map(Vec::capacity).collect::<Vec<_>>();
        let body = Buffer::from(vec![7_u8; 100_000]);
        let column = body.slice(10);
        spare.give_back(body);
        assert!(column.iter().all(|byte| *byte == 7) && lengths().is_empty());
        for length in [200_000, 100_000, 10, 2 * BYTES.end()] {
            spare.give_back(Buffer::from(vec![7_u8; length]));
        }
        assert_eq!(lengths(), [200_000, 100_000]);
        // The one that was given back last, if it fits.
        let taken = spare.take(100_000);
        assert!(taken.capacity() == 100_000 && taken.iter().all(|byte| *byte == 7));
        for (length, capacity) in [(100, 100), (99_999, 99_999), (300_000, 300_000), (150_000, 200_000)] {
            let taken = spare.take(length);
            assert_eq!((taken.len(), taken.capacity()), (length, capacity));
        }
        assert!(lengths().is_empty());
    }

    #[test]
    fn the_newest_bodies_are_kept() {
        let spare = SpareBodies(Mutex::default());
        (0..6).for_each(|more| spare.give_back(Buffer::from(vec![7_u8; 100_000 + more])));
        let lengths: Vec<usize> = spare.0.lock().unwrap().iter().map(Vec::capacity).collect();
        assert_eq!(lengths, [100_002, 100_003, 100_004, 100_005]);
    }
}
