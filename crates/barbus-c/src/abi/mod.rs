//! The exported functions. cbindgen writes them and their comments into `barbus.h`.
//!
//! Every function of a module is exported under its own name, which is what the attribute
//! `no_mangle` is for: nothing else here is unsafe, as `.ci/run` checks.
#![allow(unsafe_code)]

// In the order of the header.
mod library;

mod reader;

mod status;

mod symbols;

mod arrow;

mod bus;

mod question;

mod publisher;

pub use arrow::*;
pub use bus::*;
pub use library::*;
pub use publisher::*;
pub use question::*;
pub use reader::*;
pub use status::*;
pub use symbols::*;
