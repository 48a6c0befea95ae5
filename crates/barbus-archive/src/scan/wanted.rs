//! Which bars of a day are wanted.

/// Which bars and columns are wanted.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Only these symbols, ascending; `None`: all.
    pub symbols: Option<&'a [String]>,
    /// Only bars that end at this time or later, milliseconds UTC.
    pub from_ms: i64,
    /// Only bars that end at this time or earlier, milliseconds UTC.
    pub to_ms: i64,
    /// The columns besides `symbol` and `frame`, by number in the archive's schema, ascending.
    pub columns: &'a [usize],
    /// Only the last bars of each symbol; others may come too. Not with `to_ms`.
    pub last: Option<usize>,
}

impl Wanted<'_> {
    /// Whether a wanted symbol lies between two, both included.
    pub(super) fn may_have_symbol(&self, min: &[u8], max: &[u8]) -> bool {
        self.symbols.is_none_or(|symbols| {
            let at = symbols.partition_point(|symbol| symbol.as_bytes() < min);
            symbols.get(at).is_some_and(|symbol| symbol.as_bytes() <= max)
        })
    }

    /// Whether a wanted frame lies between two, both included.
    pub(super) fn may_have_frame(&self, min: i64, max: i64) -> bool {
        min <= self.to_ms && self.from_ms <= max
    }
}
