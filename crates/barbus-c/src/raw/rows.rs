//! Rows as bars of C, without a copy.

use std::mem::offset_of;

use barbus::{Row, SymbolId};

use crate::types::{BARBUS_OPTIONAL, barbus_bar};

/// Both types have the same fields at the same places.
const _: () = {
    assert!(size_of::<Row>() == size_of::<barbus_bar>() && align_of::<Row>() == align_of::<barbus_bar>());
    assert!(offset_of!(Row, seq) == offset_of!(barbus_bar, seq));
    assert!(offset_of!(Row, frame_ms) == offset_of!(barbus_bar, frame_ms));
    assert!(offset_of!(Row, open) == offset_of!(barbus_bar, open));
    assert!(offset_of!(Row, high) == offset_of!(barbus_bar, high));
    assert!(offset_of!(Row, low) == offset_of!(barbus_bar, low));
    assert!(offset_of!(Row, close) == offset_of!(barbus_bar, close));
    assert!(offset_of!(Row, volume) == offset_of!(barbus_bar, volume));
    assert!(offset_of!(Row, received_ns) == offset_of!(barbus_bar, received_ns));
    assert!(offset_of!(Row, optional) == offset_of!(barbus_bar, optional));
    assert!(offset_of!(Row, symbol) == offset_of!(barbus_bar, symbol));
    assert!(offset_of!(Row, present) == offset_of!(barbus_bar, present));
    assert!(offset_of!(Row, revision) == offset_of!(barbus_bar, revision));
    assert!(size_of::<SymbolId>() == 4 && barbus_ring::MAX_OPTIONAL == BARBUS_OPTIONAL);
};

/// The rows as bars of C.
#[inline(always)]
pub(crate) fn bars(rows: &[Row]) -> &[barbus_bar] {
    // SAFETY: the two types have `repr(C)` and the same fields at the same offsets, as checked
    // above, and every value of these fields is valid in both. The slice keeps its length and
    // lifetime.
    unsafe { std::slice::from_raw_parts(rows.as_ptr().cast(), rows.len()) }
}
