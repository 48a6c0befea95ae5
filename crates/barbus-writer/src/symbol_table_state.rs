//! Whether the symbol table is full, and the larger ring that is being prepared.

use std::time::Instant;

/// A larger ring that is being prepared.
#[derive(Debug)]
pub(crate) struct Enlargement {
    pub(crate) symbols: u32,
    pub(crate) since: Instant,
    /// When a producer asked last.
    pub(crate) asked: Instant,
    /// No row is appended until the ring is replaced.
    pub(crate) stops_rows: bool,
}

/// Whether the symbol table is full, and what is done about it.
#[derive(Debug, Default)]
pub(crate) struct SymbolTableState {
    pub(crate) enlargement: Option<Enlargement>,
    /// When the table could not be enlarged last, and why.
    pub(crate) full: Option<(Instant, String)>,
}

impl SymbolTableState {
    /// Why bars of new symbols are quarantined; `None` if there is room for them.
    pub(crate) fn why_full(&self) -> Option<String> {
        self.full.as_ref().map(|(_, why)| why.clone())
    }
}
