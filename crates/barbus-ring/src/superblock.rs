//! The fixed part of the superblock: how it follows from the geometry, and how a reader checks it.

use std::path::Path;

use barbus_shm::{Load, Memory};

use crate::crc::crc_of;
use crate::layout::*;
use crate::{Geometry, MAX_OPTIONAL, Price, RingError, Spec};

/// The superblock's fields that never change, as (offset, bytes, value), in layout order.
pub(crate) fn fixed_fields(geometry: &Geometry) -> Vec<(usize, usize, u64)> {
    let price_bytes = if geometry.price == Price::Float64 { 8 } else { 4 };
    let mut fields = vec![
        (SB_FILE_BYTES, 8, geometry.file_bytes),
        (SB_LINEAGE, 8, geometry.lineage),
        (SB_FIRST_SEQ, 8, geometry.first_seq),
        (SB_SCHEMA_CRC, 4, geometry.schema_crc.into()),
        (SB_SCHEMA_BYTES, 4, geometry.schema_bytes.into()),
        (SB_SLOTS, 4, geometry.slots.into()),
        (SB_ROWS_PER_BLOCK, 4, geometry.rows_per_block.into()),
        (SB_SLOTS_OFFSET, 8, geometry.slots_offset as u64),
        (SB_SLOT_BYTES, 8, geometry.slot_bytes as u64),
        (SB_SYMBOLS, 4, geometry.symbols.into()),
        (SB_SYMBOL_BYTES, 4, geometry.symbol_bytes.into()),
        (SB_DICTIONARY, 8, geometry.dictionary as u64),
        (SB_DICTIONARY_OFFSETS, 8, geometry.dictionary_offsets as u64),
        (SB_DICTIONARY_TEXT, 8, geometry.dictionary_text as u64),
        (SB_DIRECTORY, 8, DIRECTORY as u64),
        (SB_TIP, 8, geometry.tip as u64),
        (SB_TIP_ROWS, 4, geometry.tip_rows.into()),
        (SB_INTERVAL_MS, 4, geometry.interval_ms.into()),
        (SB_PRICE_BYTES, 4, price_bytes),
        (SB_OPTIONAL, 4, geometry.optional as u64),
        (SB_COLUMNS, 4, geometry.columns.len() as u64),
        (SB_RESERVE, 4, geometry.reserve.into()),
        (SB_CREATED_NS, 8, geometry.created_ns as u64),
    ];
    for (i, column) in geometry.columns.iter().enumerate() {
        let at = SB_COLUMN_TABLE + i * COLUMN_ENTRY_BYTES;
        fields.push((at, 4, column.values as u64));
        fields.push((at + 4, 4, column.validity as u64));
        fields.push((at + 8, 4, column.width as u64));
    }
    fields
}

/// Reads the superblock and checks it: afterwards every offset of this geometry lies inside the
/// file, whatever bytes the file holds.
pub(crate) fn read_geometry<M: Memory>(map: &M, path: &Path) -> Result<Geometry, RingError> {
    check_identity(map, path)?;
    let superblock = Superblock { map, path };
    let file_bytes = superblock.checked_length()?;
    let spec = superblock.spec()?;
    let mut geometry = Geometry::compute(&spec, superblock.u32(SB_SCHEMA_BYTES), superblock.u32(SB_SCHEMA_CRC));
    geometry.file_bytes = file_bytes;
    superblock.check_offsets(&geometry)?;
    Ok(geometry)
}

/// Checks that the file is marked as a ring of the version that this crate reads.
fn check_identity<M: Memory>(map: &M, path: &Path) -> Result<(), RingError> {
    let not_a_ring = |why| Err(RingError::NotARing { path: path.to_owned(), why });
    if map.len() < DIRECTORY {
        let (found, expected) = (map.len() as u64, DIRECTORY as u64);
        return Err(RingError::Truncated { path: path.to_owned(), found, expected });
    }
    if map.words64(0, 1)[0].get() != u64::from_le_bytes(ARROW_MAGIC) {
        return not_a_ring("it does not begin with ARROW1");
    }
    if map.words64(SB_MAGIC, 1)[0].get() != MAGIC {
        return not_a_ring("it has no superblock");
    }
    match map.words32(SB_VERSION, 1)[0].get() {
        VERSION => Ok(()),
        0 => not_a_ring("its creation was not finished"),
        found => Err(RingError::Version { path: path.to_owned(), found, expected: VERSION }),
    }
}

/// A superblock of the right version whose other fields are not checked yet.
struct Superblock<'a, M> {
    map: &'a M,
    path: &'a Path,
}

impl<M: Memory> Superblock<'_, M> {
    fn u64(&self, offset: usize) -> u64 {
        self.map.words64(offset, 1)[0].get()
    }

    fn u32(&self, offset: usize) -> u32 {
        self.map.words32(offset, 1)[0].get()
    }

    fn corrupt<T>(&self, what: impl Into<String>) -> Result<T, RingError> {
        Err(RingError::Corrupt { path: self.path.to_owned(), what: what.into() })
    }

    /// The length of the file, which the checksummed superblock must confirm.
    fn checked_length(&self) -> Result<u64, RingError> {
        if crc_of(self.map, SB_FIXED, SB_FIXED_END) != self.u32(SB_FIXED_CRC) {
            return self.corrupt("the superblock does not match its checksum");
        }
        let (found, expected) = (self.map.len() as u64, self.u64(SB_FILE_BYTES));
        if found < expected {
            return Err(RingError::Truncated { path: self.path.to_owned(), found, expected });
        }
        if found > expected {
            return self.corrupt(format!("the file has {found} bytes, its superblock states {expected}"));
        }
        Ok(expected)
    }

    /// The numbers that every offset follows from, each within its limits.
    fn spec(&self) -> Result<Spec, RingError> {
        let optional = self.u32(SB_OPTIONAL) as usize;
        if optional > MAX_OPTIONAL {
            return self.corrupt("too many optional columns");
        }
        let price = match self.u32(SB_PRICE_BYTES) {
            8 => Price::Float64,
            4 => Price::Float32,
            _ => return self.corrupt("a price has neither 8 nor 4 bytes"),
        };
        let spec = Spec {
            zone: String::new(),
            price,
            optional: vec![String::new(); optional],
            blocks: self.u32(SB_SLOTS),
            reserve: self.u32(SB_RESERVE),
            rows_per_block: self.u32(SB_ROWS_PER_BLOCK),
            symbols: self.u32(SB_SYMBOLS),
            symbol_bytes: self.u32(SB_SYMBOL_BYTES),
            tip_rows: self.u32(SB_TIP_ROWS),
            interval_ms: self.u32(SB_INTERVAL_MS),
            lineage: self.u64(SB_LINEAGE),
            first_seq: self.u64(SB_FIRST_SEQ),
            created_ns: self.u64(SB_CREATED_NS) as i64,
        };
        spec.check().or_else(|e| self.corrupt(e.to_string()))?;
        Ok(spec)
    }

    /// Checks that the stored offsets are those that were computed, and that the parts fit the
    /// file.
    fn check_offsets(&self, geometry: &Geometry) -> Result<(), RingError> {
        let stored = |&(offset, bytes, value): &(usize, usize, u64)| match bytes {
            8 => self.u64(offset) == value,
            _ => u64::from(self.u32(offset)) == value,
        };
        if !fixed_fields(geometry).iter().all(stored) {
            return self.corrupt("the superblock's offsets do not match its sizes");
        }
        if geometry.footer_offset() + 10 > self.map.len() {
            return self.corrupt("the parts do not fit into the file");
        }
        let schema = SCHEMA_MESSAGE + MESSAGE_PREFIX;
        let schema_end = schema + geometry.schema_bytes as usize;
        if schema_end > SUPERBLOCK || crc_of(self.map, schema, schema_end) != geometry.schema_crc {
            return self.corrupt("the schema does not match its checksum");
        }
        Ok(())
    }
}
