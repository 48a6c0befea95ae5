//! The sizes and offsets of one ring: computed from its superblock's numbers and checked against
//! it.

use crate::layout::*;
use crate::{Price, Spec};

/// Where a column lies in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColumnLayout {
    /// Offset of the values from the slot's start.
    pub(crate) values: usize,
    /// Offset of the validity bitmap from the slot's start; 0 if the column is not nullable.
    pub(crate) validity: usize,
    /// Bytes of a value.
    pub(crate) width: usize,
}

/// The sizes and offsets of a ring.
///
/// Every offset lies inside the file: [`crate::Ring::attach`] has checked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Length of the file, bytes.
    pub file_bytes: u64,
    /// Random number that identifies the continuous sequence of row numbers.
    pub lineage: u64,
    /// Sequence number of the file's first row.
    pub first_seq: u64,
    /// Number of slots.
    pub slots: u32,
    /// How many of the slots are the reserve: the last ones. Readers do not pin them.
    pub reserve: u32,
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
    pub(crate) columns: Vec<ColumnLayout>,
}

/// Rounds `offset` up to a multiple of `to`.
fn align_up(offset: usize, to: usize) -> usize {
    offset.div_ceil(to) * to
}

impl Geometry {
    /// Computes every offset from the numbers in `spec` and the encoded schema.
    ///
    /// `file_bytes` stays 0: it depends on the footer, which is encoded from this geometry.
    pub(crate) fn compute(spec: &Spec, schema_bytes: u32, schema_crc: u32) -> Self {
        let slots = spec.blocks as usize;
        let rows = spec.rows_per_block as usize;
        let dictionary = align_up(DIRECTORY + 8 * slots, PAGE);
        let dictionary_offsets = dictionary + PAGE;
        let dictionary_text = align_up(dictionary_offsets + 4 * (spec.symbols as usize + 1), 64);
        let slots_offset = align_up(dictionary_text + spec.symbol_bytes as usize, PAGE);
        let price_bytes = match spec.price {
            Price::Float64 => 8,
            Price::Float32 => 4,
        };
        let mut columns = Vec::new();
        let mut end = SLOT_BODY;
        let mut add = |width: usize, nullable: bool| {
            let validity = if nullable { end } else { 0 };
            if nullable {
                end = align_up(end + rows / 8, 64);
            }
            columns.push(ColumnLayout { values: end, validity, width });
            end = align_up(end + rows * width, 64);
        };
        add(4, false);
        add(8, false);
        (0..4).for_each(|_| add(price_bytes, false));
        add(8, false);
        spec.optional.iter().for_each(|_| add(8, true));
        add(8, false);
        add(8, false);
        add(1, false);
        let slot_bytes = align_up(end, PAGE);
        // The end-of-stream marker has a page of its own between the slots and the tip.
        let tip = slots_offset + slots * slot_bytes + PAGE;
        Self {
            file_bytes: 0,
            lineage: spec.lineage,
            first_seq: spec.first_seq,
            slots: spec.blocks,
            reserve: spec.reserve,
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

    /// Whether a ring laid out by `spec` would have the same sizes.
    pub fn has_sizes_of(&self, spec: &Spec) -> bool {
        (self.slots, self.reserve, self.rows_per_block, self.symbols, self.symbol_bytes, self.tip_rows)
            == (spec.blocks, spec.reserve, spec.rows_per_block, spec.symbols, spec.symbol_bytes, spec.tip_rows)
    }

    /// Offset of the footer: the end of the tip.
    pub(crate) fn footer_offset(&self) -> usize {
        self.tip + self.tip_rows as usize * TIP_ROW
    }

    /// Offset of the end-of-stream marker.
    pub(crate) fn end_of_stream(&self) -> usize {
        self.tip - PAGE
    }

    /// Offset of a slot.
    pub(crate) fn slot(&self, slot: usize) -> usize {
        debug_assert!(slot < self.slots as usize);
        self.slots_offset + slot * self.slot_bytes
    }

    /// The slots that readers may pin. The others are the reserve.
    pub(crate) fn pinnable_slots(&self) -> std::ops::Range<usize> {
        0..(self.slots - self.reserve) as usize
    }

    /// Whether readers do not pin a slot.
    pub(crate) fn is_in_reserve(&self, slot: usize) -> bool {
        !self.pinnable_slots().contains(&slot)
    }

    /// The bytes of `count` slots from `first` on, as ranges to pin.
    pub(crate) fn slot_ranges(&self, first: usize, count: usize) -> barbus_shm::ByteRanges {
        barbus_shm::ByteRanges { offset: self.slot(first), len: self.slot_bytes, count }
    }

    /// The words of a column's bitmap that have a bit of the rows `from..to`: their offset from the
    /// slot's start, and their number. `None` if the column is not nullable.
    pub(crate) fn validity_words(&self, column: usize, from: u32, to: u32) -> Option<(usize, usize)> {
        let validity = Some(self.columns[column].validity).filter(|&at| at != 0)?;
        let (first, end) = (from as usize / 64, (to as usize).div_ceil(64));
        Some((validity + 8 * first, end - first.min(end)))
    }

    /// Number of the tip slot that holds row `seq`.
    #[inline(always)]
    pub(crate) fn tip_index(&self, seq: u64) -> usize {
        (seq & (self.tip_rows as u64 - 1)) as usize
    }

    /// Offset of the tip slot that holds row `seq`.
    #[inline(always)]
    pub(crate) fn tip_slot(&self, seq: u64) -> usize {
        self.tip + TIP_ROW * self.tip_index(seq)
    }
}
