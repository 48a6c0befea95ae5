//! Items that barbus-writer and barbusd use from this crate, beside the client's interface.
//!
//! Other programs must not use them: they may change in any version.

#[cfg(feature = "archive")]
pub use crate::archived_rows::ArchivedRows;
pub use crate::backoff::Backoff;
pub use crate::folders::{create_folder, create_folders, create_readers_folder};
pub use crate::log_limit::LogLimit;
pub use crate::monitor::Monitor;
pub use crate::owners::Owners;
pub use crate::positions::printable;
