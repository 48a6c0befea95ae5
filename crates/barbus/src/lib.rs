//! The client library of barbus, a shared-memory bus for 1-minute bars.
#![forbid(unsafe_code)]

mod archived;
mod bus;
mod day;
mod error;
pub mod protocol;
mod publisher;
mod reader;
mod settings;
mod stat;
mod verify;
mod writer;

pub use barbus_bars::{Date, Fault};
pub use barbus_ring::{Row, SymbolId};
pub use bus::Bus;
pub use error::{Error, Result};
pub use publisher::{Publisher, request_close_day, stat};
pub use reader::{Bar, Bars, Event, Reader, Start, Wait};
pub use settings::{InitOptions, Settings};
pub use verify::{VerifyReport, verify};
pub use writer::{
    FlushError, FlushStatus, FlushWaiter, Incoming, Intake, Pushed, REJECTED_REASON, REJECTED_ROW, REJECTED_SOURCE,
    Taken, Writer,
};
