//! The barbus ring: a live Arrow IPC file of bars with one writer and any number of readers.
//!
//! - [`create`] makes a ring. `docs/FORMAT.md` describes every byte; [`layout`] names every offset.
//! - [`RingWriter`] appends rows. Each row is stored twice: in the columns of an Arrow record
//!   batch, and in the [tip](layout#the-tip), a write-through cache of the newest rows.
//! - [`Ring`] attaches to a file and checks it. A [`RingReader`] is a position in a ring; it copies
//!   rows and validates each copy.
//! - [`RingMaintenance`] reads the rows that are not archived yet, syncs the file to disk and marks
//!   blocks reusable.
//!
//! Falling behind is a value, [`Polled::Lapped`], with the exact number of missed rows. A ring
//! without a free block is a value too, [`RingFull`]: the writer never overwrites a row that is not
//! archived. This crate has no clock and opens no socket; the caller passes the times.
//!
//! ```
//! use barbus_ring::{create, Polled, Ring, RingReader, RingStart, RingWriter, Row, Spec};
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
mod checksum;
mod columns;
mod crc;
mod create;
mod durable;
mod error;
mod geometry;
mod held_rows;
pub mod layout;
mod lookup;
#[cfg(test)]
mod loom;
mod maintenance;
mod pinned_blocks;
mod reader;
mod ring;
mod row;
mod spec;
mod start;
mod superblock;
mod symbols;
mod tip;
mod verify;
mod writer;

pub use create::{copy_in_place, create};
pub use error::{DictionaryFull, RingError, RingFull};
pub use geometry::Geometry;
pub use held_rows::{ColumnBytes, CopyReason, HeldRows, Validity};
pub use lookup::RowLocation;
pub use maintenance::{BlockRows, RingMaintenance};
pub use pinned_blocks::PinnedBlocks;
pub use reader::{Polled, Position, RingReader};
pub use ring::{Ring, RingStatus, WriterRun};
pub use row::{MAX_OPTIONAL, Row, SymbolId};
pub use spec::{Price, Spec};
pub use start::{RingStart, StartError};
pub use symbols::SymbolBuffers;
pub use verify::RingReport;
pub use writer::{Recovery, RingWriter};
