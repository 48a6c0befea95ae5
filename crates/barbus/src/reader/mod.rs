//! Live reading of a bus: following it, views in place, and queries for one symbol.

mod follow;
mod index;
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

pub use open::Reader;
pub use pinned::Views;
pub use start::Start;
#[cfg(feature = "archive")]
pub(crate) use start::{corrupt, ring_reader_at};
pub use view::View;
pub use wait_strategy::WaitStrategy;
