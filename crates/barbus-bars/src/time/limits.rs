//! The instants at which a bar may end.

/// First instant at which a bar may end, milliseconds: 1970-01-01T00:00:00Z.
pub(crate) const FIRST_FRAME_MS: i64 = 0;
/// Last instant at which a bar may end, milliseconds: 2200-12-31T00:00:00Z.
pub(crate) const LAST_FRAME_MS: i64 = 7_289_568_000_000;

/// Whether a bar may end at `frame_ms`.
#[inline]
pub fn is_valid_frame(frame_ms: i64) -> bool {
    (FIRST_FRAME_MS..=LAST_FRAME_MS).contains(&frame_ms)
}
