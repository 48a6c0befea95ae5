//! The writer of a barbus bus: what a bar must pass on its way into the ring, and from there into the archive.
//!
//! The daemon is a socket in front of a [`Writer`]; a feed handler in Rust can hold one itself.
//! A lock admits one writer to a bus at a time. Strategies that only read need the crate `barbus`.
#![forbid(unsafe_code)]

mod book;
mod failure;
mod filing;
mod flusher;
mod loading;
mod log;
mod normalize;
mod pulse;
mod quarantine;
mod rate;
mod symbols;
mod writer;

pub use failure::Failure;
pub use flusher::{FlushStatus, FlushWaiter};
pub use normalize::{BatchNormalizer, NormalizedBatch};
pub use pulse::DurabilityWaiter;
pub use quarantine::{REJECTED_REASON, REJECTED_ROW, REJECTED_SOURCE};
pub use writer::{Ingested, Pushed, Writer};
