//! One question over live and archived bars: the ring, the parts of open days and the day files as
//! one sequence of bars.
//!
//! Nothing is copied into a store of its own. A question opens the day files, reads from the ring
//! what they do not have, and gives each bar once, in its last revision. Then prices may be
//! adjusted and minutes become longer intervals.

mod adjust;
mod answer;
mod beside_files;
mod bound;
mod columns;
mod depth;
mod dictionary;
mod factors;
mod folding;
mod live_rows;
mod missing;
mod panel;
mod persisted;
mod query;
mod reading;
mod resample;
mod row_batch;
mod shortfall;
mod snapshot;
mod unarchived;

pub use adjust::Adjust;
pub use answer::Answer;
pub use bound::Bound;
pub(crate) use dictionary::{dictionary_of, keys_of};
pub use panel::Panel;
pub(crate) use persisted::Persisted;
pub use query::BarsQuery;
pub(crate) use query::period_start;
pub use reading::History;
pub(crate) use resample::{IntervalBar, Resampler};
pub(crate) use row_batch::rows_of_batch;
pub use shortfall::Shortfall;
pub(crate) use unarchived::Unarchived;
