//! The memory of messages that were processed, for the next messages of any producer.
//!
//! Each minute brings a message of half a megabyte. The kernel would clear new pages for it while
//! all readers wait.

use std::sync::{Mutex, PoisonError};

use arrow::buffer::Buffer;

/// Bodies that are kept: as many as may be in work at a time. `ingest.memory` does not count them.
const MOST_BODIES: usize = 4;
/// Bytes of a body that is kept.
const MOST_BYTES: usize = 1024 * 1024;

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A vector of `length` bytes, which have any values.
pub(crate) fn take(length: usize) -> Vec<u8> {
    let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let Some(mut bytes) = spare else { return vec![0; length] };
    bytes.resize(length, 0);
    bytes
}

/// Keeps the memory of a body, unless something still uses it.
pub(crate) fn give_back(body: Buffer) {
    let Ok(bytes) = body.into_vec::<u8>() else { return };
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    if spare.len() < MOST_BODIES && bytes.capacity() <= MOST_BYTES {
        spare.push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other tests of this process use the same memory: only what holds beside them is asserted.
    #[test]
    fn a_body_is_used_again_when_nothing_else_has_it() {
        let body = Buffer::from(vec![7_u8; 100]);
        let column = body.slice(10);
        give_back(body);
        assert!(column.iter().all(|byte| *byte == 7));
        give_back(Buffer::from(vec![7; 1_000]));
        let longer = take(2_000);
        assert_eq!((longer.len(), longer[1_999]), (2_000, 0));
        let long = take(2 * MOST_BYTES);
        assert_eq!(long.len(), 2 * MOST_BYTES);
        give_back(long.into());
        (0..2 * MOST_BODIES).for_each(|_| give_back(Buffer::from(vec![7; 10])));
        let spare = SPARE.lock().unwrap();
        assert!(spare.len() <= MOST_BODIES && spare.iter().all(|bytes| bytes.capacity() <= MOST_BYTES));
    }
}
