//! The fingerprint of a bar's values, by which a duplicate is recognized.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use barbus_ring::Row;

/// Hashes the values of a bar to 64 bits. The result is valid in this process only.
///
/// It reads the values one by one and not the bytes of the row: the row was written a moment ago,
/// and a wide load must wait for the narrow stores that it covers.
#[inline]
pub(crate) fn fingerprint(row: &Row) -> u64 {
    static STATE: LazyLock<ahash::RandomState> = LazyLock::new(ahash::RandomState::new);
    let mut hasher = STATE.build_hasher();
    for value in [row.open, row.high, row.low, row.close, row.volume] {
        hasher.write_u64(value.to_bits());
    }
    hasher.write_u64(row.present.into());
    let optional = 8 - row.present.leading_zeros() as usize;
    for value in &row.optional[..optional.min(row.optional.len())] {
        hasher.write_u64(value.to_bits());
    }
    hasher.finish()
}
