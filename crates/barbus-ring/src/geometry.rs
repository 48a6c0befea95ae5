//! Where things are in one ring: computed from the numbers in its superblock, and checked against it.

use std::path::Path;

use barbus_shm::{Load, Memory};

use crate::layout::*;
use crate::{MAX_OPTIONAL, Price, RingError, Spec};

/// A column's place in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    /// Offset of the values from the slot's start.
    pub(crate) values: usize,
    /// Offset of the validity bitmap from the slot's start; 0 where the column is not nullable.
    pub(crate) validity: usize,
    /// Bytes of a value.
    pub(crate) width: usize,
}

/// The sizes and offsets of a ring. Every offset lies inside of the file: [`crate::Ring::attach`] checked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Length of the file, bytes.
    pub file_bytes: u64,
    /// Names the line of sequence numbers.
    pub lineage: u64,
    /// Sequence number of the file's first row.
    pub first_seq: u64,
    /// Number of slots.
    pub slots: u32,
    /// Rows that fit into a slot.
    pub rows_per_block: u32,
    /// Capacity of the dictionary, symbols.
    pub symbols: u32,
    /// Capacity of the dictionary, bytes of text.
    pub symbol_bytes: u32,
    /// Rows of the tip.
    pub tip_rows: u32,
    /// Interval of a bar, milliseconds.
    pub interval_ms: u32,
    /// Type of the prices.
    pub price: Price,
    /// Number of optional columns.
    pub optional: usize,
    /// Time of creation, nanoseconds since 1970-01-01 UTC.
    pub created_ns: i64,
    pub(crate) schema_crc: u32,
    pub(crate) schema_bytes: u32,
    pub(crate) slots_offset: usize,
    pub(crate) slot_bytes: usize,
    pub(crate) dictionary: usize,
    pub(crate) dictionary_offsets: usize,
    pub(crate) dictionary_text: usize,
    pub(crate) tip: usize,
    pub(crate) columns: Vec<Column>,
}

pub(crate) fn align(offset: usize, to: usize) -> usize {
    offset.div_ceil(to) * to
}

impl Geometry {
    /// Computes every offset from the numbers in `spec`; the lengths that depend on encoded messages are passed in.
    pub(crate) fn compute(spec: &Spec, schema_bytes: u32, schema_crc: u32) -> Self {
        let slots = spec.blocks as usize;
        let rows = spec.rows_per_block as usize;
        let dictionary = align(DIRECTORY + 8 * slots, PAGE);
        let dictionary_offsets = dictionary + PAGE;
        let dictionary_text = align(dictionary_offsets + 4 * (spec.symbols as usize + 1), 64);
        let slots_offset = align(dictionary_text + spec.symbol_bytes as usize, PAGE);
        let price_bytes = match spec.price {
            Price::Float64 => 8,
            Price::Float32 => 4,
        };
        let mut columns = Vec::new();
        let mut end = SLOT_BODY;
        let mut add = |width: usize, nullable: bool| {
            let validity = if nullable { end } else { 0 };
            if nullable {
                end = align(end + rows / 8, 64);
            }
            columns.push(Column { values: end, validity, width });
            end = align(end + rows * width, 64);
        };
        add(4, false);
        add(8, false);
        (0..4).for_each(|_| add(price_bytes, false));
        add(8, false);
        spec.optional.iter().for_each(|_| add(8, true));
        add(8, false);
        add(8, false);
        add(1, false);
        let slot_bytes = align(end, PAGE);
        // The end-of-stream marker has the page after the slots, the tip follows it.
        let tip = slots_offset + slots * slot_bytes + PAGE;
        Self {
            file_bytes: 0,
            lineage: spec.lineage,
            first_seq: spec.first_seq,
            slots: spec.blocks,
            rows_per_block: spec.rows_per_block,
            symbols: spec.symbols,
            symbol_bytes: spec.symbol_bytes,
            tip_rows: spec.tip_rows,
            interval_ms: spec.interval_ms,
            price: spec.price,
            optional: spec.optional.len(),
            created_ns: spec.created_ns,
            schema_crc,
            schema_bytes,
            slots_offset,
            slot_bytes,
            dictionary,
            dictionary_offsets,
            dictionary_text,
            tip,
            columns,
        }
    }

    /// Whether a ring of `spec` would have the same sizes.
    pub fn has_sizes_of(&self, spec: &Spec) -> bool {
        (self.slots, self.rows_per_block, self.symbols, self.symbol_bytes, self.tip_rows)
            == (spec.blocks, spec.rows_per_block, spec.symbols, spec.symbol_bytes, spec.tip_rows)
    }

    /// Bytes of a ring with `spec`, but for its footer.
    pub(crate) fn footer_offset(&self) -> usize {
        self.tip + self.tip_rows as usize * TIP_ROW
    }

    pub(crate) fn end_of_stream(&self) -> usize {
        self.tip - PAGE
    }

    pub(crate) fn slot(&self, slot: usize) -> usize {
        debug_assert!(slot < self.slots as usize);
        self.slots_offset + slot * self.slot_bytes
    }

    /// `count` slots from `slot` on, to be pinned.
    pub(crate) fn slots_from(&self, slot: usize, count: usize) -> barbus_shm::ByteRanges {
        barbus_shm::ByteRanges { offset: self.slot(slot), len: self.slot_bytes, count }
    }

    /// The tip slot of row `seq`.
    #[inline(always)]
    pub(crate) fn tip_slot(&self, seq: u64) -> usize {
        (seq & (self.tip_rows as u64 - 1)) as usize
    }

    /// Where that is.
    #[inline(always)]
    pub(crate) fn tip_row(&self, seq: u64) -> usize {
        self.tip + TIP_ROW * self.tip_slot(seq)
    }

    /// The superblock's fixed fields, as (offset, bytes, value), in the order of the layout.
    pub(crate) fn fields(&self) -> Vec<(usize, usize, u64)> {
        let price_bytes = if self.price == Price::Float64 { 8 } else { 4 };
        let mut fields = vec![
            (SB_FILE_BYTES, 8, self.file_bytes),
            (SB_LINEAGE, 8, self.lineage),
            (SB_FIRST_SEQ, 8, self.first_seq),
            (SB_SCHEMA_CRC, 4, self.schema_crc.into()),
            (SB_SCHEMA_BYTES, 4, self.schema_bytes.into()),
            (SB_SLOTS, 4, self.slots.into()),
            (SB_ROWS_PER_BLOCK, 4, self.rows_per_block.into()),
            (SB_SLOTS_OFFSET, 8, self.slots_offset as u64),
            (SB_SLOT_BYTES, 8, self.slot_bytes as u64),
            (SB_SYMBOLS, 4, self.symbols.into()),
            (SB_SYMBOL_BYTES, 4, self.symbol_bytes.into()),
            (SB_DICTIONARY, 8, self.dictionary as u64),
            (SB_DICTIONARY_OFFSETS, 8, self.dictionary_offsets as u64),
            (SB_DICTIONARY_TEXT, 8, self.dictionary_text as u64),
            (SB_DIRECTORY, 8, DIRECTORY as u64),
            (SB_TIP, 8, self.tip as u64),
            (SB_TIP_ROWS, 4, self.tip_rows.into()),
            (SB_INTERVAL_MS, 4, self.interval_ms.into()),
            (SB_PRICE_BYTES, 4, price_bytes),
            (SB_OPTIONAL, 4, self.optional as u64),
            (SB_COLUMNS, 4, self.columns.len() as u64),
            (SB_CREATED_NS, 8, self.created_ns as u64),
        ];
        for (i, column) in self.columns.iter().enumerate() {
            let at = SB_COLUMN_TABLE + i * COLUMN_ENTRY_BYTES;
            fields.push((at, 4, column.values as u64));
            fields.push((at + 4, 4, column.validity as u64));
            fields.push((at + 8, 4, column.width as u64));
        }
        fields
    }

    /// Reads and checks the superblock: afterwards no offset that is used leaves the file, whatever its bytes are.
    pub(crate) fn read<M: Memory>(map: &M, path: &Path) -> Result<Self, RingError> {
        let not = |why| RingError::NotARing { path: path.to_owned(), why };
        if map.len() < DIRECTORY {
            let expected = DIRECTORY as u64;
            return Err(RingError::Truncated { path: path.to_owned(), found: map.len() as u64, expected });
        }
        let u64_at = |offset| map.words64(offset, 1)[0].get();
        let u32_at = |offset| map.words32(offset, 1)[0].get();
        if u64_at(0) != u64::from_le_bytes(ARROW_MAGIC) {
            return Err(not("it does not begin with ARROW1"));
        }
        if u64_at(SB_MAGIC) != MAGIC {
            return Err(not("it has no superblock"));
        }
        let version = u32_at(SB_VERSION);
        if version == 0 {
            return Err(not("its creation was not finished"));
        }
        if version != VERSION {
            return Err(RingError::Version { path: path.to_owned(), found: version, expected: VERSION });
        }
        let corrupt = |what: &str| RingError::Corrupt { path: path.to_owned(), what: what.into() };
        if crc_of(map, SB_FIXED, SB_FIXED_END) != u32_at(SB_FIXED_CRC) {
            return Err(corrupt("the superblock's checksum does not fit its bytes"));
        }
        let file_bytes = u64_at(SB_FILE_BYTES);
        if (map.len() as u64) < file_bytes {
            return Err(RingError::Truncated { path: path.to_owned(), found: map.len() as u64, expected: file_bytes });
        }
        if map.len() as u64 > file_bytes {
            return Err(corrupt(&format!("the file has {} bytes, its superblock says {file_bytes}", map.len())));
        }
        let optional = u32_at(SB_OPTIONAL) as usize;
        if optional > MAX_OPTIONAL {
            return Err(corrupt("too many optional columns"));
        }
        let spec = Spec {
            zone: String::new(),
            price: match u32_at(SB_PRICE_BYTES) {
                8 => Price::Float64,
                4 => Price::Float32,
                _ => return Err(corrupt("prices are neither 8 nor 4 bytes long")),
            },
            optional: vec![String::new(); optional],
            blocks: u32_at(SB_SLOTS),
            rows_per_block: u32_at(SB_ROWS_PER_BLOCK),
            symbols: u32_at(SB_SYMBOLS),
            symbol_bytes: u32_at(SB_SYMBOL_BYTES),
            tip_rows: u32_at(SB_TIP_ROWS),
            interval_ms: u32_at(SB_INTERVAL_MS),
            lineage: u64_at(SB_LINEAGE),
            first_seq: u64_at(SB_FIRST_SEQ),
            created_ns: u64_at(SB_CREATED_NS) as i64,
        };
        spec.check().map_err(|e| corrupt(&e.to_string()))?;
        let mut geometry = Self::compute(&spec, u32_at(SB_SCHEMA_BYTES), u32_at(SB_SCHEMA_CRC));
        geometry.file_bytes = file_bytes;
        let stored = |&(offset, bytes, value): &(usize, usize, u64)| match bytes {
            8 => u64_at(offset) == value,
            _ => u64::from(u32_at(offset)) == value,
        };
        if !geometry.fields().iter().all(stored) {
            return Err(corrupt("the superblock's offsets do not fit its sizes"));
        }
        if geometry.footer_offset() + 10 > map.len() {
            return Err(corrupt("the parts do not fit into the file"));
        }
        let schema_end = SCHEMA_MESSAGE + MESSAGE_PREFIX + geometry.schema_bytes as usize;
        if schema_end > SUPERBLOCK || crc_of(map, SCHEMA_MESSAGE + MESSAGE_PREFIX, schema_end) != geometry.schema_crc {
            return Err(corrupt("the schema does not fit its fingerprint"));
        }
        Ok(geometry)
    }
}

/// CRC-32C of the bytes `start..end`.
pub(crate) fn crc_of<M: Memory>(map: &M, start: usize, end: usize) -> u32 {
    let mut crc = 0;
    let mut buffer = [0u8; 4096];
    let mut at = start;
    while at < end {
        let n = (end - at).min(buffer.len());
        for (byte, word) in buffer[..n].iter_mut().zip(map.words8(at, n)) {
            *byte = word.get();
        }
        crc = crc32c::crc32c_append(crc, &buffer[..n]);
        at += n;
    }
    crc
}
