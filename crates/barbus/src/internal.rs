//! What the other crates of barbus share with this one.
//!
//! It is not part of the client's interface and may change in any version.

#[cfg(feature = "archive")]
pub use crate::archived_rows::ArchivedRows;
pub use crate::backoff::Backoff;
pub use crate::folders::{create_folder, create_readers_folder};
pub use crate::monitor::Monitor;
