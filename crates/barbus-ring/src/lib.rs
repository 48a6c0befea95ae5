//! The barbus ring: a live Arrow IPC file of bars that one writer fills and any number of processes follow.
//!
//! - [`create`] lays a ring out (`docs/FORMAT.md` describes every byte, [`layout`] names every offset).
//! - [`RingWriter`] appends rows: the columns of an Arrow record batch, and the [`tip`](layout#the-tip), the last few thousand rows again in
//!   stamped slots that stay in the cache.
//! - [`Ring`] attaches to a file and checks it; a [`RingReader`] is a position in it and reads rows by validated copy.
//! - [`RingMaintenance`] hands the rows that are not yet archived to whoever persists them, and marks blocks reusable.
//!
//! Falling behind is a value, [`Polled::Lapped`], with the exact number of rows missed. A ring without a free block is a value too,
//! [`RingFull`]: nothing is overwritten that is not archived. There is no clock and no socket here; times come from the caller.
//!
//! ```
//! use barbus_ring::{create, RingReader, Polled, Ring, RingWriter, Row, Spec, RingStart};
//! let path = tempfile::tempdir().unwrap().keep().join("bars.ring");
//! create(&path, &Spec { blocks: 4, ..Spec::default() })?;
//! let mut writer = RingWriter::open(&path)?;
//! let symbol = writer.intern("000001.XSHE").unwrap();
//! writer.begin_day(19_908);
//! writer.push(&Row { symbol, frame_ms: 1_720_056_660_000, close: 10.5, ..Row::default() }).unwrap();
//!
//! let ring = Ring::attach(&path)?;
//! let mut reader = RingReader::new(&ring, RingStart::Oldest).unwrap();
//! let mut rows = Vec::new();
//! assert_eq!(reader.poll(&ring, &mut rows, 100), Polled::Rows(1));
//! assert_eq!(rows[0].close, 10.5);
//! assert_eq!(ring.symbol(rows[0].symbol).as_deref(), Some("000001.XSHE"));
//! # Ok::<(), barbus_ring::RingError>(())
//! ```
#![forbid(unsafe_code)]

mod arrow_messages;
mod burst;
mod columns;
mod create;
mod error;
mod geometry;
pub mod layout;
mod lookup;
#[cfg(test)]
mod loom;
mod maintenance;
mod pin;
mod reader;
mod ring;
mod row;
mod spec;
mod tip;
mod verify;
mod writer;

pub use create::create;
pub use error::{DictionaryFull, RingError, RingFull};
pub use geometry::Geometry;
pub use lookup::RowLocation;
pub use maintenance::{BlockRows, RingMaintenance};
pub use pin::{Bits, PinnedBlocks, PinnedRows, SymbolBuffers, Validity};
pub use reader::{Polled, Position, RingReader, RingStart, StartError};
pub use ring::{Ring, RingStatus};
pub use row::{MAX_OPTIONAL, Row, SymbolId};
pub use spec::{Price, Spec};
pub use verify::RingReport;
pub use writer::{Recovery, RingWriter};
