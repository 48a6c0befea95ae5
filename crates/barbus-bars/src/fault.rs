//! The reasons why a row is not published as a bar.
//!
//! A fault never stops a batch: the row is quarantined with its fault, and the other rows continue.

use crate::schema::MAX_SYMBOL_BYTES;

/// Why a row is invalid. `Display` is a sentence for people, [`Fault::code`] a stable word for
/// counters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A price, volume or optional value is infinite or not a number.
    #[error("{column} is not a finite number")]
    NotFinite {
        /// Canonical name of the column.
        column: String,
    },
    /// The volume is below zero.
    #[error("volume is negative")]
    NegativeVolume,
    /// `high` is below `open` or `close`, or `low` is above one of them.
    #[error("high is below open or close, or low is above one of them")]
    HighLow,
    /// The bar does not end on a multiple of the interval.
    #[error("frame is not on the bar interval")]
    OffInterval,
    /// The bar ends later than the clock and `bars.max_ahead` allow.
    #[error("the bar ends in the future: later than the clock plus bars.max_ahead")]
    Future,
    /// The bar ends before `bars.oldest`.
    #[error("the bar ends before bars.oldest")]
    Past,
    /// The bar lies in no session of its symbol.
    #[error("the bar ends outside the sessions of its symbol, and bars.outside_sessions is \"quarantine\"")]
    OutsideSessions,
    /// The bar's trading day was removed from the archive: a file of this bar alone would look like
    /// the whole day.
    #[error("its trading day was removed from the archive by archive.keep")]
    RemovedDay,
    /// The symbol is empty.
    #[error("symbol is empty")]
    EmptySymbol,
    /// The symbol is longer than [`MAX_SYMBOL_BYTES`].
    #[error("symbol is longer than {MAX_SYMBOL_BYTES} bytes")]
    LongSymbol,
    /// A value cannot be parsed.
    #[error("cannot read {text:?} as {column}")]
    Unparseable {
        /// Canonical name of the column.
        column: String,
        /// The value as the producer sent it, shortened when it is very long.
        text: String,
    },
    /// A required value is null.
    #[error("{column} is missing")]
    MissingValue {
        /// Canonical name of the column.
        column: String,
    },
    /// The whole batch lacks a required column.
    #[error("there is no column {column}")]
    MissingColumn {
        /// Canonical name of the column.
        column: String,
    },
    /// The producer rejected the row itself.
    #[error("the producer rejected it: {reason}")]
    Rejected {
        /// The producer's reason.
        reason: String,
    },
    /// The symbol table of the bus is full.
    #[error("the symbol table is full: {reason}")]
    SymbolTableFull {
        /// What of it is used up, and why it is not enlarged.
        reason: String,
    },
}

impl Fault {
    /// Every word that [`Fault::code`] returns, in the order of [`Fault::index`].
    pub const CODES: [&'static str; 15] = [
        "not-finite",
        "negative-volume",
        "high-low",
        "off-interval",
        "empty-symbol",
        "long-symbol",
        "unparseable",
        "missing-value",
        "missing-column",
        "rejected",
        "symbol-table-full",
        "future",
        "past",
        "outside-sessions",
        "removed-day",
    ];

    /// Index of the fault's code in [`Fault::CODES`], for arrays of counters.
    pub fn index(&self) -> usize {
        match self {
            Fault::NotFinite { .. } => 0,
            Fault::NegativeVolume => 1,
            Fault::HighLow => 2,
            Fault::OffInterval => 3,
            Fault::EmptySymbol => 4,
            Fault::LongSymbol => 5,
            Fault::Unparseable { .. } => 6,
            Fault::MissingValue { .. } => 7,
            Fault::MissingColumn { .. } => 8,
            Fault::Rejected { .. } => 9,
            Fault::SymbolTableFull { .. } => 10,
            Fault::Future => 11,
            Fault::Past => 12,
            Fault::OutsideSessions => 13,
            Fault::RemovedDay => 14,
        }
    }

    /// A stable kebab-case word for counters and the quarantine, such as `high-low`.
    pub fn code(&self) -> &'static str {
        Fault::CODES[self.index()]
    }
}

/// The faults of a batch in the order in which they are found.
#[derive(Default)]
pub(crate) struct FaultList {
    faults: Vec<(usize, Fault)>,
    /// The first column with a value that a double does not hold exactly.
    rounded: Option<String>,
}

impl FaultList {
    pub(crate) fn add(&mut self, row: usize, fault: Fault) {
        self.faults.push((row, fault));
    }

    /// Notes that a value of the column was rounded, which is no fault.
    pub(crate) fn note_rounded(&mut self, column: &str) {
        self.rounded.get_or_insert_with(|| column.to_owned());
    }

    /// The first column with a rounded value.
    pub(crate) fn take_rounded(&mut self) -> Option<String> {
        self.rounded.take()
    }

    /// Ascending by row; of several faults of a row, the one that was added first.
    pub(crate) fn into_sorted(mut self) -> Vec<(usize, Fault)> {
        self.faults.sort_by_key(|(row, _)| *row);
        self.faults.dedup_by_key(|(row, _)| *row);
        self.faults
    }
}

/// Longest value that a fault shows, in characters.
const MAX_SHOWN: usize = 80;

/// A value as a fault shows it: cut after [`MAX_SHOWN`] characters.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_code_and_sentence() {
        let column = || "open".to_owned();
        let all = [
            Fault::NotFinite { column: column() },
            Fault::NegativeVolume,
            Fault::HighLow,
            Fault::OffInterval,
            Fault::EmptySymbol,
            Fault::LongSymbol,
            Fault::Unparseable { column: column(), text: "x".to_owned() },
            Fault::MissingValue { column: column() },
            Fault::MissingColumn { column: column() },
            Fault::Rejected { reason: "x".to_owned() },
            Fault::SymbolTableFull { reason: "x".to_owned() },
            Fault::Future,
            Fault::Past,
            Fault::OutsideSessions,
            Fault::RemovedDay,
        ];
        let codes: Vec<&str> = all.iter().map(Fault::code).collect();
        assert_eq!(codes, Fault::CODES);
        assert_eq!(all[6].to_string(), "cannot read \"x\" as open", "the sentence shows the value");
        assert_eq!(all[5].to_string(), "symbol is longer than 64 bytes");
    }
}
