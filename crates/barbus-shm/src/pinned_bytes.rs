//! Bytes of a map that do not change, as a plain slice that keeps them mapped and pinned.

use std::ops::Deref;
use std::sync::Arc;

use crate::map::ReadMap;
use crate::pin::Pin;

/// Bytes of a read-only map that do not change: a plain slice, valid as long as the value lives.
///
/// It keeps the file mapped and the bytes pinned, even when the reader is dropped.
///
/// # The file's contract
/// A `&[u8]` over shared memory is sound only while nothing stores to those bytes. By creating a
/// value of this type the caller asserts it, from the rules of the file's format: the bytes have
/// been written, and their writer stores to them again only after it has claimed the range under
/// `pin` ([`crate::WriterMemory::claim`]), or never if no pin exists. Rust cannot prove
/// anything about a file whose writer breaks that rule, as with every map of a file.
#[derive(Clone)]
pub struct PinnedBytes {
    map: ReadMap,
    offset: usize,
    len: usize,
    _pin: Option<Arc<Pin>>,
}

impl PinnedBytes {
    /// `len` bytes of `map` from `offset`: under `pin`, or bytes that are never written again.
    ///
    /// # Panics
    /// The bytes are not inside the map.
    pub fn new(map: &ReadMap, pin: Option<Arc<Pin>>, offset: usize, len: usize) -> Self {
        let _ = map.unchanging_bytes(offset, len);
        Self { map: map.clone(), offset, len, _pin: pin }
    }
}

impl Deref for PinnedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.unchanging_bytes(self.offset, self.len)
    }
}

impl AsRef<[u8]> for PinnedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for PinnedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PinnedBytes({} bytes)", self.len)
    }
}
