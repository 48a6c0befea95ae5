//! Publishes rows: puts them into order, paces them, and sends them to the daemon.

mod as_is_source;
mod batch;
mod feed_source;
mod replay_source;
mod send;
#[cfg(test)]
mod testing;

pub(crate) use as_is_source::AsIsSource;
pub(crate) use batch::Batch;
pub(crate) use feed_source::FeedSource;
pub(crate) use replay_source::ReplaySource;
pub(crate) use send::{Sent, send};
