//! The unsafe code of the library: what C hands over becomes references, and rows become bars of C.
//!
//! - `handles.rs`: the types of handles in the header.
//! - `slot.rs`: handles of one thread, readers and publishers.
//! - `shared.rs`: handles of all threads; it has no unsafe code.
//! - `text.rs`: texts that end with NUL.
//! - `structs.rs`: arrays, and structs of a newer header.
//! - `rows.rs`: rows as bars of C.
//! - `arrow.rs`: Arrow's C Data Interface.
//!
//! The exported functions trust the caller of C in one thing: a pointer is null or points to what
//! the header says, for as long as it says.
#![allow(unsafe_code)]

mod arrow;
mod handles;
mod rows;
mod shared;
mod slot;
mod structs;
mod text;

pub(crate) use arrow::{export_batch, export_stream, import_batch};
pub use handles::{barbus_answer, barbus_bus, barbus_panel, barbus_publisher, barbus_reader};
pub(crate) use rows::bars;
pub(crate) use shared::{Shared, SharedHandle, SharedPool};
pub(crate) use slot::{Handle, Pool, Slot};
pub use structs::{BarArray, NewBars, TextBuffer};
pub(crate) use structs::{Versioned, array, check_size};
pub use text::CText;
pub(crate) use text::{symbol, texts};
