//! The client library of barbus, a shared-memory bus for 1-minute bars.
#![forbid(unsafe_code)]

mod archived;
mod bus;
mod day;
mod error;
pub mod protocol;
mod settings;
mod stat;
mod writer;

pub use barbus_bars::{Date, Fault};
pub use barbus_ring::{Row, SymbolId};
pub use bus::Bus;
pub use error::{Error, Result};
pub use settings::{InitOptions, Settings};
pub use writer::*;
