//! The structs and constants of the header.
//!
//! cbindgen copies these comments into `barbus.h`. A constant or a field never changes its meaning;
//! what is added to a struct comes at its end, and its `size` shows who knows it.

mod codes;
mod events;
mod options;
mod published;
mod questions;

pub use codes::*;
pub use events::*;
pub use options::*;
pub use published::*;
pub use questions::*;
