//! The message for a known symbol without bars in the ring.

use barbus::Reader;

/// The message that the ring has no bar of `symbol`, and where the closed days are.
pub(in crate::commands) fn no_bar_in_ring(reader: &Reader, symbol: &str) -> String {
    let archive = reader.bus().archive();
    format!("{symbol}: the ring holds no bar of it: closed days are in {}", archive.display())
}
