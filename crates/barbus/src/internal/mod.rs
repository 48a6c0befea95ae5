//! What the other crates of barbus share with this one.
//!
//! It is no part of the client's interface and may change in any version.

mod backoff;
mod monitor;

pub use backoff::Backoff;
pub use monitor::Monitor;
