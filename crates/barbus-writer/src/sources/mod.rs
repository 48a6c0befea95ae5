//! Arbitration: which source's value of a bar stands where several sources give the bar.
//!
//! Without `sources.priority` in `bus.toml` none of it runs: the last value stands.

mod arbiter;
mod conflicts;
mod priority;
mod rank;
mod standing;

pub(crate) use arbiter::Arbiter;
pub use conflicts::{Conflict, Conflicts};
pub(crate) use priority::Priority;
pub(crate) use rank::Rank;
