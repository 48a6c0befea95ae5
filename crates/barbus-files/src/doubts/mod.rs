//! Doubts: what makes bars look different from what they would be stored as.
//!
//! All bars are examined before the first one is sent. Each doubt names the flag that settles it.

mod checker;
mod daily;
mod hours;
mod intervals;
mod labels;
mod prices;

pub(crate) use checker::show;
pub use checker::{CheckOptions, Checker, Findings, usual_ends_ms};

/// Why bars should not be stored as they were understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// What is doubted, and why.
    pub what: String,
    /// What settles it.
    pub way_out: String,
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.way_out)
    }
}
