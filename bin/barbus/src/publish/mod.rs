//! Publishes rows: puts them into order, paces them, and sends them to the daemon.

mod batch;
mod batch_source;
mod replay_source;
mod send;

pub(crate) use batch::Batch;
pub(crate) use batch_source::{BatchSource, Order};
pub(crate) use replay_source::ReplaySource;
pub(crate) use send::{Sent, send};
