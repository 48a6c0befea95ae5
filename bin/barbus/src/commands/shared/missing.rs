//! The message for a known symbol without bars.

/// The message that the bus has no bar of `symbol`.
pub(in crate::commands) fn no_bar(symbol: &str) -> String {
    format!("{symbol}: the bus has no bar of it any more")
}
