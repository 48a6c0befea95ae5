//! Live reading of a bus: following it, views in place, and queries for one symbol.

#[cfg(feature = "archive")]
mod backfill;
mod follow;
mod index;
#[cfg(feature = "archive")]
mod older_bars;
#[cfg(feature = "archive")]
mod on_gap;
mod open;
mod pinned;
mod queries;
mod recent_bars;
mod ring_arrays;
mod start;
mod status;
mod view;
mod wait_strategy;
mod withdrawal_feed;
mod withdrawn_bars;

#[cfg(feature = "archive")]
pub use on_gap::OnGap;
pub use open::Reader;
pub use pinned::Views;
pub use start::Start;
#[cfg(feature = "archive")]
pub(crate) use start::{corrupt, ring_reader_at};
pub use view::View;
pub use wait_strategy::WaitStrategy;
