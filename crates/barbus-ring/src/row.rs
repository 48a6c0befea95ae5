//! [`Row`]: one bar as the ring stores it.

/// The most optional columns that a ring can have.
pub const MAX_OPTIONAL: usize = 6;

/// A symbol's number in the ring's dictionary, from 0, in order of first appearance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct SymbolId(pub u32);

/// One bar as the ring stores it. Its layout in memory is that of `barbus_bar` in the C library, so
/// that bars cross to C without a copy.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(C)]
pub struct Row {
    /// Sequence number of the row. The writer assigns it and ignores the caller's value.
    pub seq: u64,
    /// End of the bar, milliseconds since 1970-01-01 UTC.
    pub frame_ms: i64,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Volume, in the source's unit.
    pub volume: f64,
    /// When the bus received the bar, nanoseconds since 1970-01-01 UTC.
    pub received_ns: i64,
    /// Values of the optional columns, in schema order; 0 for those that [`Row::present`] excludes.
    pub optional: [f64; MAX_OPTIONAL],
    /// The symbol.
    pub symbol: SymbolId,
    /// Bit i: optional column i has a value.
    pub present: u8,
    /// 0 for a first bar, n for its n-th revision; 255 for the 255th and later ones.
    pub revision: u8,
}

impl Row {
    /// The value of optional column `i`, if it has one.
    pub fn optional(&self, i: usize) -> Option<f64> {
        (self.present >> i & 1 == 1).then(|| self.optional[i])
    }
}
