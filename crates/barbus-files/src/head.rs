//! The beginning of an input.

/// The first bytes of an input.
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
    /// Whether these are all bytes of the input.
    pub(crate) complete: bool,
    /// Whether reading failed behind them.
    pub(crate) failed: bool,
}
