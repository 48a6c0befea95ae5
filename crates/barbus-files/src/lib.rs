//! Bar files for barbus: files of any layout in; canonical bars, rejected rows and a report out.
//!
//! [`Opener`] unpacks an input, detects its format, recognizes its layout, binds its columns and
//! returns a [`RowSource`].
//! A row that cannot be read is rejected with its text, its place and the reason.
//! A row that can be read but breaks a rule of the bus is passed on: the daemon applies the rules.
//! A row that is no bar of this bus, such as one of another interval, is left out and counted.
//! [`Understood`] tells what was understood of each input and why.
//! This crate knows bars and files; it knows no bus, no socket and no archive.

#![forbid(unsafe_code)]

mod archive_source;
mod bind;
mod bound_source;
mod content;
mod csv_source;
mod decode;
mod detect;
mod doubts;
mod error;
mod head;
mod input;
mod inputs;
mod layout;
mod layouts;
mod open_json;
mod open_records;
mod options;
mod order;
mod packing;
mod reading;
mod records;
mod reject;
mod rows;
mod sample;
mod source;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod understood;
mod values;
mod workers;
mod write;

pub use content::{InputContent, read_input};
pub use decode::guarded::is_decoding;
pub use doubts::{CheckOptions, Checker, Doubt, Findings, usual_ends_ms};
pub use error::InputError;
pub use input::Opener;
pub use inputs::expand_inputs;
pub use layout::description::{Layout, LayoutError};
pub use layout::mapping::{Mapping, MappingError};
pub use layout::pattern::{PathPattern, PatternError};
pub use layout::registry::{built_in, find_layout, layout_names, layout_text};
pub use options::{Ambiguous, InputFormat, InputOptions, UnknownFormat};
pub use order::{FeedOrder, Ordered, RejectStore};
pub use packing::progress::{Progress, file_size};
pub use packing::text_encoding::named as encoding_named;
pub use reading::Reading;
pub use reject::{Reject, reject_batch};
pub use rows::{NUMBERS, Rows};
pub use source::{BATCH_ROWS, LeftOut, NightDates, NumberSymbols, ParsedRows, RowSource, Undecided};
pub use text::printable;
pub use understood::Understood;
pub use values::number::Decimal;
pub use values::scale::{Scale, ScaleError};
pub use values::zone::named as zone_named;
pub use write::{BarsFormat, UnknownEnding, write_bars};
