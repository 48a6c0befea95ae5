//! `/api`: bars and states as JSON or as Arrow, for programs.

mod bars;
mod buses;
mod desk;
mod error;
mod format;
mod json_rows;
mod marks;
mod parameters;
mod stat;
mod watch;

pub(crate) use bars::{bars, latest};
pub(crate) use buses::buses;
pub(crate) use desk::{Desk, blocking};
pub(crate) use error::ApiError;
pub(crate) use marks::marks;
pub(crate) use parameters::Parameters;
pub(crate) use stat::{BusState, stat};
pub(crate) use watch::watch;
