//! The C library of barbus, a shared-memory bus for 1-minute bars: `libbarbus` and `barbus.h`.
//!
//! C, C++ and every language with a foreign function interface read and publish bars through it.
//! It adds nothing to the crate `barbus` but the forms of C. `docs/C.md` is its guide, and
//! `include/barbus.h`, which cbindgen writes from this crate, its reference.
//!
//! How it is built:
//! - `abi/` has the exported functions. Their parameters are references and the types of `raw`, so
//!   they are safe code. Each runs inside `failure::call`, which no panic leaves.
//! - `raw/` has all of the unsafe code: handles that C holds, texts, arrays and Arrow structs.
//! - `types.rs` has the structs and constants of the header.
//! - `feed.rs`, `reader.rs`, `reader_stream.rs`, `answer.rs`, `batch.rs` and `publishing.rs` do the
//!   work.
#![deny(unsafe_code)]
#![allow(non_camel_case_types)]

mod abi;
mod answer;
mod batch;
mod failure;
mod feed;
mod ids;
mod options;
mod publishing;
mod raw;
mod reader;
mod reader_stream;
mod types;

/// Opens a reader of C for a Rust program, which measures the exported functions.
///
/// # Errors
/// The text of the failure, as `barbus_error` has it.
#[doc(hidden)]
pub fn open_reader(path: &str, options: &barbus_reader_options<'_>) -> Result<&'static barbus_reader, String> {
    let feed = options::live(path, Some(options)).map_err(|failure| failure.text().to_owned())?;
    Ok(barbus_reader::of(raw::Slot::open(reader::ReaderState::new(feed))))
}

pub use abi::*;
pub use raw::{
    BarArray, CText, NewBars, TextBuffer, barbus_answer, barbus_bus, barbus_panel, barbus_publisher, barbus_reader,
};
pub use types::*;
