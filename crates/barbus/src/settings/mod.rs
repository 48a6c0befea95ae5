//! `bus.toml`: the settings of a bus, their defaults, and what they mean.
//!
//! An unknown key is an error that names the most similar known key. A missing key has its default.
//! Paths are relative to the bus.

mod keep;
mod parse;
mod sources;
mod table;
mod template;
mod values;

pub use template::InitOptions;
pub(crate) use template::template;
pub use values::{Account, Keep, OutsideSessions, Settings, Sources};
