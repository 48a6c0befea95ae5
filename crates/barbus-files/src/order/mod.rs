//! Bars in feed order, in bounded memory: sorted in memory, or as runs in a temporary file.

mod feed;
mod merge;
mod reject_store;
mod run;

pub use feed::{FeedOrder, Ordered};
pub use reject_store::RejectStore;
