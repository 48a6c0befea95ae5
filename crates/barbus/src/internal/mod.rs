//! What the other crates of barbus share with this one.
//!
//! It is no part of the client's interface and may change in any version.

mod backoff;
mod folders;
mod monitor;

pub use crate::archived_rows::ArchivedRows;
pub use backoff::Backoff;
pub use folders::{create_folder, create_readers_folder};
pub use monitor::Monitor;
